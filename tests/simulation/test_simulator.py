"""The simulator itself: what it shows, that it repeats itself, and what it once found."""

import os
import subprocess
import sys
from hashlib import sha256

import pytest

from tests.simulation.faults import Fault
from tests.simulation.people import People
from tests.simulation.running import run, run_seed
from tests.simulation.scenarios import SCENARIOS, Scenario

_SEEDS = 40
_DIGESTS = "from tests.simulation.test_simulator import digests; print(digests())"

FOUND = {
    "a late failure closed a call that another attempt had taken over": (
        "one-tool",
        "pause@31:0.05,raise@0:0.90,linger@1:0.50",
    ),
    "a late failure said of a call that it failed, and a later attempt had worked": (
        "one-tool",
        "pause@29:0.99,raise@0:0.20,hang@1:0.90",
    ),
    "a fork began at position 1, behind a stranger's row": ("forks", "overtake@12:0.94"),
    "a reply to a cancelled call, behind the next message, was taken for a round": (
        "an-interruption",
        "busy@8:0.46,fail@0:0.88,outage@134:0.67,outage@1:0.77",
    ),
    "a pause near the end of a process upset who tells of news": ("denial", "drowse@35:0.03"),
}
"""Schedules that once failed, by what was wrong."""


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_a_scenario_shows_what_it_is_for(name: str) -> None:
    done = run(SCENARIOS[name], ())
    assert not done.wrong, str(done)
    assert done.types >= SCENARIOS[name].shows


@pytest.mark.parametrize("what", FOUND)
def test_what_was_found_once_stays_mended(what: str) -> None:
    name, schedule = FOUND[what]
    done = run(SCENARIOS[name], tuple(map(Fault.parse, schedule.split(","))))
    assert not done.wrong, str(done)
    assert not done.is_void


def test_a_tool_of_two_hours_is_executed_once_while_its_worker_lives() -> None:
    async def script(people: People) -> None:
        await people.start("a", "do hours")

    alone = Scenario("two-hours", script, frozenset())
    done = run(alone, (Fault("jump", 40, 1.0), Fault("drowse", 60, 1.0)))
    assert not done.wrong, str(done)
    assert "ToolExecutionCompleted" in done.types
    late = done.points["step"] - 500  # whoever comes by then finds it owned, and follows
    done = run(alone, (Fault("rival", late),))
    assert not done.wrong, str(done)
    assert sum(" done hours " in line for line in done.trace) == 1


@pytest.mark.parametrize(
    ("name", "step"), [("cancelled-tools", 70), ("an-interruption", 62), ("parallel-tools", 56)]
)
def test_what_a_process_brings_late_that_was_paused_is_told(name: str, step: int) -> None:
    done = run(SCENARIOS[name], (Fault("pause", step, 0.6),))
    assert not done.wrong, str(done)
    assert "ToolOutcomeResolved" in done.types


def digests() -> list[str]:
    """Return digests of the logs of some seeds."""
    logs = ("\n".join(run_seed(seed).trace) for seed in range(_SEEDS))
    return [sha256(log.encode()).hexdigest() for log in logs]


def test_the_same_seed_gives_the_same_log_to_the_byte() -> None:
    here = os.environ.get("PYTHONHASHSEED")  # at random where it is not set
    there = {**os.environ, "PYTHONHASHSEED": "2" if here == "1" else "1"}
    told = subprocess.check_output([sys.executable, "-c", _DIGESTS], env=there, text=True)
    assert told.strip() == str(digests())
