"""Many runs: seeds, a crash at every step, two crashes at every pair of steps."""

import gc
import multiprocessing
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from tests.simulation.faults import Fault
from tests.simulation.running import Run, clean, run, run_seed
from tests.simulation.scenarios import SCENARIOS

_MOST_SHOWN = 20
_AT_ONCE = 50  # runs in one job
_RUNS_A_COLLECTION = 20


@dataclass
class Tally:
    """What came of many runs.

    Attributes:
        runs: how many there were.
        void: how many of them missed a fault of their schedule.
        fired: how often each kind of fault happened.
        failed: the runs in which something is wrong, the first of them.
        failures: how many those are.
    """

    runs: int = 0
    void: int = 0
    fired: Counter[str] = field(default_factory=Counter)
    failed: list[Run] = field(default_factory=list)
    failures: int = 0

    def add(self, done: Run) -> None:
        """Count a run."""
        self.runs += 1
        self.void += done.is_void
        self.fired.update(fault.kind for fault in done.fired)
        if done.wrong:
            self.failures += 1
            self.failed = [*self.failed, done][:_MOST_SHOWN]

    def merge(self, other: "Tally") -> None:
        """Count what another has counted."""
        self.runs += other.runs
        self.void += other.void
        self.fired += other.fired
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
    return [partial(_seeds, part, only) for part in _parts(range(first, first + how_many))]


def single_crashes(
    name: str, *, every_step: bool = False, every: int = 1, first: int = 0
) -> list[Job]:
    """Return the work of crashing at every step of a scenario, before and after each await.

    Args:
        name: of the scenario.
        every_step: takes steps too that leave the same world behind as the one before.
        every: takes every so manieth of these steps.
        first: how many of them are left out before that.
    """
    steps = range(clean(name).points["step"]) if every_step else clean(name).moments
    return [partial(_crashes, name, part) for part in _parts(steps[first::every])]


def paired_crashes(name: str, *, every: int = 1) -> list[Job]:
    """Return the work of crashing twice: once at a step, and at each step that follows on that.

    Args:
        name: of the scenario.
        every: takes every so manieth first step.
    """
    return [partial(_pairs, name, first) for first in clean(name).moments[::every]]


def workers(processes: int = 2) -> ProcessPoolExecutor:
    """Return processes that `explore` may use."""
    return ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn"))


def explore(
    jobs: Iterable[Job], pool: Executor, tell: Callable[[Tally], None] = lambda _: None
) -> Tally:
    """Do the work in several processes, and count what comes of it.

    Args:
        jobs: what is to be done.
        pool: who does it.
        tell: told of the count so far, after each job.
    """
    total = Tally()
    for tally in pool.map(_done, jobs):
        total.merge(tally)
        tell(total)
    return total


def _done(job: Job) -> Tally:
    with few_collections():
        return job()


@contextmanager
def few_collections() -> Iterator[None]:
    """Let garbage be looked for between many runs alone, and among what they leave behind.

    Each run leaves its world behind as cycles. Looking for them at every few hundred new objects
    would take a third of the time; so would looking through all that was imported, which is done
    once in a process: what is alive then is left alone from there on.
    """
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _parts(numbers: Sequence[int]) -> list[Sequence[int]]:
    return [numbers[n : n + _AT_ONCE] for n in range(0, len(numbers), _AT_ONCE)]


def _seeds(numbers: Sequence[int], only: str | None) -> Tally:
    return _counted(run_seed(seed, only) for seed in numbers)


def _crashes(name: str, steps: Sequence[int]) -> Tally:
    return _counted(run(SCENARIOS[name], (Fault("crash", step),)) for step in steps)


def _pairs(name: str, first: int) -> Tally:
    return _counted(_second_crashes(name, Fault("crash", first)))


def _second_crashes(name: str, first: Fault) -> Iterator[Run]:
    once = run(SCENARIOS[name], (first,))
    for step in once.moments:
        if step > first.at:
            yield run(SCENARIOS[name], (first, Fault("crash", step)))


def _counted(runs: Iterator[Run]) -> Tally:
    tally = Tally()
    for number, done in enumerate(runs):
        tally.add(done)
        if number % _RUNS_A_COLLECTION == 0:
            gc.collect()
    return tally
