"""News between processes, and what becomes of them where the connection breaks."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from messagedb_agent.store.message_db import MessageDbStore
from messagedb_agent.store.notifications import channel_of
from messagedb_agent.store.ownership import lock_keys
from messagedb_agent.store.pool import PoolLimits
from tests.contract.messages import new
from tests.integration.cutting_proxy import cutting_proxy
from tests.integration.pooler import pooler
from tests.waiting import told


@asynccontextmanager
async def program(
    url: str, category: str, *, says_so: bool
) -> AsyncIterator[Callable[[], Awaitable[int]]]:
    """Listen as any other program may; give how many notifications came since it was asked.

    Args:
        url: of the database.
        category: listened to.
        says_so: whether it takes the lock by which others know that somebody listens.
    """
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        seen: list[str] = []
        connection.add_notify_handler(lambda news: seen.append(news.channel))
        channel = sql.Identifier(channel_of(category))
        await connection.execute(sql.SQL("LISTEN {}").format(channel))
        if says_so:
            await connection.execute("SELECT pg_advisory_lock_shared(%s, %s)", lock_keys(category))

        async def count() -> int:
            await connection.execute("SELECT 1")
            return len(seen)

        yield count


@pytest.mark.parametrize("name", ["", "x" * 300])
async def test_what_one_process_writes_is_told_to_another(
    store_url: str, category: str, name: str
) -> None:
    async with (
        await MessageDbStore.connect(store_url) as one,
        await MessageDbStore.connect(store_url) as two,
        two.listen(category + name) as news,
    ):
        await told(news)
        for _ in range(5):
            await one.append(f"{category}{name}-1", new())
            await told(news)


async def test_who_writes_with_another_client_may_tell_of_it(store_url: str, category: str) -> None:
    """By the statement that the guide for other clients has."""
    async with (
        await MessageDbStore.connect(store_url) as store,
        store.listen(category) as news,
        await psycopg.AsyncConnection.connect(store_url, autocommit=True) as other,
    ):
        await told(news)
        guide = (Path(__file__).parents[2] / "docs/other-clients.md").read_text()
        [statement] = re.findall(r"`(SELECT pg_notify\(.*?)`", guide)
        await other.execute(statement.replace("agent:v0", category).encode())
        await told(news)


async def test_a_tools_own_transaction_is_told_of_too(store_url: str, category: str) -> None:
    stream = f"{category}-1"
    async with (
        await MessageDbStore.connect(store_url) as one,
        await MessageDbStore.connect(store_url) as two,
        two.listen(category) as news,
    ):
        await told(news)
        async with one.transaction() as transaction:
            await transaction.locked(stream, 0)
            await transaction.commit(stream, new(), expected_version=-1)
        await told(news)


async def test_nothing_is_told_before_it_stands(store_url: str, category: str) -> None:
    async with (
        await MessageDbStore.connect(store_url) as one,
        await MessageDbStore.connect(store_url) as two,
        two.listen(category) as news,
        two.listen(f"{category}:v0") as others,
        await psycopg.AsyncConnection.connect(store_url) as blocker,
    ):
        await told(news)
        await told(others)
        await blocker.execute("SELECT message_store.acquire_lock(%s)", (f"{category}-1",))
        appending = asyncio.create_task(one.append(f"{category}-1", new()))
        waiting = asyncio.create_task(told(news))
        await one.append(f"{category}:v0-1", new())
        await told(others)  # of what was written later, and told in order
        assert not waiting.done()
        await blocker.rollback()
        await appending
        await waiting


async def test_what_is_written_last_is_told_before_a_store_closes(
    store_url: str, category: str
) -> None:
    async with (
        await MessageDbStore.connect(store_url) as listener,
        listener.listen(category) as news,
    ):
        await told(news)
        for _ in range(3):
            async with await MessageDbStore.connect(store_url) as store:
                await store.append(f"{category}-1", new())
            await told(news)


async def test_appends_that_are_written_together_are_told_of_together(
    store_url: str, category: str
) -> None:
    async with (
        program(store_url, category, says_so=True) as heard,
        await MessageDbStore.connect(store_url) as store,
    ):
        await asyncio.gather(*(store.append(f"{category}-{n}", new()) for n in range(200)))
        await store.close()
        assert 1 <= await heard() <= 4  # a lone append, and what waited for it: 100 and 99


async def test_nothing_is_sent_where_no_other_process_listens(
    store_url: str, category: str
) -> None:
    async with (
        program(store_url, category, says_so=False) as heard,
        await MessageDbStore.connect(store_url) as store,
        store.listen(category) as news,
    ):
        await told(news)
        await store.append(f"{category}-1", new())
        await told(news)
        await store.append(f"{category}-1", new())
        await store.close()
        assert await heard() == 0


async def test_who_stops_listening_is_not_told(store_url: str, category: str) -> None:
    async with (
        program(store_url, category, says_so=False) as heard,
        await MessageDbStore.connect(store_url) as one,
        await MessageDbStore.connect(store_url) as two,
        two.listen(f"{category}:v0") as other,
    ):
        async with two.listen(category) as news:
            await told(news)
        for waited_for in ("", ":v0"):  # the second is told when the first is forgotten
            async with two.listen(category + waited_for) as news:
                await told(news)
        await told(other)
        await one.append(f"{category}-1", new())
        await one.close()
        assert await heard() == 0


async def test_a_lost_connection_is_replaced_and_everybody_is_told_once(
    store_url: str, category: str
) -> None:
    name = f"news-{uuid4().hex}"
    async with (
        await MessageDbStore.connect(store_url) as one,
        await MessageDbStore.connect(store_url, application_name=name) as two,
        two.listen(category) as news,
        two.listen(f"{category}:v0") as other,
    ):
        await told(news)
        await told(other)
        for _ in range(3):
            with psycopg.connect(store_url, autocommit=True) as connection:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE application_name = %s",
                    (name,),
                )
            await told(news)
            await told(other)
            await one.append(f"{category}-1", new())
            await told(news)


async def test_a_connection_that_keeps_breaking_is_no_error_for_anybody(
    store_url: str, category: str
) -> None:
    async with (
        await MessageDbStore.connect(store_url) as one,
        cutting_proxy(store_url) as proxy,
        await MessageDbStore.connect(proxy.url) as two,
    ):
        proxy.cut(b"LISTEN", times=3)
        async with two.listen(category) as news:
            await two.append(f"{category}-1", new())
            await told(news)  # of its own
            await told(news)  # of what it may have missed, once it hears
            assert proxy.cuts == 3
            await one.append(f"{category}-1", new())
            await told(news)


async def test_what_could_not_be_told_is_told_on_the_next_connection(
    store_url: str, category: str
) -> None:
    async with (
        await MessageDbStore.connect(store_url) as listener,
        listener.listen(category) as news,
        cutting_proxy(store_url) as proxy,
        await MessageDbStore.connect(proxy.url) as store,
    ):
        await told(news)
        proxy.cut(b"pg_notify", moment="before", times=2)
        await store.append(f"{category}-1", new())
        await told(news)
        assert proxy.cuts == 2


async def test_news_come_through_a_pooler_that_keeps_sessions(
    pooled_url: str, category: str
) -> None:
    async with (
        pooler(pooled_url, "session") as sessions,
        await MessageDbStore.connect(sessions.url) as one,
        await MessageDbStore.connect(pooled_url) as two,
        one.listen(category) as news,
        two.listen(category) as direct,
    ):
        await told(news)
        await told(direct)
        await two.append(f"{category}-1", new())
        await told(news)
        await told(direct)
        await one.append(f"{category}-1", new())
        await told(direct)


async def test_without_a_session_for_news_everything_else_goes_on(
    pooled_url: str, category: str
) -> None:
    stream = f"{category}-1"
    async with (
        pooler(pooled_url, "session", most=2) as sessions,
        await MessageDbStore.connect(sessions.url, limits=PoolLimits(connect_timeout_s=2)) as store,
        store.own(stream) as owned,
        store.listen(category) as news,
    ):
        assert owned
        for version in range(-1, 9):
            await store.append(stream, new(), expected_version=version)
            await told(news)
