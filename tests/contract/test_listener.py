"""What everybody who listens for news hears."""

import asyncio

import pytest

from messagedb_agent.errors import RefusedName
from messagedb_agent.store.store import Store
from tests.contract.messages import new
from tests.waiting import told


async def test_who_waits_is_told_of_what_is_written(store: Store, category: str) -> None:
    async with store.listen(category) as news:
        await told(news)
        for _ in range(3):
            waiting = asyncio.create_task(told(news))
            await asyncio.sleep(0)
            assert not waiting.done()
            await store.append(f"{category}-1", new())
            await waiting


async def test_news_between_two_waits_are_not_missed(store: Store, category: str) -> None:
    async with store.listen(category) as news:
        await told(news)
        await store.append(f"{category}-1", new())
        await told(news)


async def test_without_news_a_wait_ends_with_its_time(store: Store, category: str) -> None:
    async with store.listen(category) as news:
        await told(news)
        await news.wait(0.01)
        await news.wait(0)


async def test_everybody_who_listens_to_a_category_is_told_and_nobody_else(
    store: Store, category: str
) -> None:
    async with (
        store.listen(category) as one,
        store.listen(category) as two,
        store.listen(f"{category}:v0") as other,
    ):
        for news in (one, two, other):
            await told(news)
        waiting = asyncio.create_task(told(other))
        await store.append(f"{category}-1", new())
        await told(one)
        await told(two)
        assert not waiting.done()
        await store.append(f"{category}:v0-1", new())
        await waiting


async def test_who_stops_listening_leaves_the_others_theirs(store: Store, category: str) -> None:
    async with store.listen(category) as stays:
        async with store.listen(category) as leaves:
            await told(leaves)
        await told(stays)
        await store.append(f"{category}-1", new())
        await told(stays)
    async with store.listen(category) as again:
        await told(again)


async def test_a_wait_that_is_cancelled_costs_no_news(store: Store, category: str) -> None:
    async with store.listen(category) as news:
        await told(news)
        waiting = asyncio.create_task(told(news))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await store.append(f"{category}-1", new())
        await told(news)


async def test_closing_the_store_ends_every_wait(store: Store, category: str) -> None:
    async with store.listen(category) as news:
        await told(news)
        waiting = asyncio.create_task(told(news))
        await asyncio.sleep(0)
        await store.close()
        await waiting


async def test_a_stream_cannot_be_listened_to(store: Store, category: str) -> None:
    with pytest.raises(RefusedName):
        async with store.listen(f"{category}-1"):
            pass
