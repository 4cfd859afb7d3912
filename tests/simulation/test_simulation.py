"""Whatever goes wrong, nothing is lost and nothing is done twice: thousands of simulated runs.

Each test is one share of them, which any worker of the test run may take.
"""

import logging
import os
from collections.abc import Iterator
from random import Random

import pytest

from tests.simulation.exploring import Job, Tally, few_collections, seeds, single_crashes
from tests.simulation.faults import KINDS
from tests.simulation.scenarios import SCENARIOS

SEEDS = int(os.environ.get("SIMULATION_SEEDS", "3000"))
SAMPLED = {
    "a-cancelled-transaction": 4,
    "a-conversation-grown-long": 4,
    "forks": 8,
    "many-threads": 4,
    "rivals": 4,
    "the-same-message-from-two-clients": 4,
    "workers": 8,
}
"""The longest scripts: of the steps at which they are crashed, the tests take every so manieth,
each time from another one on. The other twenty are crashed at every step.
"""
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
    every = SAMPLED.get(name, 1)
    tally = done(single_crashes(name, every=every, first=Random().randrange(every)))
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
