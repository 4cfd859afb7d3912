"""Whatever goes wrong, nothing is lost and nothing is done twice: thousands of simulated runs."""

import os
from collections.abc import Iterator
from concurrent.futures import Executor

import pytest

from tests.simulation.exploring import Tally, explore, seeds, single_crashes, workers
from tests.simulation.faults import KINDS
from tests.simulation.scenarios import SCENARIOS

SEEDS = int(os.environ.get("SIMULATION_SEEDS", "2000"))
_BLOCK = 500
_MOST_VOID = 0.1  # of all runs


@pytest.fixture(scope="module")
def pool() -> Iterator[Executor]:
    with workers() as pool:
        yield pool


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_a_crash_at_any_step_loses_nothing_and_does_nothing_twice(
    pool: Executor, name: str
) -> None:
    tally = explore(single_crashes(name), pool)
    check(tally)
    assert tally.void == 0


@pytest.mark.parametrize("first", range(0, SEEDS, _BLOCK))
def test_whatever_a_seed_brings_nothing_is_lost_and_nothing_is_done_twice(
    pool: Executor, first: int
) -> None:
    tally = explore(seeds(first, _BLOCK), pool)
    check(tally)
    assert tally.void < tally.runs * _MOST_VOID
    assert tally.fired.keys() == KINDS.keys()


def check(tally: Tally) -> None:
    print(tally)
    assert not tally.failures, str(tally)
