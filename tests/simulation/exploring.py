"""Many runs: seeds, a crash at every step, two crashes at every pair of steps."""

import gc
import multiprocessing
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import count

from tests.simulation.faults import Fault
from tests.simulation.running import Run, run, run_seed
from tests.simulation.scenarios import SCENARIOS

_MOST_SHOWN = 20
_SEEDS_AT_ONCE = 100


@dataclass
class Tally:
    """What came of many runs.

    Attributes:
        runs: how many there were.
        void: how many of them missed a fault of their schedule.
        fired: how often each kind of fault happened.
        missed: how often each kind never did, though its run's schedule had it.
        failed: the runs in which something is wrong, the first of them.
        failures: how many those are.
    """

    runs: int = 0
    void: int = 0
    fired: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    failed: list[Run] = field(default_factory=list)
    failures: int = 0

    def add(self, done: Run) -> None:
        """Count a run."""
        self.runs += 1
        self.void += done.is_void
        self.fired.update(fault.kind for fault in done.fired)
        self.missed.update(done.missed)
        if done.wrong:
            self.failures += 1
            self.failed.append(done)

    def merge(self, other: "Tally") -> None:
        """Count what another has counted."""
        self.runs += other.runs
        self.void += other.void
        self.fired += other.fired
        self.missed += other.missed
        self.failures += other.failures
        self.failed = [*self.failed, *other.failed][:_MOST_SHOWN]

    def __str__(self) -> str:
        bound = "" if self.failures else f" (95 % bound: {3 / max(self.runs, 1):.1e})"
        fired = ", ".join(f"{kind} {times}" for kind, times in sorted(self.fired.items()))
        return "\n".join(
            [
                *map(str, self.failed),
                f"{self.runs} runs, {self.failures} failed{bound}, {self.void} void",
                f"faults that happened: {fired or 'none'}",
            ]
        )


Job = Callable[[], Tally]


def seeds(first: int, how_many: int, only: str | None = None) -> list[Job]:
    """Return the work of running some seeds."""
    last = first + how_many
    starts = range(first, last, _SEEDS_AT_ONCE)
    return [partial(_seeds, range(s, min(s + _SEEDS_AT_ONCE, last)), only) for s in starts]


def single_crashes(only: str | None = None) -> list[Job]:
    """Return the work of crashing at every step of every scenario."""
    return [partial(_crashes, name) for name in SCENARIOS if only in (None, name)]


def paired_crashes(only: str | None = None, *, every: int = 1) -> list[Job]:
    """Return the work of crashing twice, at every pair of steps.

    Args:
        only: name of a scenario; None takes all.
        every: takes every so manieth first step.
    """
    return [
        partial(_pairs, name, first)
        for name in SCENARIOS
        if only in (None, name)
        for first in range(0, _steps(name), every)
    ]


def explore(jobs: Iterable[Job], processes: int = 2) -> Tally:
    """Do the work in several processes, and count what comes of it."""
    total = Tally()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        for tally in pool.map(_done, jobs):
            total.merge(tally)
    return total


def _done(job: Job) -> Tally:
    return job()


def _seeds(numbers: range, only: str | None) -> Tally:
    return _counted(run_seed(seed, only) for seed in numbers)


def _crashes(name: str) -> Tally:
    return _counted(_until_unreached(name))


def _pairs(name: str, first: int) -> Tally:
    return _counted(_until_unreached(name, Fault("crash", first)))


def _until_unreached(name: str, *before: Fault) -> Iterator[Run]:
    """Crash at the next step, and the next, until a run ends without reaching it."""
    for step in count(before[-1].at + 1 if before else 0):
        done = run(SCENARIOS[name], (*before, Fault("crash", step)))
        if done.is_void:
            return
        yield done


def _steps(name: str) -> int:
    return run(SCENARIOS[name], ()).points["step"]


def _counted(runs: Iterator[Run]) -> Tally:
    # Runs leave cycles behind; what a collection finds is always little, and always dead.
    gc.collect()
    gc.freeze()
    tally = Tally()
    for done in runs:
        tally.add(done)
    gc.unfreeze()
    return tally
