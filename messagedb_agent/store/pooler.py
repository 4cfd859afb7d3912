"""Poolers between us and the server: those that take a session away after each transaction."""

import asyncio
from collections.abc import Awaitable, Callable

from psycopg import errors

from messagedb_agent.errors import ConfigurationError, StoreUnavailable
from messagedb_agent.store.pool import Connection
from messagedb_agent.store.server_errors import POOLER_REMEDY

# Never prepared: a prepared statement is what such poolers lose.
_BACKEND = "SELECT pg_backend_pid()"


async def require_sessions(
    connection: Connection, open_connection: Callable[[], Awaitable[Connection]], *, wait_s: float
) -> None:
    """Return if `connection` keeps its session for as long as it lasts.

    A lock on a thread is a session's. Where a pooler hands the session to somebody else after
    each transaction (PgBouncer's transaction mode), nobody could give that lock back.

    Args:
        connection: idle, and in autocommit.
        open_connection: makes another one to the same place.
        wait_s: for a session of the other connection's own.

    Raises:
        ConfigurationError: it does not keep its session.
        StoreUnavailable: the pooler has no second session, which locks need.
    """
    try:
        async with asyncio.timeout(wait_s):
            is_kept = await _keeps_session(connection, await open_connection())
    except TimeoutError as error:
        raise StoreUnavailable(
            f"the pooler gave no second session within {wait_s:g} s; two are needed at least"
        ) from error
    if not is_kept:
        raise ConfigurationError(
            "the database is reached through a pooler that keeps no sessions (transaction or "
            f"statement mode), and so no locks; {POOLER_REMEDY}",
            field="MESSAGE_DB_URL",
        )


async def _keeps_session(connection: Connection, other: Connection) -> bool:
    """Make the pooler move `connection` to another session, if it ever does.

    The other connection's open transaction takes the session used last, and two statements in
    a row meet poolers that hand their sessions out in turn.
    """
    try:
        seen = {await _backend(connection), await _backend(connection)}
        async with other.transaction():
            taken = await _backend(other)
            if taken in seen:
                return False
            seen.add(await _backend(connection))
    except errors.ProtocolViolation:  # PgBouncer's statement mode has no transactions either
        return False
    finally:
        await other.close()
    return len(seen) == 1


async def _backend(connection: Connection) -> int:
    cursor = await connection.execute(_BACKEND, prepare=False)
    [(pid,)] = await cursor.fetchall()
    return int(pid)
