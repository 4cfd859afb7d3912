"""Prepared statements: nothing is lost or written twice when they go with their connection."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from messagedb_agent.errors import ConfigurationError, WrongExpectedVersion
from messagedb_agent.store.message import NewMessage
from messagedb_agent.store.message_db import MessageDbStore
from messagedb_agent.store.pool import PoolLimits
from tests.integration.cutting_proxy import CuttingProxy, Moment, cutting_proxy

WRITE, READ = b"write_message(message", b"get_stream_messages"
PREPARED = "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE %s"


def new() -> NewMessage:
    return NewMessage(str(uuid4()), "Written", '{"n": 1}')


@pytest.fixture
async def proxy(store_url: str) -> AsyncIterator[CuttingProxy]:
    async with cutting_proxy(store_url) as proxy:
        yield proxy


@pytest.fixture
async def store(proxy: CuttingProxy) -> AsyncIterator[MessageDbStore]:
    """A store that prepares as it does by default, on one connection."""
    async with await MessageDbStore.connect(proxy.url, limits=PoolLimits(max_size=1)) as store:
        yield store


async def is_prepared(store: MessageDbStore, words: bytes) -> bool:
    [(count,)] = await store._statements.rows(PREPARED, (f"%{words.decode()}%",))
    return bool(count)


async def prepare_appends(store: MessageDbStore, stream: str) -> int:
    """Append until the statement is prepared; return the stream's version."""
    version = await store.stream_version(stream)
    while not await is_prepared(store, WRITE):
        await store.append(stream, new(), expected_version=version)
        version += 1
    return version


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("is_conditional", [True, False])
async def test_a_prepared_append_whose_connection_breaks_is_written_once(
    store: MessageDbStore,
    proxy: CuttingProxy,
    category: str,
    moment: Moment,
    is_conditional: bool,
) -> None:
    stream = f"{category}-1"
    version = await prepare_appends(store, stream)
    proxy.cut(WRITE)
    await store.append(stream, new(), expected_version=version)
    assert proxy.cuts == 0  # the words went over once, when the statement was prepared
    proxy.cut(WRITE, times=0)
    for round in range(3):
        version = await prepare_appends(store, stream)  # on the connection that took its place
        messages = [new(), new()]
        proxy.cut(messages[0].id.encode(), moment=moment)
        appended = await store.append(
            stream, *messages, expected_version=version if is_conditional else None
        )
        assert proxy.cuts == round + 1
        assert appended.position == version + 2
        found = [message.id async for message in store.read(stream, position=version + 1)]
        assert found == [message.id for message in messages]


async def test_a_prepared_append_that_lost_to_a_rival_says_so(
    store: MessageDbStore, proxy: CuttingProxy, store_url: str, category: str
) -> None:
    stream = f"{category}-1"
    version = await prepare_appends(store, stream)
    ours = new()
    async with await MessageDbStore.connect(store_url) as rival:
        proxy.between = lambda: rival.append(stream, new(), expected_version=version)
        proxy.cut(ours.id.encode(), moment="before")
        with pytest.raises(WrongExpectedVersion) as error:
            await store.append(stream, ours, expected_version=version)
    assert error.value.actual == version + 1
    assert await store.by_id(ours.id) is None


async def test_a_prepared_read_goes_on_over_lost_connections(
    store: MessageDbStore, proxy: CuttingProxy, category: str
) -> None:
    stream = f"{category}-1"
    await store.append(stream, *(new() for _ in range(10)))
    while not await is_prepared(store, READ):
        assert [m.position async for m in store.read(stream)] == list(range(10))
    proxy.cut(stream.encode(), times=2)
    assert [m.position async for m in store.read(stream)] == list(range(10))
    assert proxy.cuts == 2


async def test_a_statement_that_somebody_took_away_is_told_as_a_poolers_doing(
    store: MessageDbStore, category: str
) -> None:
    stream = f"{category}-1"
    version = await prepare_appends(store, stream)
    async with store._pool.connection() as connection:
        # Behind the driver's back, which would prepare anew.
        await asyncio.to_thread(connection.pgconn.exec_, b"DEALLOCATE ALL")
    with pytest.raises(ConfigurationError, match=r"prepared statement .* does not exist") as error:
        await store.append(stream, new(), expected_version=version)
    assert error.value.field == "MESSAGE_DB_URL"
    assert "pooler" in str(error.value)
    assert await store.stream_version(stream) == version
