"""Statements on connections of a pool, again on a fresh one where their own was lost."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import psycopg
from psycopg.rows import args_row

from messagedb_agent.errors import StoreUnavailable
from messagedb_agent.store.message import Message
from messagedb_agent.store.pool import Connection, Pool
from messagedb_agent.store.pooler import require_sessions
from messagedb_agent.store.report import check
from messagedb_agent.store.server_errors import (
    Where,
    is_transient,
    is_transient_refusal,
    refused_connection,
    translated,
)
from messagedb_agent.store.tries import Tries

T = TypeVar("T")


class Statements:
    """Runs statements in one database, with what goes wrong there as errors of ours.

    Args:
        pool: gives connections.
        where: which database that is.
        retry_for_s: how long a statement is tried again on fresh connections after its own
            was lost.
    """

    def __init__(self, pool: Pool, where: Where, *, retry_for_s: float) -> None:
        self._pool = pool
        self._where = where
        self._retry_for_s = retry_for_s

    async def first_contact(self) -> None:
        """Check that it is a Message DB that serves us, and open the connections that are kept.

        They are opened in any case, so that a lack of them shows at once.

        Raises:
            ConfigurationError: the role, the password or the database is wrong, or a pooler stands
                before it that keeps no sessions.
            StoreUnavailable: the server was not reached.
            NotMessageDb: Message DB is not, or not wholly, in the database.
            UnsupportedMessageDb: another version of it.
        """
        await self.do(self._check, first_contact=True)
        try:
            await self._pool.warm()
        except psycopg.Error as error:
            raise refused_connection(error, self._where) from error

    async def messages(self, query: str, parameters: tuple[Any, ...]) -> list[Message]:
        """Return the messages that a query gives."""

        async def fetch(connection: Connection) -> list[Message]:
            cursor = connection.cursor(row_factory=args_row(Message))
            return await (await cursor.execute(query, parameters)).fetchall()

        return await self.do(fetch)

    async def rows(
        self, query: str, parameters: tuple[Any, ...] | dict[str, Any]
    ) -> list[tuple[Any, ...]]:
        """Return the rows that a query gives."""

        # Never prepared: a plan for any limit would sort the whole category.
        async def fetch(connection: Connection) -> list[tuple[Any, ...]]:
            cursor = await connection.execute(query, parameters, prepare=False)
            return await cursor.fetchall()

        return await self.do(fetch)

    async def do(
        self, work: Callable[[Connection], Awaitable[T]], *, first_contact: bool = False
    ) -> T:
        """Do `work`, again on a fresh connection where its own was lost: all of it is repeatable.

        A refused connection is an answer at first contact; later it may be a server that
        restarts, and is asked again.

        Raises:
            StoreUnavailable: no connection did it in time.
            AgentError: what else the server has refused it with.
        """
        tries = Tries(self._retry_for_s)
        while True:
            try:
                async with self._pool.connection() as connection:
                    try:
                        return await work(connection)
                    except psycopg.Error as error:
                        failure, again = translated(error, self._where), is_transient(error)
                        cause = error
            except psycopg.Error as error:  # no connection
                failure, cause = refused_connection(error, self._where), error
                again = isinstance(failure, StoreUnavailable) and (
                    not first_contact or is_transient_refusal(error)
                )
            if again:
                await self._pool.drop_idle()
            if not again or not await tries.again():
                raise failure from cause

    async def _check(self, connection: Connection) -> None:
        report = await check(connection)
        if report.is_pooled:  # first, as one that keeps no sessions makes the rest of it a chance
            wait_s = self._pool.limits.connect_timeout_s
            await require_sessions(connection, self._pool.open_connection, wait_s=wait_s)
        report.require_usable()
