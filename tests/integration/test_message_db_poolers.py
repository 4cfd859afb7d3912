"""Poolers: one that keeps no sessions is refused at once, any other is as good as the server."""

import asyncio
from uuid import uuid4

import psycopg
import pytest

from messagedb_agent.errors import ConfigurationError, StoreUnavailable
from messagedb_agent.store.message import NewMessage
from messagedb_agent.store.message_db import MessageDbStore
from messagedb_agent.store.pool import PoolLimits
from tests.integration.pooler import Order, pooler


def new() -> NewMessage:
    return NewMessage(str(uuid4()), "Written", '{"n": 1}')


async def busy(url: str, count: int) -> None:
    """Have several transactions at once, so that the pooler opens as many sessions."""

    async def one() -> None:
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
            await connection.execute("SELECT pg_sleep(0.05)")

    await asyncio.gather(*(one() for _ in range(count)))


@pytest.mark.parametrize("prepare_threshold", [5, None])
@pytest.mark.parametrize("sessions", [0, 2, 3])
@pytest.mark.parametrize("order", ["newest", "in turn"])
async def test_a_pooler_that_keeps_no_sessions_is_refused(
    pooled_url: str, order: Order, sessions: int, prepare_threshold: int | None
) -> None:
    async with pooler(pooled_url, "transaction", order=order) as transactions:
        await busy(transactions.url, sessions)
        with pytest.raises(ConfigurationError, match="keeps no sessions") as error:
            await MessageDbStore.connect(transactions.url, prepare_threshold=prepare_threshold)
    assert error.value.field == "MESSAGE_DB_URL"


async def test_a_pooler_without_transactions_is_refused(pooled_url: str) -> None:
    async with pooler(pooled_url, "statement") as statements:
        with pytest.raises(ConfigurationError, match="statement mode"):
            await MessageDbStore.connect(statements.url)


async def test_a_pooler_that_keeps_sessions_is_as_good_as_the_server(
    pooled_url: str, category: str
) -> None:
    stream = f"{category}-1"
    async with (
        pooler(pooled_url, "session") as sessions,
        await MessageDbStore.connect(sessions.url) as store,
        await MessageDbStore.connect(pooled_url) as direct,
    ):
        for version in range(-1, 19):  # long enough for statements to be prepared
            await store.append(stream, new(), expected_version=version)
        await asyncio.gather(*(store.append(stream, new()) for _ in range(20)))
        assert await direct.stream_version(stream) == 39
        async with store.own(stream) as mine, direct.own(stream) as theirs:
            assert mine
            assert not theirs
        async with direct.own(stream) as theirs:
            assert theirs


async def test_a_pooler_with_a_single_session_is_too_small(pooled_url: str) -> None:
    async with pooler(pooled_url, "session", most=1) as sessions:
        with pytest.raises(StoreUnavailable, match="no second session"):
            await MessageDbStore.connect(sessions.url, limits=PoolLimits(connect_timeout_s=1))


async def test_without_a_pooler_one_connection_is_enough(store_url: str) -> None:
    name = f"direct-{uuid4().hex}"
    async with await MessageDbStore.connect(store_url, application_name=name) as store:
        query = "SELECT count(*), max(pid) = pg_backend_pid() FROM pg_stat_activity"
        [row] = await store._statements.rows(f"{query} WHERE application_name = %s", (name,))
    assert row == (1, True)
