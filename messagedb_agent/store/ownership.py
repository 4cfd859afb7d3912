"""Owning streams by advisory locks, at session level, on a connection kept for this alone."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import psycopg

from messagedb_agent.store.pool import Connection, Pool
from messagedb_agent.store.server_errors import Where, is_transient, refused_connection, translated

# The two-int key space: Message DB locks categories in the one of a single bigint.
_LOCK = "SELECT pg_try_advisory_lock(%s, %s)"
_UNLOCK = "SELECT pg_advisory_unlock(%s, %s)"


def lock_keys(stream: str) -> tuple[int, int]:
    """Return the two signed 32-bit keys of a stream: the first 64 bits of its name's SHA-256."""
    digest = hashlib.sha256(stream.encode()).digest()
    return (
        int.from_bytes(digest[:4], "big", signed=True),
        int.from_bytes(digest[4:8], "big", signed=True),
    )


class Ownership:
    """The streams that this process owns in one database.

    Attributes:
        on_lost: called once with the streams that were owned when the lock connection broke;
            their locks are gone with it, so others may own them now. None ignores it.
    """

    def __init__(self, pool: Pool, where: Where) -> None:
        self.on_lost: Callable[[frozenset[str]], None] | None = None
        self._pool = pool
        self._where = where
        self._connection: Connection | None = None
        self._turn = asyncio.Lock()  # one statement at a time on the one connection
        self._claimed: set[str] = set()  # in this process: the same session may lock twice
        self._locked: set[str] = set()  # in the database, on the connection that lives
        self._unlocking: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def own(self, stream: str) -> AsyncIterator[bool]:
        """Try to own a stream while the context lasts; False where somebody else owns it.

        Raises:
            StoreUnavailable: the database was not reached.
        """
        if stream in self._claimed:
            yield False
            return
        self._claimed.add(stream)
        try:
            yield await self._lock(stream)
        finally:
            await self._let_go(stream)

    async def close(self) -> None:
        """Close the lock connection, and so let go of every lock."""
        async with self._turn:
            connection, self._connection = self._connection, None
            self._locked.clear()
            if connection is not None:
                self._unwatch(connection)
                await connection.close()

    async def _lock(self, stream: str) -> bool:
        async with self._turn:
            try:
                return await self._try_lock(stream)
            except psycopg.Error as error:
                if not is_transient(error):
                    raise translated(error, self._where) from error
            try:  # the server may have restarted since the last lock
                return await self._try_lock(stream)
            except psycopg.Error as error:
                raise translated(error, self._where) from error

    async def _try_lock(self, stream: str) -> bool:
        connection = await self._opened()
        try:
            granted = await self._ask(connection, _LOCK, stream)
        except asyncio.CancelledError:
            self._locked.add(stream)  # the server may have been faster: unlock it
            raise
        if granted:
            self._locked.add(stream)
        return granted

    async def _let_go(self, stream: str) -> None:
        """Unlock to the end, even where the owner is being cancelled."""
        task = asyncio.create_task(self._unlock(stream))
        self._unlocking.add(task)
        task.add_done_callback(self._unlocking.discard)
        await asyncio.shield(task)

    async def _unlock(self, stream: str) -> None:
        try:
            async with self._turn:
                if stream in self._locked:
                    self._locked.discard(stream)
                    if self._connection is not None:
                        await self._ask(self._connection, _UNLOCK, stream)
        except psycopg.Error:  # no lock is left behind: locks end with their session
            self._lose()
        finally:
            self._claimed.discard(stream)

    async def _ask(self, connection: Connection, statement: str, stream: str) -> bool:
        self._unwatch(connection)
        try:
            cursor = await connection.execute(statement, lock_keys(stream))
            row = await cursor.fetchone()
        finally:
            if connection.closed:
                self._lose()
            else:
                self._watch(connection)
        return bool(row and row[0])

    async def _opened(self) -> Connection:
        if self._connection is not None and self._connection.closed:
            self._lose()
        if self._connection is None:
            try:
                self._connection = await self._pool.open_connection()
            except psycopg.Error as error:
                raise refused_connection(error, self._where) from error
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
        lost, self._locked = frozenset(self._locked), set()
        if connection is not None:
            self._unwatch(connection)
            connection.pgconn.finish()
        if lost and self.on_lost is not None:
            self.on_lost(lost)
