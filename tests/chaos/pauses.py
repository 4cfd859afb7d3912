"""Workers that are stopped in the middle of their work, and go on when others have taken over."""

import asyncio
import signal
from collections.abc import Collection
from functools import partial
from random import Random

from messagedb_agent import Engine
from messagedb_agent.store.stream_name import thread_stream
from tests.chaos.at_work import AtWork, Setting, at_work
from tests.chaos.fleet import Worker
from tests.chaos.locks import end_sessions, owned
from tests.chaos.report import Report
from tests.chaos.server import Server
from tests.waiting import until

_SETTING = Setting(threads=12, workers=4, busy_ms=1_000)
_ALONE_S = 0.3  # at most, with its sessions
_LATE_S = 1.0  # at most, behind the take-over


async def pauses(server: Server, *, count: int, seed: int) -> Report:
    """Stop workers with SIGSTOP, end their sessions, and let them go on once others took over.

    Args:
        server: where.
        count: how many workers are stopped until another one has taken over.
        seed: what all chances are drawn from.
    """
    again = f"python -m tests.chaos pauses --pauses {count} --seed {seed}"
    report, chance = Report("pauses", seed, again, "pauses"), Random(seed)
    paused: set[int] = set()
    with report.noting_errors():
        async with at_work(report, server, f"paused{seed}", _SETTING) as work:
            while report.counts["pauses"] < count:
                worker = chance.choice(work.fleet.alive)
                if await _pause(server, worker, work, chance, report):
                    paused.add(worker.pid)
            await work.finish(paused=paused)
    return report


async def _pause(
    server: Server, worker: Worker, work: AtWork, chance: Random, report: Report
) -> bool:
    """Stop a worker until another one has taken over from it; say whether it had threads."""
    await asyncio.sleep(chance.uniform(0, 0.2))
    worker.send(signal.SIGSTOP)
    try:
        streams = await owned(
            server.admin_url, worker.name, _streams(work.engine, work.people.said)
        )
        if not streams:
            return False
        await asyncio.sleep(chance.uniform(0, _ALONE_S))
        still = await owned(server.admin_url, worker.name, streams)
        report.require(len(still) == len(streams), f"{worker.name} is stopped, and lost {streams}")
        all_of_them = chance.random() < 0.5
        await end_sessions(server.admin_url, worker.name, all_of_them=all_of_them)
        before = await _versions(work.engine, streams)
        await until(partial(_have_moved, work.engine, streams, before))
        report.done("pauses", f"{worker.name} of {len(streams)} threads, all: {all_of_them}")
        await asyncio.sleep(chance.uniform(0, _LATE_S))
        return True
    finally:
        worker.send(signal.SIGCONT)


def _streams(engine: Engine, thread_ids: Collection[str]) -> list[str]:
    return [thread_stream(engine.category, engine.version, id) for id in thread_ids]


async def _have_moved(engine: Engine, streams: Collection[str], before: list[int]) -> bool:
    return await _versions(engine, streams) != before


async def _versions(engine: Engine, streams: Collection[str]) -> list[int]:
    return [await engine.store.stream_version(stream) for stream in streams]
