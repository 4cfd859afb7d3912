"""The shortest way from a statement to its rows, for the few statements that every turn makes.

psycopg's `execute` makes a cursor and adapts any kind of value: a third of what a short statement
costs its client. A statement with one parameter, a text, whose columns are of few types, needs none
of that. Waiting, cancelling, errors and every other statement stay psycopg's.
"""

import asyncio
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, TypeVar

import psycopg
from psycopg import generators
from psycopg.abc import PQGen
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGresult

from messagedb_agent.store.silence import CANCELLED_S, cut_off

Row = tuple[Any, ...]
T = TypeVar("T")

_LOOK_S = 10.0  # how often psycopg wakes up for nothing; a cancel is heard at once all the same
_PARAMETER = re.compile(r"%(?:\(\w+\))?s")
# By the number of a column's type; what is not named here is text.
_READ: Mapping[int, Callable[[bytes], object]] = {
    16: b"t".__eq__,
    20: int,
    21: int,
    23: int,
}


class DirectConnection(psycopg.AsyncConnection[Row]):
    """A connection of psycopg's that can also be asked directly; one at a time may use it."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._direct_asked: dict[str, int] = {}  # how often, by statement
        self._direct_names: dict[str, bytes] = {}  # of statements that are prepared here
        self._direct_tries = 0
        self._cutting: asyncio.TimerHandle | None = None  # while a statement is being cancelled

    async def ask(self, statement: str, parameter: str) -> list[Row]:
        """Run a statement and return its rows.

        Args:
            statement: as `execute` takes it, with one parameter, which may stand in it repeatedly.
                It is prepared as `prepare_threshold` says.
            parameter: its value.

        Raises:
            psycopg.Error: as `execute` raises it.
            asyncio.CancelledError: the caller was cancelled, and the statement ended by psycopg;
                a connection that does not hear of that is closed.
        """
        if self.closed:
            raise psycopg.OperationalError("the connection is closed")
        name = self._direct_names.get(statement) or await self._named(statement)
        if name is None:
            self.pgconn.send_query_params(_plain(statement), [parameter.encode()])
        else:
            self.pgconn.send_query_prepared(name, [parameter.encode()])
        return _rows(await self._answered())

    async def wait(self, gen: PQGen[T], *args: Any, **named: Any) -> T:
        """Wait as psycopg does; who is cancelled meanwhile waits no longer than `CANCELLED_S`."""
        try:
            return await super().wait(gen, *args, **named)
        finally:
            if self._cutting:
                self._cutting.cancel()
                self._cutting = None

    async def cancel_safe(self, *, timeout: float = CANCELLED_S) -> None:  # noqa: ASYNC109 - psycopg's
        """Have the server end what is under way; a connection that does not hear is cut off."""
        if self._cutting is None:
            loop = asyncio.get_running_loop()
            self._cutting = loop.call_later(CANCELLED_S, cut_off, self)
        await super().cancel_safe(timeout=min(timeout, CANCELLED_S))

    async def _named(self, statement: str) -> bytes | None:
        """Prepare a statement if it has been run often enough, and return its name."""
        if self.prepare_threshold is None:
            return None
        asked = self._direct_asked[statement] = self._direct_asked.get(statement, 0) + 1
        if asked <= self.prepare_threshold:
            return None
        # A new name for each try: one that was cancelled may have been prepared all the same.
        self._direct_tries += 1
        name = b"direct_%d" % self._direct_tries
        self.pgconn.send_prepare(name, _plain(statement))
        await self._answered()
        self._direct_names[statement] = name
        return name

    async def _answered(self) -> PGresult:
        """Wait for the answer to what was sent, as psycopg does."""
        answer: list[PGresult] = await self.wait(generators.execute(self.pgconn), interval=_LOOK_S)
        [result] = answer
        if result.status == ExecStatus.FATAL_ERROR:
            raise error_from_result(result)
        return result


async def rows(
    connection: psycopg.AsyncConnection[Row], statement: str, parameter: str
) -> list[Row]:
    """Run a statement with one parameter, directly where the connection can, and return its rows.

    Raises:
        psycopg.Error: the statement failed, or the connection has ended.
    """
    if isinstance(connection, DirectConnection):
        return await connection.ask(statement, parameter)
    return await (await connection.execute(statement, (parameter,))).fetchall()


def _rows(result: PGresult) -> list[Row]:
    columns = [_READ.get(result.ftype(n), bytes.decode) for n in range(result.nfields)]
    return [
        tuple(
            [
                None if (text := result.get_value(row, n)) is None else read(text)
                for n, read in enumerate(columns)
            ]
        )
        for row in range(result.ntuples)
    ]


@lru_cache
def _plain(statement: str) -> bytes:
    """Return a statement as the server takes it."""
    return _PARAMETER.sub("$1", statement).encode()
