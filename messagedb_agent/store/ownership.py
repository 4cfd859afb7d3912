"""Owning streams by advisory locks, at session level, on a connection kept for this alone.

One statement is under way at a time. What is wished meanwhile, of whatever streams, is asked for in
the next one; a lone wish waits for nobody.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import orjson
import psycopg

from messagedb_agent.errors import AgentError, StoreUnavailable
from messagedb_agent.store.answering import answer
from messagedb_agent.store.hold import Hold
from messagedb_agent.store.pool import Pool, loop_time
from messagedb_agent.store.server_errors import Where, is_transient, refused_connection, translated
from messagedb_agent.store.silence import CANCELLED_S
from messagedb_agent.store.tries import Tries
from messagedb_agent.store.watched import WatchedConnection

# The two-int key space: Message DB locks categories in the one of a single bigint. The version is
# read behind the lock's call: a volatile function sees what was committed until it is called.
_ASK = """
SELECT stream,
       CASE WHEN takes THEN pg_try_advisory_lock(high, low) ELSE pg_advisory_unlock(high, low) END,
       stream_version(stream)
FROM json_to_recordset(%s::json) AS wish(stream text, takes boolean, high int, low int)
"""
_FRESH_S = 0.25
"""An answer that took longer may be old: who asked may have been paused before reading it."""
_MOST_ASKED = 5  # a server that is always slower must not keep a tool from beginning
CLOSE_S = 1.0
"""How long closing waits for what was asked of the server."""

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


@lru_cache(maxsize=4096)
def lock_keys(stream: str) -> tuple[int, int]:
    """Return the two signed 32-bit keys of a stream: the first 64 bits of its name's SHA-256."""
    digest = hashlib.sha256(stream.encode()).digest()
    return (
        int.from_bytes(digest[:4], "big", signed=True),
        int.from_bytes(digest[4:8], "big", signed=True),
    )


def _future() -> "asyncio.Future[Any]":
    return asyncio.get_running_loop().create_future()


@dataclass(eq=False, slots=True)
class _Wish:
    """A stream to be locked or let go.

    Attributes:
        stream: full name of the stream.
        takes: whether it is to be locked.
        hold: what is let go; by then it is none of the locked ones.
        answer: the hold on a stream that was locked, else None.
    """

    stream: str
    takes: bool
    hold: Hold | None = None
    answer: "asyncio.Future[Hold | None]" = field(default_factory=_future)

    def lines(self, afresh: bool) -> list[dict[str, Any]]:
        """Return what is asked for; afresh where half a statement may have locked it."""
        high, low = lock_keys(self.stream)
        line = {"stream": self.stream, "takes": self.takes, "high": high, "low": low}
        return [{**line, "takes": False}, line] if afresh and self.takes else [line]

    def tell(self, hold: Hold | None) -> None:
        if not self.answer.done():  # who wished it may have been cancelled
            self.answer.set_result(hold)


@dataclass(eq=False, slots=True)
class _Doubt:
    """A wish to hear that the connection lives."""

    asked: int = 0
    heard: "asyncio.Future[None]" = field(default_factory=_future)


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
        self._connection: WatchedConnection | None = None
        self._claimed: set[str] = set()  # in this process: the same session may lock twice
        self._locked: dict[str, Hold] = {}  # in the database, on the connection that lives
        self._wishes: list[_Wish] = []
        self._doubts: list[_Doubt] = []
        self._asking: asyncio.Task[None] | None = None
        self._is_closed = False

    @asynccontextmanager
    async def own(self, stream: str) -> AsyncIterator[Hold | None]:
        """Try to own a stream while the context lasts; None where somebody else owns it.

        Raises:
            StoreUnavailable: the database was not reached, or the store is closed.
        """
        if stream in self._claimed:
            yield None
            return
        self._claimed.add(stream)
        patience_s: float | None = None
        try:
            yield await self._lock(stream)
        except asyncio.CancelledError:
            patience_s = CANCELLED_S  # the server may be silent
            raise
        finally:
            # In any case the stream is let go; not always is that waited for.
            await self._ask(_Wish(stream, takes=False), patience_s)

    async def close(self) -> None:
        """Close the lock connection, and so let go of every lock; there is no other one later."""
        self._is_closed = True
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await self._asked_all()
        if self._asking:
            self._asking.cancel()  # the server is silent
            await self._asked_all()
        self._lose()

    async def _asked_all(self) -> None:
        while self._asking:  # what was wished meanwhile is refused in a task of its own
            await asyncio.wait({self._asking})

    async def _lock(self, stream: str) -> Hold | None:
        tries = Tries(self._retry_for_s)
        while True:
            try:
                return await self._ask(_Wish(stream, takes=True))
            except psycopg.Error as error:
                # A connection that is refused, or lost, has no code to tell why.
                tell = translated if error.sqlstate else refused_connection
                failure, cause = tell(error, self._where), error
            again = is_transient(cause) and isinstance(failure, StoreUnavailable)
            if not again or not await tries.again():
                raise failure from cause

    async def _confirm(self) -> None:
        """Hear whether the connection lives: all locks end with it."""
        doubt = _Doubt()
        self._doubts.append(doubt)
        self._go_on()
        await doubt.heard

    async def _ask(self, wish: _Wish, patience_s: float | None = None) -> Hold | None:
        """Have a wish granted; where the wait has a bound, who wished it may never hear."""
        self._wishes.append(wish)
        self._go_on()
        if patience_s is None:
            return await wish.answer
        await asyncio.wait({wish.answer}, timeout=patience_s)
        wish.answer.cancel()
        return None

    def _go_on(self) -> None:
        if self._asking is None:
            # In a task of its own: one owner's cancel may not cut short what others wish.
            self._asking = asyncio.create_task(self._ask_all())
            self._asking.add_done_callback(self._asked)

    def _asked(self, _: "asyncio.Task[None]") -> None:
        self._asking = None
        if self._wishes or self._doubts:
            self._go_on()

    async def _ask_all(self) -> None:
        while self._wishes or self._doubts:
            wishes, self._wishes = self._wishes, []
            doubts, self._doubts = self._doubts, []
            asked = loop_time()
            try:
                await self._settle([wish for wish in wishes if self._is_open(wish)])
            except Exception as error:  # noqa: BLE001 - raised where it is waited for
                self._end(wishes, doubts, error)
            except BaseException:  # the store closes, or the loop ends: nobody may wait on
                self._end(wishes, doubts, StoreUnavailable("the store is closed"))
                raise
            else:
                self._hear(doubts, took_s=loop_time() - asked)

    def _end(self, wishes: Sequence[_Wish], doubts: Sequence[_Doubt], error: Exception) -> None:
        """Tell all who wait for an answer why there is none, and let go of every lock."""
        self._lose()
        for wish in wishes:
            if not wish.takes:
                self._let_go(wish)
            if not wish.answer.done():
                wish.answer.set_exception(error)
        for doubt in doubts:
            if not doubt.heard.done():
                doubt.heard.set_exception(error)

    def _is_open(self, wish: _Wish) -> bool:
        """Say whether there is something to ask the server for."""
        if wish.takes:
            return not wish.answer.done()  # who wished it may have been cancelled
        wish.hold = self._locked.pop(wish.stream, None)
        if wish.hold is None:
            self._let_go(wish)
            wish.tell(None)
            return False
        wish.hold.version = None
        return True

    async def _settle(self, wishes: Sequence[_Wish], *, afresh: bool = False) -> None:
        """Ask for what is wished: at once, or one by one where that fails.

        Args:
            wishes: what is open; without any, whether the connection lives.
            afresh: whether half a statement may have granted something.
        """
        try:
            await self._grant(wishes, afresh)
        except (AgentError, psycopg.Error) as error:
            if self._connection and len(wishes) > 1:  # each is to hear its own error
                for wish in wishes:
                    await self._settle([wish], afresh=True)
            else:
                self._refuse(wishes, error)

    async def _grant(self, wishes: Sequence[_Wish], afresh: bool) -> None:
        if not wishes and self._connection is None:
            return
        rows = await self._answer([line for wish in wishes for line in wish.lines(afresh)])
        found = {stream: (granted, version) for stream, granted, version in rows}
        answers: list[tuple[asyncio.Future[Hold | None], Hold | None]] = []
        for wish in wishes:
            granted, version = found[wish.stream]
            version = -1 if version is None else version
            hold = None
            if not wish.takes:
                self._let_go(wish, version)
            elif granted:
                hold = self._locked[wish.stream] = Hold(version, confirm=self._confirm)
            answers.append((wish.answer, hold))
        answer(answers)

    def _refuse(self, wishes: Sequence[_Wish], error: Exception) -> None:
        """End what was asked for in vain, by one statement."""
        if not all(wish.takes for wish in wishes) or not wishes:
            self._lose()  # no lock is left behind: locks end with their session
        for wish in wishes:
            if not wish.takes:
                self._let_go(wish)
                wish.tell(None)
                continue
            if self._connection:
                self._locked[wish.stream] = Hold()  # the server may have got as far: unlock it
            if not wish.answer.done():
                wish.answer.set_exception(error)

    def _let_go(self, wish: _Wish, version: int | None = None) -> None:
        if wish.hold:
            wish.hold.version = version
        self._claimed.discard(wish.stream)

    def _hear(self, doubts: Sequence[_Doubt], took_s: float) -> None:
        for doubt in doubts:
            doubt.asked += 1
            if took_s < _FRESH_S or doubt.asked == _MOST_ASKED or self._connection is None:
                if not doubt.heard.done():
                    doubt.heard.set_result(None)
            else:
                self._doubts.append(doubt)

    async def _answer(self, lines: Sequence[Mapping[str, Any]]) -> list[tuple[Any, ...]]:
        connection = await self._opened()
        return await connection.rows(_ASK, orjson.dumps(lines).decode())

    async def _opened(self) -> WatchedConnection:
        if self._connection is not None and self._connection.is_closed:
            self._lose()
        if self._is_closed:
            raise StoreUnavailable("the store is closed")
        if self._connection is None:
            opened = await self._pool.open_connection()
            bound_s = self._pool.limits.answer_s
            self._connection = WatchedConnection(opened, bound_s, on_end=self._lose)
        return self._connection

    def _lose(self) -> None:
        connection, self._connection = self._connection, None
        lost, self._locked = self._locked, {}
        if connection is not None:
            connection.end()
        for hold in lost.values():
            hold.version = None
            hold.lost.set()
