"""Connecting: what is wrong is named, the remedy with it, and never the password."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from messagedb_agent import MemoryStore, connect
from messagedb_agent.errors import (
    AgentError,
    ConfigurationError,
    NotMessageDb,
    StoreUnavailable,
    UnsupportedMessageDb,
)
from messagedb_agent.store.embedded import EmbeddedServer, EmbeddedSettings, start, stop
from messagedb_agent.store.install import install
from messagedb_agent.store.message import NewMessage
from messagedb_agent.store.message_db import MessageDbStore
from messagedb_agent.store.pool import PoolLimits
from tests.conftest import postgres_bin
from tests.store_url import new_home, remove_embedded

SECRET = "s3cr3tpassw0rd"


async def refusal(url: str, **limits: int) -> AgentError:
    with pytest.raises(AgentError) as error:
        await MessageDbStore.connect(url, limits=PoolLimits(**limits))
    cause: BaseException | None = error.value
    while cause is not None:
        assert SECRET not in str(cause)
        cause = cause.__cause__ or cause.__context__  # shown or not
    return error.value


async def execute(url: str, *statements: sql.Composable | str) -> None:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        for statement in statements:
            text = statement if isinstance(statement, str) else statement.as_string(connection)
            await connection.execute(text.encode())


@pytest.fixture
async def empty(admin_url: str) -> AsyncIterator[str]:
    """A new database without Message DB, as its owner."""
    name = sql.Identifier(f"test_{uuid4().hex}")
    await execute(admin_url, sql.SQL("CREATE DATABASE {}").format(name))
    yield make_conninfo(admin_url, dbname=name.as_string(None).strip('"'))
    await execute(admin_url, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


@pytest.fixture
def own_server() -> EmbeddedSettings:
    """Settings of a server that a test has for itself."""
    return EmbeddedSettings(home=new_home(), idle_s=60, postgres_bin=postgres_bin())


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        f"postgresql://agent:{SECRET} x@/db",
        f"postgresql://agent:{SECRET}@localhost/db?nonsense=1",
        f"host=localhost password='{SECRET}",
        f"postgresql://agent:{SECRET}/x@localhost/db",
        f"postgresql://agent:x@{SECRET}@localhost/db",
        "",
    ],
)
async def test_a_url_that_cannot_be_read_is_refused(url: str) -> None:
    error = await refusal(url)
    assert isinstance(error, ConfigurationError)


async def test_a_server_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        error = await refusal(f"postgresql://agent:{SECRET}@127.0.0.1:{port}/db")
    assert isinstance(error, StoreUnavailable)
    assert f"127.0.0.1:{port}" in str(error)
    error = await refusal(make_conninfo(host=str(tmp_path), user="agent", dbname="db"))
    assert isinstance(error, StoreUnavailable)


async def test_a_server_that_does_not_answer_is_given_up() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"postgresql://agent@127.0.0.1:{silent.getsockname()[1]}/db"
        error = await refusal(url, connect_timeout_s=2)
    assert isinstance(error, StoreUnavailable)


async def test_an_unknown_database_role_or_right_is_a_configuration_error(
    admin_url: str,
) -> None:
    role = f"role_{uuid4().hex}"
    nowhere = await refusal(make_conninfo(admin_url, dbname="no_such_database"))
    nobody = await refusal(make_conninfo(admin_url, user="no_such_role"))
    await execute(admin_url, sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(role)))
    barred = await refusal(make_conninfo(admin_url, user=role))
    await execute(admin_url, sql.SQL("ALTER ROLE {} LOGIN").format(sql.Identifier(role)))
    powerless = await refusal(make_conninfo(admin_url, user=role))
    await execute(admin_url, sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))
    for error, words in (
        (nowhere, "no_such_database"),
        (nobody, "no_such_role"),
        (barred, role),
        (powerless, role),
    ):
        assert isinstance(error, ConfigurationError)
        assert words in str(error)


async def test_an_empty_database_is_no_message_db(empty: str) -> None:
    error = await refusal(empty)
    assert isinstance(error, NotMessageDb)
    assert error.missing == ("schema message_store",)
    assert "messagedb-agent db install" in error.remedy


async def test_message_db_is_made_before_connecting_and_made_whole_afterwards(empty: str) -> None:
    assert await connect(empty).init_schema()
    assert not await connect(empty).init_schema()
    async with connect(empty) as engine:
        assert not await engine.init_schema()
        agent = await engine.start("Hello!")
        await execute(empty, "DROP FUNCTION message_store.stream_version(varchar)")
        assert await engine.init_schema()
        assert await engine.latest("last") == agent


async def test_a_store_in_memory_needs_no_message_db() -> None:
    assert not await connect(MemoryStore()).init_schema()
    async with connect(MemoryStore()) as engine:
        assert not await engine.init_schema()


async def test_a_store_that_loses_its_functions_says_which(empty: str) -> None:
    await install(empty)
    async with await MessageDbStore.connect(empty) as store:
        await execute(empty, "DROP FUNCTION message_store.stream_version(varchar)")
        with pytest.raises(NotMessageDb, match="stream_version"):
            await store.stream_version("agent-1")
    error = await refusal(empty)
    assert isinstance(error, NotMessageDb)
    assert error.missing == ("function stream_version",)


async def test_another_version_of_message_db_is_refused(empty: str) -> None:
    await install(empty)
    await execute(
        empty,
        "CREATE OR REPLACE FUNCTION message_store.message_store_version() RETURNS varchar"
        " LANGUAGE sql AS $$SELECT '1.2.6'::varchar$$",
    )
    error = await refusal(empty)
    assert isinstance(error, UnsupportedMessageDb)
    assert error.found == "1.2.6"


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
async def test_text_is_read_as_it_was_written_whatever_encoding_a_client_is_set_to(
    store_url: str, category: str, encoding: str
) -> None:
    url = make_conninfo(store_url, client_encoding=encoding)
    async with await MessageDbStore.connect(url) as store:
        message = NewMessage(str(uuid4()), "Said", '{"text": "五 é"}')
        await store.append(f"{category}-1", message)
        [read] = [row async for row in store.read(f"{category}-1")]
        assert read.data == message.data


async def test_the_url_may_name_the_application_and_further_options(store_url: str) -> None:
    url = make_conninfo(store_url, application_name="mine", options="-cwork_mem=7MB")
    async with await MessageDbStore.connect(url) as store:
        [row] = await store._statements.rows(
            "SELECT current_setting('application_name'), current_setting('work_mem'),"
            " current_setting('transaction_isolation'), current_setting('statement_timeout')",
            (),
        )
    assert row == ("mine", "7MB", "read committed", "1min")


async def test_a_wrong_password_is_told_from_a_server_that_restarts(
    own_server: EmbeddedSettings,
) -> None:
    try:
        server = await start(own_server, _fsync=False)
        await _ask_for_passwords(server)
        url = make_conninfo(server.url, user="guarded")
        for wrong in (make_conninfo(url, password=SECRET), url):
            error = await refusal(wrong)
            assert isinstance(error, ConfigurationError)
            assert "guarded" in str(error)
        async with await MessageDbStore.connect(server.url) as store:
            await store.append("agent-1", _new())
            async with store.own("agent-1") as owned:
                assert owned
                await execute(server.admin_url, "SELECT pg_reload_conf()")
                await _restart(own_server)
                await asyncio.wait_for(owned.lost.wait(), 10)
                appended = await store.append("agent-1", _new(), expected_version=0)
            assert appended.position == 1
            async with store.own("agent-1") as owned:
                assert owned
    finally:
        await asyncio.to_thread(remove_embedded, own_server)


def _new() -> NewMessage:
    return NewMessage(str(uuid4()), "Written", "{}")


async def _ask_for_passwords(server: EmbeddedServer) -> None:
    """Let the server ask one role for its password."""
    async with await psycopg.AsyncConnection.connect(server.admin_url, autocommit=True) as admin:
        await admin.execute("CREATE ROLE guarded LOGIN PASSWORD 'right' IN ROLE message_store")
        [(name,)] = await (await admin.execute("SELECT current_setting('hba_file')")).fetchall()
        _put_first("local all guarded scram-sha-256", Path(name))
        await admin.execute("SELECT pg_reload_conf()")


def _put_first(line: str, file: Path) -> None:
    file.write_text(f"{line}\n{file.read_text()}")


async def _restart(settings: EmbeddedSettings) -> None:
    await stop(settings, force=True)
    await start(settings, _fsync=False)
