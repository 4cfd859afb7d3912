"""A database that has gone silent: who is to stop does, and does not wait for an answer."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from messagedb_agent.agents.engine import Engine
from messagedb_agent.consumers import Worker
from messagedb_agent.llm.offline import OfflineModel
from messagedb_agent.store.message_db import MessageDbStore
from tests.contract.messages import new
from tests.integration.at_work import Work, begun
from tests.integration.cutting_proxy import CuttingProxy, cutting_proxy
from tests.waiting import PATIENCE_S, until

# An answer is waited for 70 s by default, which is more than these tests have.


@pytest.fixture
async def proxy(store_url: str) -> AsyncIterator[CuttingProxy]:
    async with cutting_proxy(store_url) as proxy:
        yield proxy


def silence(proxy: CuttingProxy) -> None:
    proxy.choose = lambda _: "swallow"


async def test_a_worker_ends_soon_after_its_grace(proxy: CuttingProxy, category: str) -> None:
    work = Work([], 600)
    store = await MessageDbStore.connect(proxy.url)
    engine = Engine(store, lambda _: OfflineModel(), work.box, category)
    worker = Worker(engine, grace_s=0.1)
    running = asyncio.create_task(worker.run())
    await begun(engine, 3)
    await until(lambda: len(work.runs) == 3)
    silence(proxy)
    worker.stop()
    async with asyncio.timeout(PATIENCE_S):
        await running
        await engine.close()
    assert store.connections_in_use == 0


async def test_who_is_cancelled_waits_for_no_lock_to_be_let_go(
    proxy: CuttingProxy, category: str
) -> None:
    store = await MessageDbStore.connect(proxy.url)
    taken = asyncio.Event()

    async def owning() -> None:
        async with store.own(f"{category}-1"):
            taken.set()
            await asyncio.sleep(600)

    task = asyncio.create_task(owning())
    await taken.wait()
    silence(proxy)
    task.cancel()
    async with asyncio.timeout(PATIENCE_S):
        await asyncio.wait({task})
        assert task.cancelled()
        await store.close()


async def test_a_store_closes_while_it_is_asked_for_a_lock_and_for_a_write(
    proxy: CuttingProxy, category: str
) -> None:
    store = await MessageDbStore.connect(proxy.url)

    async def owning() -> None:
        async with store.own(f"{category}-1"):
            pass

    await owning()  # and so there is a connection that is asked again
    silence(proxy)
    asking = asyncio.create_task(owning())
    writing = asyncio.create_task(store.append(f"{category}-1", new()))
    await until(lambda: store.connections_in_use)
    async with asyncio.timeout(PATIENCE_S):
        await store.close()
        [refused] = await asyncio.gather(asking, return_exceptions=True)
        writing.cancel()
        await asyncio.wait({writing})
    assert str(refused) == "the store is closed"
    assert writing.cancelled()
