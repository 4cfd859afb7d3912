"""Connections that break while Message DB works: nothing lost, nothing written twice."""

import asyncio
from collections.abc import AsyncIterator
from random import Random
from uuid import uuid4

import pytest

from messagedb_agent.errors import DuplicateMessage, StoreUnavailable, WrongExpectedVersion
from messagedb_agent.store.message import NewMessage
from messagedb_agent.store.message_db import MessageDbStore
from messagedb_agent.store.pool import PoolLimits
from tests.contract.messages import ids_of, new
from tests.integration.cutting_proxy import CuttingProxy, cutting_proxy

WRITE, READ = b"write_message(message", b"get_stream_messages"


@pytest.fixture
async def rival(store_url: str) -> AsyncIterator[MessageDbStore]:
    """A store that no proxy stands before."""
    async with await MessageDbStore.connect(store_url) as store:
        yield store


@pytest.fixture
async def proxy(store_url: str) -> AsyncIterator[CuttingProxy]:
    async with cutting_proxy(store_url) as proxy:
        yield proxy


@pytest.fixture
async def store(proxy: CuttingProxy) -> AsyncIterator[MessageDbStore]:
    # Never prepared, so that every request holds the words that the proxy looks for.
    async with await MessageDbStore.connect(proxy.url, prepare_threshold=None) as store:
        yield store


async def test_an_append_whose_answer_was_lost_has_succeeded(
    store: MessageDbStore, proxy: CuttingProxy, rival: MessageDbStore, category: str
) -> None:
    chance, stream, version, written = Random(7), f"{category}-1", -1, []
    for _ in range(100):
        messages = [new() for _ in range(chance.randint(1, 3))]
        proxy.cut(WRITE, times=chance.choice([0, 1, 1, 1, 2]))
        expected = chance.choice([version, None])
        appended = await store.append(stream, *messages, expected_version=expected)
        written += [message.id for message in messages]
        version += len(messages)
        assert appended.position == version
        found = [message async for message in rival.read(stream, position=version)]
        assert found[0].global_position == appended.global_positions[-1]
    assert await ids_of(rival.read(stream)) == written
    assert proxy.cuts > 60


async def test_an_append_that_never_arrived_is_written_once(
    store: MessageDbStore, proxy: CuttingProxy, rival: MessageDbStore, category: str
) -> None:
    message = new()
    proxy.cut(WRITE, moment="before", times=2)
    await store.append(f"{category}-1", message, expected_version=-1)
    assert proxy.cuts == 2
    assert await ids_of(rival.read(f"{category}-1")) == [message.id]


async def test_a_lost_append_is_found_behind_a_rival_who_came_after(
    store: MessageDbStore, proxy: CuttingProxy, rival: MessageDbStore, category: str
) -> None:
    for expected in (-1, None):
        stream = f"{category}-{expected}"
        proxy.between = lambda stream=stream: rival.append(stream, new())
        proxy.cut(WRITE)
        messages = [new(), new()]
        appended = await store.append(stream, *messages, expected_version=expected)
        assert appended.position == 1
        assert (await ids_of(rival.read(stream)))[:2] == [message.id for message in messages]
        assert await rival.stream_version(stream) == 2


async def test_a_rival_who_came_before_wins(
    store: MessageDbStore, proxy: CuttingProxy, rival: MessageDbStore, category: str
) -> None:
    stream = f"{category}-1"
    proxy.between = lambda: rival.append(stream, new(), expected_version=-1)
    proxy.cut(WRITE, moment="before")
    with pytest.raises(WrongExpectedVersion) as error:
        await store.append(stream, new(), expected_version=-1)
    assert error.value.actual == 0
    assert await rival.stream_version(stream) == 0


async def test_a_rival_with_the_same_id_and_other_content_is_told_apart(
    store: MessageDbStore, proxy: CuttingProxy, rival: MessageDbStore, category: str
) -> None:
    ours = new()
    theirs = NewMessage(ours.id, ours.type, '{"n": 2}')
    proxy.between = lambda: rival.append(f"{category}-1", theirs)
    proxy.cut(WRITE, moment="before")
    with pytest.raises(DuplicateMessage):
        await store.append(f"{category}-1", ours)


async def test_a_database_that_stays_away_is_given_up_and_may_be_asked_again(
    proxy: CuttingProxy, rival: MessageDbStore, category: str
) -> None:
    message = new()
    async with await MessageDbStore.connect(
        proxy.url, prepare_threshold=None, retry_for_s=0.3
    ) as store:
        proxy.cut(WRITE, times=1000)
        with pytest.raises(StoreUnavailable):
            await store.append(f"{category}-1", message, expected_version=-1)
        assert proxy.cuts >= 2
        proxy.cut(WRITE, times=0)
        appended = await store.append(f"{category}-1", message, expected_version=-1)
    assert appended.position == 0
    assert await ids_of(rival.read(f"{category}-1")) == [message.id]


async def test_a_read_goes_on_over_lost_connections(
    store: MessageDbStore, proxy: CuttingProxy, rival: MessageDbStore, category: str
) -> None:
    written = [new() for _ in range(2500)]
    await rival.append(f"{category}-1", *written)
    found = []
    async for message in store.read(f"{category}-1"):
        if message.position in (0, 1500):
            proxy.cut(READ, times=2)
        found.append(message.id)
    assert found == [message.id for message in written]
    assert proxy.cuts >= 3


async def test_connections_that_the_server_closed_meanwhile_are_replaced(
    store_url: str, rival: MessageDbStore, category: str
) -> None:
    name = f"closed-{uuid4().hex}"
    async with await MessageDbStore.connect(store_url, application_name=name) as store:
        for round in range(5):
            # Several connections lie idle, and are closed behind the store's back.
            await asyncio.gather(*(store.stream_version(f"{category}-1") for _ in range(5)))
            async with rival._pool.connection() as connection:
                await connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE application_name = %s",
                    (name,),
                )
            appended = await store.append(f"{category}-1", new(), expected_version=round - 1)
            assert appended.position == round


async def test_an_append_that_is_never_answered_is_found_on_another_connection(
    proxy: CuttingProxy, rival: MessageDbStore, category: str
) -> None:
    limits = PoolLimits(statement_timeout_ms=100, late_answer_ms=100)
    message = new()
    async with await MessageDbStore.connect(
        proxy.url, prepare_threshold=None, limits=limits
    ) as store:
        proxy.trouble(WRITE, "swallow")
        appended = await store.append(f"{category}-1", message, expected_version=-1)
        assert store.connections_in_use == 0
    assert appended.position == 0
    assert proxy.lost == 1
    assert await ids_of(rival.read(f"{category}-1")) == [message.id]
