"""Installing Message DB into a database, and telling what one lacks."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import psycopg
import pytest
from psycopg import AsyncConnection
from psycopg.conninfo import make_conninfo

from messagedb_agent.errors import (
    ConfigurationError,
    NotMessageDb,
    StoreUnavailable,
    UnsupportedMessageDb,
)
from messagedb_agent.store.install import StoreReport, check, install

Connection = AsyncConnection[tuple[object, ...]]


async def connect(url: str) -> Connection:
    return await AsyncConnection.connect(url, autocommit=True)


async def execute(url: str, *statements: str) -> None:
    async with await connect(url) as connection:
        for statement in statements:
            await connection.execute(statement.encode())


async def value(url: str, query: str) -> object:
    async with await connect(url) as connection:
        row = await (await connection.execute(query.encode())).fetchone()
    assert row is not None
    return row[0]


async def report(url: str) -> StoreReport:
    async with await connect(url) as connection:
        return await check(connection)


@pytest.fixture
async def empty(admin_url: str) -> AsyncIterator[str]:
    """URL of a new database, as its owner; on the same server as the store."""
    name = f"test_{uuid4().hex}"
    await execute(admin_url, f"CREATE DATABASE {name}")
    yield make_conninfo(admin_url, dbname=name)
    await execute(admin_url, f"DROP DATABASE {name} WITH (FORCE)")


async def test_an_empty_database_is_told_from_a_message_db(empty: str) -> None:
    found = await report(empty)
    assert found.missing == ("schema message_store",)
    with pytest.raises(NotMessageDb, match="messagedb-agent db install") as error:
        found.require_usable()
    assert error.value.missing == found.missing


async def test_checking_a_database_puts_nothing_into_it(empty: str) -> None:
    await report(empty)
    assert await value(empty, "SELECT to_regnamespace('message_store')") is None


async def test_an_installed_database_is_usable_by_the_role_message_store(empty: str) -> None:
    await install(empty)
    found = await report(make_conninfo(empty, user="message_store", options=""))
    found.require_usable()
    assert found.version == "1.3.0"


async def test_a_second_install_leaves_what_is_there(empty: str) -> None:
    await install(empty)
    await execute(
        empty,
        "SET search_path = message_store",
        "SELECT write_message(gen_random_uuid()::text, 'one-1', 'Written', '{}')",
    )
    oids = "SELECT array_agg(oid ORDER BY oid) FROM pg_class WHERE relname LIKE 'messages%'"
    before = await value(empty, oids)
    await install(empty)
    assert await value(empty, oids) == before
    assert await value(empty, "SELECT count(*) FROM message_store.messages") == 1


async def test_two_installs_at_once_both_succeed(empty: str) -> None:
    await asyncio.gather(install(empty), install(empty))
    assert (await report(empty)).missing == ()


async def test_an_incomplete_installation_is_completed_without_losing_messages(empty: str) -> None:
    await install(empty)
    await execute(
        empty,
        "SET search_path = message_store",
        "SELECT write_message(gen_random_uuid()::text, 'one-1', 'Written', '{}')",
        "DROP TYPE message_store.message CASCADE",
        "DROP INDEX message_store.messages_category",
    )
    assert set((await report(empty)).missing) == {
        "type message",
        "index messages_category",
        "function get_stream_messages",
        "function get_category_messages",
        "function get_last_stream_message",
    }
    await install(empty)
    assert (await report(empty)).missing == ()
    assert await value(empty, "SELECT count(*) FROM message_store.messages") == 1


async def test_a_function_of_another_signature_counts_as_missing(empty: str) -> None:
    await install(empty)
    await execute(
        empty,
        "DROP FUNCTION message_store.get_last_stream_message(varchar, varchar)",
        "CREATE FUNCTION message_store.get_last_stream_message(varchar) "
        "RETURNS SETOF message_store.message LANGUAGE sql AS 'SELECT NULL::message_store.message'",
    )
    assert (await report(empty)).missing == ("function get_last_stream_message",)


@pytest.mark.parametrize("version", ["1.2.6", "2.0.0", "1.x"])
async def test_another_version_is_refused_and_left_as_it_is(empty: str, version: str) -> None:
    await install(empty)
    await execute(
        empty,
        "CREATE OR REPLACE FUNCTION message_store.message_store_version() RETURNS varchar "
        f"LANGUAGE sql AS $$SELECT '{version}'::varchar$$",
        "DROP VIEW message_store.type_summary CASCADE",
    )
    with pytest.raises(UnsupportedMessageDb) as error:
        await install(empty)
    assert error.value.found == version
    with pytest.raises(UnsupportedMessageDb):
        (await report(empty)).require_usable()
    assert await value(empty, "SELECT to_regclass('message_store.type_summary')") is None


async def test_another_table_of_that_name_is_refused_and_left_as_it_is(empty: str) -> None:
    await execute(
        empty, "CREATE SCHEMA message_store", "CREATE TABLE message_store.messages (text text)"
    )
    with pytest.raises(NotMessageDb, match="column stream_name"):
        await install(empty)
    functions = "SELECT count(*) FROM pg_proc WHERE pronamespace = 'message_store'::regnamespace"
    assert await value(empty, functions) == 0


async def test_a_role_that_does_not_find_the_functions_is_told_the_option(empty: str) -> None:
    await install(empty)
    found = await report(make_conninfo(empty, options="-csearch_path=public"))
    assert (found.missing, found.on_search_path) == ((), False)
    with pytest.raises(ConfigurationError, match="options=-csearch_path%3Dmessage_store"):
        found.require_usable()


@pytest.fixture
async def stranger(admin_url: str) -> AsyncIterator[str]:
    name = f"stranger_{uuid4().hex}"
    await execute(admin_url, f"CREATE ROLE {name} LOGIN")
    yield name
    await execute(admin_url, f"DROP ROLE {name}")


async def test_a_role_without_rights_is_told_which(empty: str, stranger: str) -> None:
    await install(empty)
    found = await report(make_conninfo(empty, user=stranger))
    assert "USAGE on schema message_store" in found.denied
    with pytest.raises(ConfigurationError, match="INSERT on table messages"):
        found.require_usable()


async def test_a_role_that_may_not_install_is_refused_and_nothing_stays(
    empty: str, stranger: str
) -> None:
    with pytest.raises(ConfigurationError, match="owner"):
        await install(make_conninfo(empty, user=stranger))
    assert await value(empty, "SELECT to_regnamespace('message_store')") is None


async def test_a_database_that_does_not_exist_is_named(admin_url: str) -> None:
    with pytest.raises(StoreUnavailable, match="not_there"):
        await install(make_conninfo(admin_url, dbname="not_there"))


async def test_a_malformed_url_is_refused_without_repeating_it() -> None:
    with pytest.raises(ConfigurationError) as error:
        await install("postgresql://user:geheim@[host/db")
    assert "geheim" not in str(error.value)


async def test_the_role_message_store_can_neither_change_nor_remove(store_url: str) -> None:
    async with await connect(store_url) as connection:
        for statement in (b"UPDATE messages SET type = 'x'", b"DELETE FROM messages"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                await connection.execute(statement)
