"""Workers on a real Message DB: sizes that change, connections that end, poison of every kind."""

from contextlib import AsyncExitStack

import psycopg

from messagedb_agent.agent.bounds import MAX_INTERRUPTIONS
from messagedb_agent.agents.agent import Agent
from messagedb_agent.agents.engine import Engine
from messagedb_agent.consumers import Patience, parking_of
from messagedb_agent.llm.offline import OfflineModel
from messagedb_agent.store.message_db import MessageDbStore
from tests.integration.at_work import Work, a_worker, an_engine, begun
from tests.unit.consumers.working import rests, working
from tests.unit.engine.world import assert_sound


async def test_the_size_of_a_group_changes_under_load_and_nothing_is_lost_or_done_twice(
    store_url: str, category: str
) -> None:
    work, agents = Work([], 0.02), list[Agent]()
    async with an_engine(store_url, category, work) as client, AsyncExitStack() as stack:
        old = AsyncExitStack()
        for size in (3, 5, 2, 8):
            new = AsyncExitStack()
            stack.push_async_exit(new.__aexit__)
            for _ in range(2):
                await new.enter_async_context(a_worker(store_url, category, work, size=size))
            agents += await begun(client, 8)
            await old.aclose()  # old and new have run together for a while
            agents += await begun(client, 8)
            old = new
        await rests(client, *agents)
        for agent in agents:
            await assert_sound(client, agent.thread_id)
    assert len(work.runs) == len(set(work.runs)) == 64


async def test_connections_that_end_under_load_stop_nobody_for_long(
    store_url: str, admin_url: str, category: str
) -> None:
    work = Work([], 0.05)
    name = f"worker-{category[-8:]}"
    async with an_engine(store_url, category, work) as client, AsyncExitStack() as stack:
        for _ in range(2):
            store = await stack.enter_async_context(
                await MessageDbStore.connect(store_url, application_name=name)
            )
            engine = Engine(store, lambda _: OfflineModel(), work.box, category)
            await stack.enter_async_context(working(engine, patience=Patience(2)))
        agents = list[Agent]()
        for _ in range(MAX_INTERRUPTIONS - 1):  # on a slow machine it may be one call each time
            agents += await begun(client, 25)
            ended = await terminated(admin_url, name)
            assert ended
        await rests(client, *agents)
        parking = parking_of(client, "workers")
        await parking.catch_up()
        assert parking.parked == ()
        for agent in agents:
            await assert_sound(client, agent.thread_id)
    assert len(work.runs) == len(set(work.runs))


async def terminated(admin_url: str, name: str) -> int:
    """End all connections of that name; return how many there were."""
    async with await psycopg.AsyncConnection.connect(admin_url, autocommit=True) as connection:
        cursor = await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s",
            (name,),
        )
        return len(await cursor.fetchall())
