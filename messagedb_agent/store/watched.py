"""A connection of one user, who hears when it ends while nothing is asked of it."""

import asyncio
from collections.abc import Callable
from typing import Any

import psycopg

from messagedb_agent.store.direct import rows
from messagedb_agent.store.pool import Connection
from messagedb_agent.store.silence import CutOffAfter


class WatchedConnection:
    """A connection that is watched between its statements, of which one runs at a time.

    Args:
        connection: open, and used by nobody else.
        answer_s: seconds after which a connection that gives no answer is cut off.
        on_end: called when the connection has ended by itself, in a statement or between two.
    """

    def __init__(self, connection: Connection, answer_s: float, on_end: Callable[[], None]) -> None:
        self._connection = connection
        self._answer_s = answer_s
        self._on_end = on_end
        self._watch()

    @property
    def is_closed(self) -> bool:
        """Whether the connection has ended."""
        return self._connection.closed

    async def rows(self, statement: str, parameter: str) -> list[tuple[Any, ...]]:
        """Run a statement with one parameter and return its rows.

        Raises:
            psycopg.Error: the statement failed, or the connection has ended.
        """
        self._unwatch()
        try:
            with CutOffAfter(self._connection, self._answer_s):
                return await rows(self._connection, statement, parameter)
        finally:
            if self._connection.closed:
                self._on_end()
            else:
                self._watch()

    def end(self) -> None:
        """Close the connection at once, without an await that a cancellation could cut."""
        self._unwatch()
        self._connection.pgconn.finish()

    def _watch(self) -> None:
        asyncio.get_running_loop().add_reader(self._connection.fileno(), self._heard)

    def _unwatch(self) -> None:
        if not self._connection.closed:
            asyncio.get_running_loop().remove_reader(self._connection.fileno())

    def _heard(self) -> None:
        """The server spoke unasked: hear whether it closed the connection."""
        fileno = self._connection.fileno()
        try:
            self._connection.pgconn.consume_input()
        except psycopg.OperationalError:
            asyncio.get_running_loop().remove_reader(fileno)
            self._on_end()
