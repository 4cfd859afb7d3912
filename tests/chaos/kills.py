"""Workers that are killed: half of them at any time, half at named points."""

import asyncio
import signal
from dataclasses import dataclass
from random import Random

from tests.chaos.at_work import Setting, at_work
from tests.chaos.dying import drawn
from tests.chaos.fleet import Fleet, Worker
from tests.chaos.report import Report
from tests.chaos.server import Server

_WORKERS = 6
_SETTING = Setting(threads=64, workers=_WORKERS, busy_ms=250)
_AT_POINTS = 0.6  # how many are to come to a point; some of them are killed before they do
_EARLY = 0.2  # how many of those that are killed at any time are killed while they start
_STARTS_S = 0.4
_WORKS_S = 1.0
_PATIENCE_S = 2.5  # with workers that do not come to their point
_LOOK_S = 0.02


async def kills(server: Server, *, count: int, seed: int) -> Report:
    """Kill workers with SIGKILL while they work, and let those that are left finish all threads.

    Args:
        server: where.
        count: how many workers are killed.
        seed: what all chances are drawn from.
    """
    again = f"python -m tests.chaos kills --kills {count} --seed {seed}"
    report, chance = Report("kills", seed, again, "kills"), Random(seed)
    with report.noting_errors():
        async with at_work(report, server, f"killed{seed}", _SETTING) as work:
            await _kill(work.fleet, chance, report, count)
            await work.finish()
    return report


@dataclass(eq=False)
class _Life:
    """A worker, and how long it has.

    Attributes:
        worker: the worker.
        early: whether that counts from its start, and not from when it is at work.
        left_s: seconds from then on until it is killed.
        end_s: when that is, by the loop's clock; 0 where it is not known yet.
    """

    worker: Worker
    early: bool
    left_s: float
    end_s: float = 0.0

    @classmethod
    def drawn(cls, fleet: Fleet, chance: Random) -> "_Life":
        """Start a worker: half of them come to a point, the others to a time."""
        if chance.random() < _AT_POINTS:
            return cls(fleet.spawn_worker(drawn(chance)), False, _PATIENCE_S)
        early = chance.random() < _EARLY
        return cls(fleet.spawn_worker(), early, chance.uniform(0, _STARTS_S if early else _WORKS_S))

    def is_over(self, now_s: float) -> bool:
        if not self.end_s and (self.early or self.worker.is_at_work):
            self.end_s = now_s + self.left_s
        return 0 < self.end_s < now_s


async def _kill(fleet: Fleet, chance: Random, report: Report, count: int) -> None:
    """Keep workers at work, and kill one after the other; those that follow stay."""
    lives = [_Life(worker, False, chance.uniform(0, _WORKS_S)) for worker in fleet.alive]
    loop = asyncio.get_running_loop()
    while report.counts["kills"] < count:
        lives += [_Life.drawn(fleet, chance) for _ in range(_WORKERS - len(lives))]
        await asyncio.sleep(_LOOK_S)
        for life in list(lives):
            died = not life.worker.is_alive
            if died or life.is_over(loop.time()):
                life.worker.send(signal.SIGKILL)
                code = await asyncio.to_thread(life.worker.ended)
                lives.remove(life)
                _note_end(life, died, code, fleet, report)
    for life in lives:  # those that would still kill themselves
        if life.worker.point:
            life.worker.send(signal.SIGKILL)
            await asyncio.to_thread(life.worker.ended)
    while len(fleet.alive) < _WORKERS:
        fleet.spawn_worker()


def _note_end(life: _Life, died: bool, code: int | None, fleet: Fleet, report: Report) -> None:
    name, point = life.worker.name, life.worker.point
    if code != -signal.SIGKILL or (died and not point):
        report.require(False, f"{name} ended by itself with {code}: {fleet.log_of(life.worker)}")
    how = (
        f"at: {point.partition(':')[0]}" if died else "while it starts" if life.early else "at work"
    )
    report.done("kills", f"{name} {point if died else how}")
    report.counts["kills at named points"] += died
    report.counts[f"killed {how}"] += 1
