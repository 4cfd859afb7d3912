"""Whatever goes wrong, nothing is lost and nothing is done twice: thousands of simulated runs."""

import os
import subprocess
import sys

import pytest

from tests.simulation.exploring import Tally, explore, seeds, single_crashes
from tests.simulation.running import run
from tests.simulation.scenarios import SCENARIOS

SEEDS = int(os.environ.get("SIMULATION_SEEDS", "1000"))
_MOST_VOID = 0.1  # of all runs
_DIGEST = """
from hashlib import sha256
from tests.simulation.running import run_seed
print([sha256("\\n".join(run_seed(seed).trace).encode()).hexdigest() for seed in range(30)])
"""


def check(tally: Tally) -> None:
    print(tally)
    assert not tally.failures, str(tally)


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_a_scenario_shows_what_it_is_for(name: str) -> None:
    done = run(SCENARIOS[name], ())
    assert not done.wrong, str(done)
    assert done.types >= SCENARIOS[name].shows


def test_the_same_seed_gives_the_same_log_to_the_byte() -> None:
    def digests(hash_seed: str) -> bytes:
        return subprocess.check_output(
            [sys.executable, "-c", _DIGEST], env={**os.environ, "PYTHONHASHSEED": hash_seed}
        )

    assert digests("1") == digests("2")


def test_a_crash_at_any_step_loses_nothing_and_does_nothing_twice() -> None:
    check(explore(single_crashes()))


def test_whatever_a_seed_brings_nothing_is_lost_and_nothing_is_done_twice() -> None:
    tally = explore(seeds(0, SEEDS))
    check(tally)
    assert tally.runs == SEEDS
    assert tally.void < tally.runs * _MOST_VOID
