"""News of what other processes wrote: LISTEN and NOTIFY, on one connection kept for this alone.

A NOTIFY is sent behind the commit it tells of, and by nobody who waits for it: inside the writing
transaction it would take a lock of the whole server until the commit is on disk, and a full queue
of notifications would fail the write. What is lost on the way is found by polling.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from functools import lru_cache

import orjson
import psycopg
from psycopg import sql

from messagedb_agent.errors import StoreUnavailable
from messagedb_agent.store.audience import Audience, Bell
from messagedb_agent.store.direct import rows
from messagedb_agent.store.ownership import lock_keys
from messagedb_agent.store.pool import Connection, Pool
from messagedb_agent.store.silence import CutOffAfter

HEARD_PAUSE_S = 0.005
"""After a notification of a category: what is written meanwhile is told of by the next one."""
UNHEARD_PAUSE_S = 0.25
"""After hearing that no other process listens: so long nobody is asked whether one does by now."""
CLOSE_S = 1.0
"""How long closing waits for what is not told yet."""
_PAUSES_S = (0.05, 0.2, 1.0, 5.0)  # before each attempt to connect again; the last one repeats

# Who listens holds a shared lock; an exclusive one is given where nobody but us does.
_LISTENING = "SELECT pg_advisory_lock_shared(%s, %s)"
_GONE = "SELECT pg_advisory_unlock_shared(%s, %s)"
_NOTIFY = """
SELECT category, pg_notify(channel, '')
FROM json_to_recordset(%s::json) AS t(category text, channel text, one int, two int)
WHERE NOT pg_try_advisory_xact_lock(one, two)
"""


@lru_cache(maxsize=64)
def channel_of(category: str) -> str:
    """Return the channel of a category's news; a channel's name has 63 bytes at the most."""
    return f"messagedb_agent_{hashlib.sha256(category.encode()).hexdigest()[:32]}"


def _lines(categories: Iterable[str]) -> str:
    lines = [
        {"category": category, "channel": channel_of(category), "one": one, "two": two}
        for category in categories
        for one, two in [lock_keys(category)]
    ]
    return orjson.dumps(lines).decode()


class Notifications:
    """Tells other processes what categories were written to, and hears of it from them.

    Nothing here is an error for anybody: without a connection nothing is told or heard, and
    another attempt is made.

    Args:
        pool: opens the connection, which is none of those that it lends.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._audience = Audience()
        self._listening: dict[str, str] = {}  # category by channel, on the connection that lives
        self._fresh: set[str] = set()  # written to, and not told
        self._resting: dict[str, bool] = {}  # just told; whether it was written to since
        self._stirred = asyncio.Event()  # there is something to do, or the server spoke
        self._attending: asyncio.Task[None] | None = None
        self._failures = 0
        self._closing = asyncio.Event()

    @asynccontextmanager
    async def listen(self, category: str) -> AsyncIterator[Bell]:
        """Hear of news in a category while the context lasts; see `Listener.listen`."""
        with self._audience.bell(category) as bell:
            if channel_of(category) in self._listening:
                bell.ring()
            self._stir()
            try:
                yield bell
            finally:
                self._stirred.set()

    def written(self, category: str) -> None:
        """Tell of news in a category, soon."""
        self._audience.tell(category)
        if category in self._resting:
            self._resting[category] = True
        else:
            self._fresh.add(category)
            self._stir()

    async def close(self) -> None:
        """Tell what is not told yet, if that takes no longer than `CLOSE_S`, and end all waits."""
        self._fresh.update(category for category, news in self._resting.items() if news)
        self._closing.set()
        if self._attending and not self._attending.done():
            self._stirred.set()
            try:
                await asyncio.wait({self._attending}, timeout=CLOSE_S)
            finally:
                self._attending.cancel()
            await asyncio.wait({self._attending})
        self._audience.tell_all()

    def _stir(self) -> None:
        self._stirred.set()
        if not self._closing.is_set() and (self._attending is None or self._attending.done()):
            self._attending = asyncio.create_task(self._attend())

    async def _attend(self) -> None:
        """Tell and hear, on one connection after another, until closed."""
        while self._fresh or not self._closing.is_set():
            try:
                connection = await self._pool.open_connection()
                try:
                    await self._serve(connection)
                    return
                finally:
                    self._listening = {}
                    connection.pgconn.finish()
            except StoreUnavailable:  # the pool is closed
                return
            except psycopg.Error:
                self._failures += 1
            if await self._closes_within(_PAUSES_S[min(self._failures, len(_PAUSES_S)) - 1]):
                return

    async def _closes_within(self, seconds: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closing.wait()
        return self._closing.is_set()

    async def _serve(self, connection: Connection) -> None:
        own = connection.info.backend_pid
        connection.add_notify_handler(
            lambda news: self._heard(news.channel, is_own=news.pid == own)
        )
        while True:
            self._stirred.clear()
            with CutOffAfter(connection, self._pool.limits.answer_s):
                await self._subscribe(connection)
                await self._tell(connection)
            self._failures = 0
            if self._fresh:
                continue
            if self._closing.is_set():
                return
            await self._wait(connection)

    async def _subscribe(self, connection: Connection) -> None:
        """Listen to what somebody waits for, and to nothing else.

        Who begins to be heard here is told, as there may have been news before.
        """
        wanted = set(self._audience.categories)
        for channel, category in list(self._listening.items()):
            if category not in wanted:
                await connection.execute(sql.SQL("UNLISTEN {}").format(sql.Identifier(channel)))
                await connection.execute(_GONE, lock_keys(category))
                del self._listening[channel]
        for category in wanted.difference(self._listening.values()):
            channel = channel_of(category)
            await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
            await connection.execute(_LISTENING, lock_keys(category))
            self._listening[channel] = category
            self._audience.tell(category)

    async def _tell(self, connection: Connection) -> None:
        """Notify the others of all that was written to, in one statement."""
        categories, self._fresh = sorted(self._fresh), set()
        if not categories:
            return
        self._resting.update(dict.fromkeys(categories, False))
        try:
            heard = {
                category for category, _ in await rows(connection, _NOTIFY, _lines(categories))
            }
        except psycopg.Error:
            self._rested(categories, again=True)
            raise
        loop = asyncio.get_running_loop()
        loop.call_later(HEARD_PAUSE_S, self._rested, heard)
        loop.call_later(UNHEARD_PAUSE_S, self._rested, set(categories) - heard)

    def _rested(self, categories: Iterable[str], *, again: bool = False) -> None:
        """Let news of categories be told again; `again` tells of them in any case."""
        for category in categories:
            if self._resting.pop(category, False) or again:
                self._fresh.add(category)
        if self._fresh:
            self._stir()

    async def _wait(self, connection: Connection) -> None:
        """Wait until the server says something or there is something to do."""
        loop, fileno = asyncio.get_running_loop(), connection.fileno()
        loop.add_reader(fileno, self._stirred.set)
        try:
            await self._stirred.wait()
        finally:
            loop.remove_reader(fileno)
        connection.pgconn.consume_input()
        while news := connection.pgconn.notifies():
            self._heard(news.relname.decode(), is_own=news.be_pid == connection.info.backend_pid)

    def _heard(self, channel: str, *, is_own: bool) -> None:
        category = self._listening.get(channel)
        if category is not None and not is_own:
            self._audience.tell(category)
