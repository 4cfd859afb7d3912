"""Owning streams by advisory locks, at session level, on a connection kept for this alone."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg

from messagedb_agent.errors import StoreUnavailable
from messagedb_agent.store.pool import Connection, Pool, loop_time
from messagedb_agent.store.server_errors import Where, is_transient, refused_connection, translated
from messagedb_agent.store.silence import cut_off_after
from messagedb_agent.store.store import Hold
from messagedb_agent.store.tries import Tries

# The two-int key space: Message DB locks categories in the one of a single bigint. The version is
# read behind the lock's call: a volatile function sees what was committed until it is called.
_LOCK = "SELECT pg_try_advisory_lock(%s, %s), stream_version(%s)"
_ALIVE = "SELECT 1"
_FRESH_S = 0.25
"""An answer that took longer may be old: who asked may have been paused before reading it."""
_MOST_ASKED = 5  # a server that is always slower must not keep a tool from beginning
_UNLOCK = "SELECT pg_advisory_unlock(%s, %s), stream_version(%s)"

OWNED = """
SELECT key.one, key.two
FROM unnest(%(first)s::int[], %(second)s::int[]) AS key(one, two)
JOIN pg_locks AS held
  ON held.locktype = 'advisory' AND held.objsubid = 2 AND held.granted
 AND held.classid = (key.one::bigint & 4294967295)::oid
 AND held.objid = (key.two::bigint & 4294967295)::oid
JOIN pg_database AS here ON here.oid = held.database AND here.datname = current_database()
"""
"""Which of some pairs of keys are locked by anybody in this database, without locking them.

Source: PostgreSQL's documentation of `pg_locks`: of a lock on two keys, `classid` is the first,
`objid` the second, both without a sign, and `objsubid` 2.
"""


def lock_keys(stream: str) -> tuple[int, int]:
    """Return the two signed 32-bit keys of a stream: the first 64 bits of its name's SHA-256."""
    digest = hashlib.sha256(stream.encode()).digest()
    return (
        int.from_bytes(digest[:4], "big", signed=True),
        int.from_bytes(digest[4:8], "big", signed=True),
    )


class Ownership:
    """The streams that this process owns in one database.

    Args:
        pool: opens connections.
        where: which database that is.
        retry_for_s: how long a server that is away is asked again for a lock.
    """

    def __init__(self, pool: Pool, where: Where, *, retry_for_s: float) -> None:
        self._pool = pool
        self._where = where
        self._retry_for_s = retry_for_s
        self._connection: Connection | None = None
        self._turn = asyncio.Lock()  # one statement at a time on the one connection
        self._claimed: set[str] = set()  # in this process: the same session may lock twice
        self._locked: dict[str, Hold] = {}  # in the database, on the connection that lives
        self._unlocking: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def own(self, stream: str) -> AsyncIterator[Hold | None]:
        """Try to own a stream while the context lasts; None where somebody else owns it.

        Raises:
            StoreUnavailable: the database was not reached.
        """
        if stream in self._claimed:
            yield None
            return
        self._claimed.add(stream)
        try:
            yield await self._lock(stream)
        finally:
            await self._let_go(stream)

    async def close(self) -> None:
        """Close the lock connection, and so let go of every lock."""
        async with self._turn:
            self._lose()

    async def _lock(self, stream: str) -> Hold | None:
        tries = Tries(self._retry_for_s)
        while True:
            try:
                async with self._turn:
                    return await self._try_lock(stream)
            except psycopg.Error as error:
                # A connection that is refused, or lost, has no code to tell why.
                tell = translated if error.sqlstate else refused_connection
                failure, cause = tell(error, self._where), error
            again = is_transient(cause) and isinstance(failure, StoreUnavailable)
            if not again or not await tries.again():
                raise failure from cause

    async def _try_lock(self, stream: str) -> Hold | None:
        connection = await self._opened()
        try:
            granted, version = await self._ask(connection, _LOCK, stream)
        except asyncio.CancelledError:
            self._locked[stream] = Hold()  # the server may have been faster: unlock it
            raise
        if not granted:
            return None
        hold = self._locked[stream] = Hold(version, confirm=self._confirm)
        return hold

    async def _confirm(self) -> None:
        """Hear whether the connection lives: all locks end with it."""
        try:
            async with self._turn:
                for _ in range(_MOST_ASKED):
                    if self._connection is None:
                        return
                    asked = loop_time()
                    await self._answer(self._connection, _ALIVE, ())
                    if loop_time() - asked < _FRESH_S:
                        return
        except psycopg.Error:
            self._lose()

    async def _let_go(self, stream: str) -> None:
        """Unlock to the end, even where the owner is being cancelled."""
        task = asyncio.create_task(self._unlock(stream))
        self._unlocking.add(task)
        task.add_done_callback(self._unlocking.discard)
        await asyncio.shield(task)

    async def _unlock(self, stream: str) -> None:
        try:
            async with self._turn:
                if hold := self._locked.pop(stream, None):
                    hold.version = None
                    if self._connection is not None:
                        _, hold.version = await self._ask(self._connection, _UNLOCK, stream)
        except psycopg.Error:  # no lock is left behind: locks end with their session
            self._lose()
        finally:
            self._claimed.discard(stream)

    async def _ask(self, connection: Connection, statement: str, stream: str) -> tuple[bool, int]:
        row = await self._answer(connection, statement, (*lock_keys(stream), stream))
        granted, version = row or (False, None)
        return granted, -1 if version is None else version

    async def _answer(
        self, connection: Connection, statement: str, parameters: tuple[Any, ...]
    ) -> tuple[Any, ...] | None:
        self._unwatch(connection)
        try:
            with cut_off_after(connection, self._pool.limits.answer_s):
                cursor = await connection.execute(statement, parameters)
                return await cursor.fetchone()
        finally:
            if connection.closed:
                self._lose()
            else:
                self._watch(connection)

    async def _opened(self) -> Connection:
        if self._connection is not None and self._connection.closed:
            self._lose()
        if self._connection is None:
            self._connection = await self._pool.open_connection()
        return self._connection

    def _watch(self, connection: Connection) -> None:
        asyncio.get_running_loop().add_reader(connection.fileno(), self._heard)

    def _unwatch(self, connection: Connection) -> None:
        if not connection.closed:
            asyncio.get_running_loop().remove_reader(connection.fileno())

    def _heard(self) -> None:
        """The server spoke unasked: hear whether it closed the connection."""
        connection = self._connection
        if connection is None:
            return
        fileno = connection.fileno()
        try:
            connection.pgconn.consume_input()
        except psycopg.OperationalError:
            asyncio.get_running_loop().remove_reader(fileno)
            self._lose()

    def _lose(self) -> None:
        connection, self._connection = self._connection, None
        lost, self._locked = self._locked, {}
        if connection is not None:
            self._unwatch(connection)
            connection.pgconn.finish()
        for hold in lost.values():
            hold.version = None
            hold.lost.set()
