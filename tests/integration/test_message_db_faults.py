"""Cancelled callers, frozen writers, too few connections, databases set up otherwise."""

import asyncio
import random
from collections.abc import AsyncIterator
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from messagedb_agent.errors import StoreUnavailable, WrongExpectedVersion
from messagedb_agent.store.message_db import MessageDbStore
from messagedb_agent.store.pool import PoolLimits
from tests.contract.messages import new
from tests.waiting import until


@pytest.fixture
async def other(store_url: str) -> AsyncIterator[psycopg.AsyncConnection[tuple[object, ...]]]:
    """A foreign client of the same role."""
    url = make_conninfo(store_url, options="-csearch_path=message_store")
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        yield connection


async def pids(
    other: psycopg.AsyncConnection[tuple[object, ...]], name: str, state: str = "%"
) -> set[object]:
    # In a transaction the server shows what it showed first, unless it is told to look again.
    await other.execute("SELECT pg_stat_clear_snapshot()")
    query = "SELECT pid FROM pg_stat_activity WHERE application_name = %s AND state LIKE %s"
    return {pid for (pid,) in await (await other.execute(query, (name, state))).fetchall()}


async def none_busy(other: psycopg.AsyncConnection[tuple[object, ...]], name: str) -> bool:
    return await pids(other, name) == await pids(other, name, "idle")


async def hold(other: psycopg.AsyncConnection[tuple[object, ...]], category: str) -> None:
    """Write in a transaction that stays open, as a frozen client would."""
    await other.execute("BEGIN")
    await other.execute(
        "SELECT write_message(gen_random_uuid()::text, %s, 'Written', '{}')", (f"{category}-held",)
    )


@pytest.mark.parametrize(("frozen", "count"), [(False, 200), (True, 40)])
async def test_cancelled_appends_leave_no_connection_in_use(
    store_url: str,
    other: psycopg.AsyncConnection[tuple[object, ...]],
    category: str,
    frozen: bool,
    count: int,
) -> None:
    chance, name = random.Random(11), f"storm-{uuid4().hex}"
    limits = PoolLimits(max_size=4)
    async with await MessageDbStore.connect(
        store_url, limits=limits, application_name=name
    ) as store:
        if frozen:  # every append waits for the category's lock until it is cancelled
            await hold(other, category)
        ended = {"cancelled": 0, "done": 0}

        async def append(number: int) -> None:
            try:
                await store.append(f"{category}-{number % 5}", new(), new())
                ended["done"] += 1
            except asyncio.CancelledError:
                ended["cancelled"] += 1

        for start in range(0, count, 20):
            tasks = [asyncio.create_task(append(number)) for number in range(start, start + 20)]
            await asyncio.sleep(chance.uniform(0, 0.006))
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        assert store.connections_in_use == 0
        assert ended["cancelled"] > count / 4
        assert (ended["done"] == 0) == frozen
        # A statement that overtook its own cancellation ends when the server misses its client.
        await until(lambda: none_busy(other, name))
        if frozen:
            await other.execute("ROLLBACK")
        for number in range(5):
            stream = f"{category}-{number}"
            version = await store.stream_version(stream)
            assert version % 2 == 1  # all or none of each append
            assert (await store.append(stream, new())).position == version + 1


async def test_a_frozen_writer_stops_its_category_only_and_not_for_ever(
    store_url: str, other: psycopg.AsyncConnection[tuple[object, ...]], category: str
) -> None:
    limits = PoolLimits(lock_timeout_ms=100)
    async with await MessageDbStore.connect(store_url, limits=limits) as store:
        await hold(other, category)
        with pytest.raises(StoreUnavailable, match="lock timeout"):
            await store.append(f"{category}-1", new(), expected_version=-1)
        await store.append(f"{category}x-1", new())
        await other.execute("ROLLBACK")
        await store.append(f"{category}-1", new(), expected_version=-1)


async def test_a_statement_that_takes_too_long_is_given_up(
    store_url: str, other: psycopg.AsyncConnection[tuple[object, ...]], category: str
) -> None:
    limits = PoolLimits(statement_timeout_ms=100)
    async with await MessageDbStore.connect(store_url, limits=limits) as store:
        await hold(other, category)
        with pytest.raises(StoreUnavailable, match="statement timeout"):
            await store.append(f"{category}-1", new())
        assert store.connections_in_use == 0
        await other.execute("ROLLBACK")


async def test_callers_beyond_the_last_connection_wait_and_then_give_up(
    store_url: str, other: psycopg.AsyncConnection[tuple[object, ...]], category: str
) -> None:
    async with await MessageDbStore.connect(store_url, limits=PoolLimits(max_size=2)) as store:
        await asyncio.gather(*(store.append(f"{category}-1", new()) for _ in range(50)))
        assert await store.stream_version(f"{category}-1") == 49
    limits = PoolLimits(max_size=2, wait_timeout_s=0.1)
    async with await MessageDbStore.connect(store_url, limits=limits) as store:
        second = f"{category}Second"
        await hold(other, category)
        await other.execute("SELECT acquire_lock(%s)", (f"{second}-1",))

        async def both_in_use() -> bool:
            return store.connections_in_use == 2

        # Appends of one category wait behind one statement: two categories take two connections.
        waiting = [
            asyncio.create_task(store.append(f"{name}-1", new())) for name in (category, second)
        ]
        await until(both_in_use)
        with pytest.raises(StoreUnavailable, match="all 2 connections"):
            await store.stream_version(f"{category}-1")
        await other.execute("ROLLBACK")
        await asyncio.gather(*waiting)


async def test_connections_that_are_to_be_there_are_opened_at_once_and_kept_though_unused(
    store_url: str, other: psycopg.AsyncConnection[tuple[object, ...]], category: str
) -> None:
    async def the_least_open() -> bool:
        return len(await pids(other, name)) == 2

    async def none_open() -> bool:
        return not await pids(other, name)

    name = f"warm-{uuid4().hex}"
    limits = PoolLimits(min_size=2, max_size=4, max_inactive_s=0.05)
    async with await MessageDbStore.connect(
        store_url, limits=limits, application_name=name
    ) as store:
        warm = await pids(other, name)
        assert len(warm) == 2
        await asyncio.gather(*(store.stream_version(f"{category}-1") for _ in range(4)))
        await until(the_least_open)
        await asyncio.sleep(3 * limits.max_inactive_s)  # nothing is to happen
        assert await the_least_open()
        await other.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE application_name = %s",
            (name,),
        )
        await asyncio.gather(*(store.stream_version(f"{category}-1") for _ in range(4)))
        await until(the_least_open)
    await until(none_open)


async def test_connections_unused_or_old_are_closed(
    store_url: str, other: psycopg.AsyncConnection[tuple[object, ...]], category: str
) -> None:
    async def none_open() -> bool:
        return not await pids(other, name)

    name = f"idle-{uuid4().hex}"
    limits = PoolLimits(max_inactive_s=0.05)
    async with await MessageDbStore.connect(
        store_url, limits=limits, application_name=name
    ) as store:
        await asyncio.gather(*(store.stream_version(f"{category}-1") for _ in range(4)))
        await until(none_open)
    name = f"old-{uuid4().hex}"
    limits = PoolLimits(max_lifetime_s=0.0)
    async with await MessageDbStore.connect(
        store_url, limits=limits, application_name=name
    ) as store:
        seen: set[object] = set()
        for _ in range(3):
            query = "SELECT pg_backend_pid()"
            [(pid,)] = await store._statements.rows(query, ())
            seen.add(pid)
        assert len(seen) == 3


@pytest.mark.parametrize("isolation", ["repeatable read", "serializable"])
async def test_a_database_that_isolates_more_by_default_tells_conflicts_as_conflicts(
    admin_url: str, isolation: str, category: str
) -> None:
    role = f"role_{uuid4().hex}"
    async with await psycopg.AsyncConnection.connect(admin_url, autocommit=True) as admin:
        name = sql.Identifier(role)
        await admin.execute(sql.SQL("CREATE ROLE {} LOGIN IN ROLE message_store").format(name))
        await admin.execute(
            sql.SQL("ALTER ROLE {} SET default_transaction_isolation = {}").format(
                name, sql.Literal(isolation)
            )
        )
        try:
            async with await MessageDbStore.connect(make_conninfo(admin_url, user=role)) as store:
                results = await asyncio.gather(
                    *(store.append(f"{category}-1", new(), expected_version=-1) for _ in range(10)),
                    return_exceptions=True,
                )
                assert sum(isinstance(r, WrongExpectedVersion) for r in results) == 9
        finally:
            await admin.execute(sql.SQL("DROP ROLE {}").format(name))


async def test_any_role_with_the_rights_works_whatever_its_search_path(
    admin_url: str, store_url: str, category: str
) -> None:
    bare = make_conninfo(admin_url, options="-csearch_path=pg_catalog")
    assert conninfo_to_dict(bare)["user"] != "message_store"
    async with (
        await MessageDbStore.connect(bare) as owner,
        await MessageDbStore.connect(store_url) as store,
    ):
        await owner.append(f"{category}-1", new(), expected_version=-1)
        await store.append(f"{category}-1", new(), expected_version=0)
        assert [m.position async for m in owner.read(f"{category}-1")] == [0, 1]


async def test_a_row_with_an_impossible_time_is_read_all_the_same(
    admin_url: str, store_url: str, category: str
) -> None:
    async with await psycopg.AsyncConnection.connect(admin_url, autocommit=True) as admin:
        for position, time in enumerate(("infinity", "-infinity", "4713-01-01 BC", "99999-01-01")):
            await admin.execute(
                "INSERT INTO message_store.messages (stream_name, position, type, time)"
                " VALUES (%s, %s, 'Forged', %s)",
                (f"{category}-1", position, time),
            )
    async with await MessageDbStore.connect(store_url) as store:
        found = [message async for message in store.read(f"{category}-1")]
        assert [message.time.year for message in found] == [9999, 1, 1, 9999]
        assert found[0].data is None
        assert await store.by_id(found[0].id) == found[0]
        assert await store.last(f"{category}-1") == found[3]


async def test_gaps_and_the_last_position_there_is_end_a_read(
    admin_url: str, store_url: str, category: str
) -> None:
    async with await psycopg.AsyncConnection.connect(admin_url, autocommit=True) as admin:
        for position in (0, 5, 2**63 - 1):
            await admin.execute(
                "INSERT INTO message_store.messages (stream_name, position, type)"
                " VALUES (%s, %s, 'Forged')",
                (f"{category}-1", position),
            )
    async with await MessageDbStore.connect(store_url) as store:
        found = [message.position async for message in store.read(f"{category}-1")]
        assert found == [0, 5, 2**63 - 1]
        assert [m.position async for m in store.read(f"{category}-1", until=4)] == [0]
