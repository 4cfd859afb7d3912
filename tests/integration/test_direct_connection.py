"""Statements that are asked directly do what psycopg's own do."""

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest
from psycopg.pq import TransactionStatus

from messagedb_agent.store.direct import DirectConnection
from tests.waiting import until

KINDS = "SELECT %s::text, 1, 2::bigint, 3::smallint, true, false, NULL::int, '[7]'::jsonb->>0"
SLEEPING = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE %s AND state = 'active'"


@pytest.fixture
async def connection(store_url: str) -> AsyncIterator[DirectConnection]:
    async with await DirectConnection.connect(store_url, autocommit=True) as connection:
        yield connection


async def slept(store_url: str, mark: str) -> None:
    """Wait until a statement with this mark sleeps on the server."""
    async with await psycopg.AsyncConnection.connect(store_url, autocommit=True) as other:

        async def sleeps() -> bool:
            row = await (await other.execute(SLEEPING, (f"%pg_sleep%{mark}",))).fetchone()
            return row is not None and bool(row[0])

        await until(sleeps)


async def test_rows_are_what_execute_gives(connection: DirectConnection) -> None:
    asked = await connection.ask(KINDS, "ä")
    executed = await (await connection.execute(KINDS, ("ä",))).fetchall()
    assert asked == executed == [("ä", 1, 2, 3, True, False, None, "7")]
    assert await connection.ask("SELECT %s::int WHERE false", "1") == []
    assert await connection.ask("SELECT %(n)s::int + %(n)s::int", "4") == [(8,)]


@pytest.mark.parametrize(("threshold", "prepared"), [(None, 0), (0, 1), (3, 1), (9, 0)])
async def test_a_statement_is_prepared_when_it_was_run_often(
    connection: DirectConnection, threshold: int | None, prepared: int
) -> None:
    connection.prepare_threshold = threshold
    for n in range(5):
        assert await connection.ask("SELECT %s::int", str(n)) == [(n,)]
    count = "SELECT count(*) FROM pg_prepared_statements WHERE name LIKE 'direct%'"
    assert await (await connection.execute(count)).fetchall() == [(prepared,)]


async def test_errors_are_psycopgs_and_the_connection_goes_on(connection: DirectConnection) -> None:
    connection.prepare_threshold = 0
    for _ in range(2):
        with pytest.raises(psycopg.errors.DivisionByZero) as error:
            await connection.ask("SELECT 1 / %s::int", "0")
        assert error.value.diag.message_primary == "division by zero"
    with pytest.raises(psycopg.errors.UndefinedTable):
        await connection.ask("SELECT %s FROM nowhere", "")
    assert await connection.ask("SELECT %s::int", "1") == [(1,)]


async def test_a_parameter_may_be_larger_than_the_socket_takes_at_once(
    connection: DirectConnection,
) -> None:
    text = "x" * 20_000_000
    assert await connection.ask("SELECT length(%s::text)", text) == [(len(text),)]


@pytest.mark.parametrize("threshold", [None, 0])
async def test_who_is_cancelled_has_the_statement_ended_and_the_connection_goes_on(
    connection: DirectConnection, store_url: str, threshold: int | None
) -> None:
    connection.prepare_threshold = threshold
    mark = f"/* direct {threshold} */"
    asking = asyncio.create_task(connection.ask(f"SELECT pg_sleep(%s::int) {mark}", "60"))
    await slept(store_url, mark)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert connection.pgconn.transaction_status == TransactionStatus.IDLE
    assert await connection.ask("SELECT %s::int", "1") == [(1,)]


async def test_a_statement_that_was_cancelled_while_it_was_prepared_can_be_asked_again(
    connection: DirectConnection,
) -> None:
    connection.prepare_threshold = 0
    asking = asyncio.create_task(connection.ask("SELECT %s::int", "1"))
    await asyncio.sleep(0)  # it has been sent, and the server may have done it
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert await connection.ask("SELECT %s::int", "1") == [(1,)]


async def test_news_and_notices_that_come_between_are_heard(connection: DirectConnection) -> None:
    heard: list[str] = []
    connection.add_notify_handler(lambda news: heard.append(news.payload))
    connection.add_notice_handler(lambda notice: heard.append(notice.message_primary or ""))
    await connection.execute("LISTEN direct")
    await connection.execute(
        "CREATE FUNCTION pg_temp.speak(said text) RETURNS int AS"
        " $$BEGIN RAISE NOTICE '%', said; PERFORM pg_notify('direct', said); RETURN 1; END$$"
        " LANGUAGE plpgsql"
    )
    assert await connection.ask("SELECT pg_temp.speak(%s)", "aha") == [(1,)]
    assert heard == ["aha", "aha"]


async def test_a_connection_that_ends_meanwhile_is_an_error(
    connection: DirectConnection, store_url: str
) -> None:
    mark = "/* ended */"
    asking = asyncio.create_task(connection.ask(f"SELECT pg_sleep(%s::int) {mark}", "60"))
    await slept(store_url, mark)
    async with await psycopg.AsyncConnection.connect(store_url, autocommit=True) as other:
        await other.execute("SELECT pg_terminate_backend(%s)", (connection.info.backend_pid,))
    with pytest.raises(psycopg.OperationalError):
        await asking
    await until(lambda: connection.closed)
    with pytest.raises(psycopg.OperationalError):
        await connection.ask("SELECT %s::int", "1")


async def test_the_number_of_a_socket_that_has_ended_is_free_at_once(
    connection: DirectConnection, store_url: str
) -> None:
    """Before whoever waited goes on: the next connection may have that number by then."""
    loop, number, mark = asyncio.get_running_loop(), connection.fileno(), "/* number */"
    was_watched: asyncio.Future[bool] = loop.create_future()

    def look() -> None:
        if connection.closed:
            was_watched.set_result(loop.remove_reader(number))
        else:
            loop.call_soon(look)

    asking = asyncio.create_task(connection.ask(f"SELECT pg_sleep(%s::int) {mark}", "60"))
    await slept(store_url, mark)
    look()
    async with await psycopg.AsyncConnection.connect(store_url, autocommit=True) as other:
        await other.execute("SELECT pg_terminate_backend(%s)", (connection.info.backend_pid,))
    assert not await was_watched
    with pytest.raises(psycopg.OperationalError):
        await asking
