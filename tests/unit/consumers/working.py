"""A worker beside a test, in its process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from messagedb_agent.agents.agent import Agent
from messagedb_agent.agents.engine import Engine
from messagedb_agent.consumers import DEFAULT_GROUP, Parking, Patience, Worker, parking_of
from messagedb_agent.consumers.positions import Positions
from tests.unit.engine.world import stream_of
from tests.waiting import PATIENCE_S, until

QUICK = Patience(soonest_s=0.01, latest_s=0.05, lacking_s=0.05, lives_s=0.01)


@asynccontextmanager
async def working(engine: Engine, **options: Any) -> AsyncIterator[Worker]:
    """Run a worker until the context ends, and let it end in order."""
    worker = Worker(engine, **{"patience": QUICK, **options})
    task = asyncio.create_task(worker.run())
    try:
        yield worker
        assert not task.done() or task.result() is None
        worker.stop()
        async with asyncio.timeout(PATIENCE_S):
            await task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def status(engine: Engine, agent: Agent) -> str:
    return (await engine.latest(agent.thread_id)).status


async def rests(engine: Engine, *agents: Agent, at: str = "waiting") -> None:
    """Wait until threads have come to rest."""

    async def all_rest() -> bool:
        return {await status(engine, agent) for agent in agents} == {at}

    await until(all_rest)


async def parked(engine: Engine, agent: Agent) -> Parking:
    """Wait until a thread is put aside, and return what is."""
    parking = parking_of(engine, DEFAULT_GROUP)

    async def is_parked() -> bool:
        await parking.catch_up()
        return stream_of(engine, agent.thread_id) in parking

    await until(is_parked)
    return parking


async def position(engine: Engine, identifier: str) -> int | None:
    """Return the position that a slot has noted."""
    category = f"{engine.category}:{engine.version}"
    return await Positions(engine.store, category, identifier, engine._workings.writing.ids).read()


async def reached(engine: Engine) -> bool:
    """Say whether a slot alone has noted all there is."""
    (newest,) = await engine.store.newest_streams("agent:v0", limit=1)
    return await position(engine, "workers-0-of-1") == newest.global_position
