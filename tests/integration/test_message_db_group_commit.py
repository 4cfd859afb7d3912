"""Appends of one category that wait together are one commit, and each hears what became of it."""

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from messagedb_agent.errors import (
    DuplicateMessage,
    RefusedPayload,
    StoreUnavailable,
    WrongExpectedVersion,
)
from messagedb_agent.store.grouping import MOST_TOGETHER
from messagedb_agent.store.message import Appended, NewMessage
from messagedb_agent.store.message_db import MessageDbStore
from messagedb_agent.store.pool import PoolLimits
from tests.contract.messages import ids_of, new
from tests.integration.cutting_proxy import cutting_proxy
from tests.integration.locks import has_waiting, held
from tests.waiting import until

REFUSED = '{"number": 1e-20000}'  # by the server alone
Other = psycopg.AsyncConnection[tuple[object, ...]]


@pytest.fixture
async def other(store_url: str) -> AsyncIterator[Other]:
    url = make_conninfo(store_url, options="-csearch_path=message_store")
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        yield connection


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[MessageDbStore]:
    async with await MessageDbStore.connect(store_url) as store:
        yield store


def appending(
    store: MessageDbStore, stream: str, *messages: NewMessage, expected: int | None = None
) -> "asyncio.Task[Appended]":
    return asyncio.create_task(store.append(stream, *messages, expected_version=expected))


async def commits(other: Other, category: str) -> list[int]:
    """Return how many messages each transaction wrote, oldest first."""
    rows = await other.execute(
        "SELECT count(*) FROM messages WHERE category(stream_name) = %s"
        " GROUP BY xmin::text ORDER BY min(global_position)",
        (category,),
    )
    return [int(str(count)) for (count,) in await rows.fetchall()]


async def test_what_arrives_during_a_statement_is_the_next_one(
    store: MessageDbStore, store_url: str, other: Other, category: str
) -> None:
    async with held(store_url, category):
        waiting = [
            appending(store, f"{category}-{n}", new(), new(), expected=-1) for n in range(60)
        ]
        await asyncio.sleep(0)
    written = await asyncio.gather(*waiting)
    assert await commits(other, category) == [2, 118]
    assert {appended.position for appended in written} == {1}
    for n, appended in enumerate(written):
        found = [row.global_position async for row in store.read(f"{category}-{n}")]
        assert tuple(found) == appended.global_positions


async def test_a_statement_holds_no_more_than_its_most(
    store: MessageDbStore, store_url: str, other: Other, category: str
) -> None:
    count = MOST_TOGETHER + 20
    async with held(store_url, category):
        waiting = [appending(store, f"{category}-{n}", new()) for n in range(1 + count)]
        large = [
            appending(store, f"{category}-large", new(data=f'{{"text": "{"x" * 900_000}"}}'))
            for _ in range(6)
        ]
        await asyncio.sleep(0)
    await asyncio.gather(*waiting, *large)
    assert await commits(other, category) == [1, MOST_TOGETHER, 24, 2]


async def test_one_in_conflict_hears_of_it_and_the_others_are_written(
    store: MessageDbStore, store_url: str, other: Other, category: str
) -> None:
    taken = new()
    await store.append(f"{category}-2", taken)
    async with held(store_url, category):
        waiting = [
            appending(store, f"{category}-0", new(), expected=-1),
            appending(store, f"{category}-1", new(), expected=-1),
            appending(store, f"{category}-2", new(), expected=-1),  # the stream has moved on
            appending(store, f"{category}-3", new(), taken, expected=-1),
            appending(store, f"{category}-4", new(), expected=-1),
            appending(store, f"{category}-4", new(), expected=-1),  # a rival in this process
            appending(store, f"{category}-5", new(), expected=-1),
        ]
        await asyncio.sleep(0)
    told = await asyncio.gather(*waiting, return_exceptions=True)
    kinds = [type(one) for one in told]
    assert kinds[:4] == [Appended, Appended, WrongExpectedVersion, DuplicateMessage]
    assert sorted(kind.__name__ for kind in kinds[4:6]) == ["Appended", "WrongExpectedVersion"]
    assert kinds[6:] == [Appended]
    assert await store.stream_version(f"{category}-3") == -1
    assert await store.stream_version(f"{category}-4") == 0


async def test_one_that_the_server_refuses_hears_of_it_and_the_others_are_written(
    store: MessageDbStore, store_url: str, other: Other, category: str
) -> None:
    async with held(store_url, category):
        waiting = [
            appending(store, f"{category}-{n}", new(data=REFUSED if n == 2 else "{}"))
            for n in range(5)
        ]
        await asyncio.sleep(0)
    told = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(one) for one in told] == [Appended, Appended, RefusedPayload, Appended, Appended]


async def test_a_cancelled_append_takes_no_other_with_it(
    store: MessageDbStore, store_url: str, other: Other, category: str
) -> None:
    async with held(store_url, category):
        waiting = [appending(store, f"{category}-{n}", new()) for n in range(6)]
        await asyncio.sleep(0)
        for cancelled in (waiting[0], waiting[3]):  # the one under way, and one that waits
            cancelled.cancel()
        await asyncio.wait([waiting[3]])
    told = await asyncio.gather(*waiting, return_exceptions=True)
    assert [isinstance(one, Appended) for one in told] == [False, True, True, False, True, True]
    assert await store.stream_version(f"{category}-3") == -1
    assert store.connections_in_use == 0


async def test_who_is_cancelled_while_a_batch_is_written_takes_no_other_with_it(
    store: MessageDbStore, store_url: str, other: Other, category: str
) -> None:
    async with held(store_url, category):
        waiting = [appending(store, f"{category}-{n}", new()) for n in range(6)]
        await asyncio.sleep(0)
        waiting[0].cancel()  # the next statement is that of all the others
        await asyncio.wait([waiting[0]])
        await asyncio.sleep(0)
        waiting[3].cancel()
        await asyncio.wait([waiting[3]])
    told = await asyncio.gather(*waiting, return_exceptions=True)
    assert [isinstance(one, Appended) for one in told] == [False, True, True, False, True, True]
    # What was given up may have overtaken its own cancellation: it stands or not.
    assert await commits(other, category) in ([5], [1, 5])


async def test_a_batch_that_nobody_waits_for_is_given_up_and_the_next_goes_on(
    store: MessageDbStore, store_url: str, other: Other, category: str
) -> None:
    async with held(store_url, category):
        waiting = [appending(store, f"{category}-{n}", new()) for n in range(4)]
        await asyncio.sleep(0)
        waiting[0].cancel()  # the next statement is that of all the others
        await asyncio.wait([waiting[0]])
        last = appending(store, f"{category}-last", new())
        await asyncio.sleep(0)
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)
    # What was given up may have overtaken its own cancellation: it stands or not, all or none.
    assert (await last).position == 0
    assert store.connections_in_use == 0


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_batch_whose_answer_was_lost_stands_once(
    store_url: str, other: Other, category: str, moment: str
) -> None:
    async with (
        cutting_proxy(store_url) as proxy,
        await MessageDbStore.connect(proxy.url, prepare_threshold=None) as store,
    ):
        async with held(store_url, category) as holder:
            first = appending(store, f"{category}-first", new())
            await until(lambda: has_waiting(store_url, holder))  # its request is on its way
            messages = [[new(), new()] for _ in range(5)]
            waiting = [
                appending(store, f"{category}-{n}", *pair, expected=-1 if n % 2 else None)
                for n, pair in enumerate(messages)
            ]
            proxy.cut(b"write_message(message", moment="after" if moment == "after" else "before")
        await first
        written = await asyncio.gather(*waiting)
        assert proxy.cuts == 1
        for n, (pair, appended) in enumerate(zip(messages, written, strict=True)):
            assert await ids_of(store.read(f"{category}-{n}")) == [m.id for m in pair]
            assert appended.position == 1


async def test_of_a_lock_that_is_not_given_a_batch_hears_once(
    store_url: str, other: Other, category: str
) -> None:
    """And its appends do not wait for it one after the other."""
    limits = PoolLimits(lock_timeout_ms=100)
    async with await MessageDbStore.connect(store_url, limits=limits) as store:
        async with held(store_url, category):
            waiting = [appending(store, f"{category}-{n}", new()) for n in range(6)]
            await asyncio.wait(waiting[1:], return_when=asyncio.FIRST_COMPLETED)
        told = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(one) for one in told] == [StoreUnavailable] * 6
        assert len({id(one) for one in told}) == 6
        assert await commits(other, category) == []
        assert (await store.append(f"{category}-0", new(), expected_version=-1)).position == 0


async def test_appends_that_a_refused_one_has_parted_wait_together_again(
    store_url: str, other: Other, category: str
) -> None:
    limits = PoolLimits(lock_timeout_ms=100)
    async with await MessageDbStore.connect(store_url, limits=limits) as store:
        async with held(store_url, category):
            waiting = [
                appending(store, f"{category}-{n}", new(data=data))
                for n, data in enumerate(["{}", REFUSED, "{}", "{}", "{}"])
            ]
            await asyncio.wait(waiting[3:], return_when=asyncio.FIRST_COMPLETED)
        told = await asyncio.gather(*waiting, return_exceptions=True)
    kinds = [type(one) for one in told]
    assert kinds.pop(1) is RefusedPayload
    assert kinds == [StoreUnavailable] * 4
