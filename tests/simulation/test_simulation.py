"""Whatever goes wrong, nothing is lost and nothing is done twice: thousands of simulated runs.

Each test is one share of them, which any worker of the test run may take.
"""

import logging
import os
from collections.abc import Iterator

import pytest

from tests.simulation.exploring import Job, Tally, few_collections, seeds, single_crashes
from tests.simulation.faults import KINDS
from tests.simulation.scenarios import COSTLY, SCENARIOS

SEEDS = int(os.environ.get("SIMULATION_SEEDS", "3000"))
LONG = frozenset(
    {
        "a-cancelled-model-call",
        "a-cancelled-transaction",
        "a-lost-outcome",
        "a-message-during-a-model-call",
        "a-model-that-fails",
        "many-threads",
    }
)
"""Scripts of so many steps that the suite has no time for a crash at each."""
_SHARE = 500
_MOST_VOID = 0.1  # of all runs


@pytest.fixture(autouse=True)
def _unlogged() -> Iterator[None]:
    """Keep no log: it would be that of hundreds of runs, and each run has one of its own."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_a_crash_at_any_step_loses_nothing_and_does_nothing_twice(name: str) -> None:
    tally = done(single_crashes(name, every=6 if name in COSTLY else 3 if name in LONG else 1))
    assert tally.void == 0


@pytest.mark.parametrize("first", range(0, SEEDS, _SHARE))
def test_whatever_a_seed_brings_nothing_is_lost_and_nothing_is_done_twice(first: int) -> None:
    tally = done(seeds(first, min(_SHARE, SEEDS - first)))
    assert tally.void < tally.runs * _MOST_VOID
    assert tally.runs < _SHARE or tally.fired.keys() == KINDS.keys()


def done(jobs: list[Job]) -> Tally:
    """Do the work; a run that fails is shown with its seed and the command that repeats it."""
    tally = Tally()
    with few_collections():  # once: this process has imported far more than the simulator
        for job in jobs:
            tally.merge(job())
    print(tally)
    assert not tally.failures, str(tally)
    return tally
