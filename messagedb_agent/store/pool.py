"""Connections to one database: opened when needed, kept for a while, never lost.

Not psycopg-pool: its first connection is made in the background, so that a wrong password reads
as a timeout, it tells a person's terminal about every failed attempt, and it waits longer and
longer before the next one. Here the caller who needs a connection makes it and gets its error,
and giving one back takes no await, so that a cancelled caller cannot lose it.
"""

import asyncio
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeAlias

import psycopg
from psycopg.pq import ConnStatus, TransactionStatus

from messagedb_agent.errors import StoreUnavailable
from messagedb_agent.store.address import parameters
from messagedb_agent.store.direct import DirectConnection
from messagedb_agent.store.server_errors import UNNAMED, Where
from messagedb_agent.store.silence import CutOffAfter

Connection: TypeAlias = psycopg.AsyncConnection[tuple[Any, ...]]

_CONFIGURE = """
SELECT set_config('search_path', 'message_store,public', false),
       set_config('default_transaction_isolation', 'read committed', false),
       set_config('statement_timeout', %s, false),
       set_config('lock_timeout', %s, false),
       set_config('idle_in_transaction_session_timeout', %s, false),
       set_config('client_encoding', 'UTF8', false)
"""

# A session whose client is gone would otherwise wait on for its lock, and then write; and one whose
# client's machine is gone would hold its locks for two hours, which is how long a server waits by
# default until it asks. Asked for one by one, as servers before version 14, and those on some
# platforms, refuse one or the other. A session that is idle must stay, whatever the database says:
# the one that holds the locks is idle for as long as a tool takes.
_OF_THE_SESSION = (
    "SELECT set_config('idle_session_timeout', '0', false)",
    "SELECT set_config('client_connection_check_interval', '2s', false)",
    "SELECT set_config('tcp_keepalives_idle', '30', false),"
    " set_config('tcp_keepalives_interval', '10', false),"
    " set_config('tcp_keepalives_count', '3', false)",
    "SELECT set_config('tcp_user_timeout', '60s', false)",
)

# The same for a client: how soon a connection to a machine that is gone is noticed, a minute.
_KEEPALIVE = {
    "keepalives": 1,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}


def loop_time() -> float:
    """Return seconds by the clock of the running loop, whose timers keep the same time."""
    return asyncio.get_running_loop().time()


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """Bounds on connections and on what they wait for.

    Attributes:
        min_size: how many connections are opened when the pool is, and kept though unused; one
            that breaks or grows old is made anew by whoever needs it next.
        max_size: how many connections may be open at once.
        max_lifetime_s: a connection older than this is not used again; a session that planned
            its statements on an empty table keeps its poor plans for as long as it lives.
        max_inactive_s: a connection beyond `min_size` that is unused for longer is closed.
        connect_timeout_s: for making one connection.
        wait_timeout_s: for a free connection where all are in use.
        statement_timeout_ms: for one statement, on the server.
        lock_timeout_ms: for one lock; Message DB's writers queue for their category's.
        idle_in_transaction_timeout_ms: after which the server ends a session that left a
            transaction open; we leave none, but a frozen process may.
        late_answer_ms: how much longer than for the statement itself an answer is waited for,
            until the connection is taken to be broken.
    """

    min_size: int = 0
    max_size: int = 10
    max_lifetime_s: float = 1800.0
    max_inactive_s: float = 300.0
    connect_timeout_s: int = 10
    wait_timeout_s: float = 30.0
    statement_timeout_ms: int = 60_000
    lock_timeout_ms: int = 10_000
    idle_in_transaction_timeout_ms: int = 60_000
    late_answer_ms: int = 10_000

    @property
    def answer_s(self) -> float:
        """How long an answer of the server may take, in seconds."""
        return (self.statement_timeout_ms + self.late_answer_ms) / 1000


@dataclass(frozen=True, slots=True)
class Address:
    """Where a database is, parsed once: `parameters` are libpq's, and may hold a password."""

    parameters: dict[str, Any]
    where: Where

    @classmethod
    def parse(cls, url: str, *, application_name: str) -> "Address":
        """Read a `postgresql://` URL or a libpq connection string.

        Raises:
            ConfigurationError: it cannot be read, or may be misread.
        """
        given = parameters(url)
        host, port = given.get("host") or "the default host", given.get("port") or "5432"
        where = Where(
            database=given.get("dbname") or UNNAMED,
            role=given.get("user") or UNNAMED,
            server=f"{host}:{port}",
        )
        return cls({**_KEEPALIVE, "application_name": application_name, **given}, where)


@dataclass(slots=True)
class _Kept:
    connection: Connection
    opened_at: float
    idle_since: float


class Pool:
    """Connections of one event loop to one database, READ COMMITTED and in autocommit."""

    def __init__(
        self, address: Address, limits: PoolLimits, *, prepare_threshold: int | None
    ) -> None:
        self._address = address
        self._limits = limits
        self._prepare_threshold = prepare_threshold
        self._idle: deque[_Kept] = deque()  # most recently used last
        self._slots = asyncio.Semaphore(limits.max_size)
        self._in_use = 0
        self._closed = False
        self._sweeper: asyncio.TimerHandle | None = None

    @property
    def limits(self) -> PoolLimits:
        """The bounds that it was made with."""
        return self._limits

    @property
    def in_use(self) -> int:
        """How many connections are lent out at this moment."""
        return self._in_use

    async def warm(self) -> None:
        """Open the connections that are kept though nobody needs them.

        Raises:
            psycopg.Error: one could not be made.
            StoreUnavailable: the pool is closed.
        """
        while self._open < self._limits.min_size:
            self._keep(await self._open_kept())

    def connection(self) -> "_Lent":
        """Lend a connection; it is closed rather than kept where it is not idle afterwards.

        Raises:
            psycopg.Error: none could be made.
            StoreUnavailable: all stayed in use for too long, or the pool is closed.
        """
        return _Lent(self)

    async def _lend(self) -> _Kept:
        await self._take_slot()
        try:
            kept = self._take_idle() or await self._open_kept()
        except BaseException:
            self._slots.release()
            raise
        self._in_use += 1
        return kept

    def _take_back(self, kept: _Kept) -> None:
        self._in_use -= 1
        try:
            self._give_back(kept)
        finally:
            self._slots.release()

    async def open_connection(self) -> Connection:
        """Make a connection that the caller keeps and closes.

        Raises:
            psycopg.Error: it was refused.
            StoreUnavailable: the pool is closed.
        """
        self._check_open()
        connection = await DirectConnection.connect(
            **{"connect_timeout": self._limits.connect_timeout_s, **self._address.parameters},
            autocommit=True,
            prepare_threshold=self._prepare_threshold,
        )
        try:
            with CutOffAfter(connection, self._limits.answer_s):
                await self.configure(connection)
                for setting in _OF_THE_SESSION:
                    with suppress(psycopg.DatabaseError):
                        await connection.execute(setting)
        except BaseException:
            await connection.close()
            raise
        return connection

    async def configure(self, connection: Connection) -> None:
        """Set what our statements rely on, whatever the server or its user has set.

        Here and not by startup options, which poolers refuse or drop silently.
        """
        await connection.execute(
            _CONFIGURE,
            (
                str(self._limits.statement_timeout_ms),
                str(self._limits.lock_timeout_ms),
                str(self._limits.idle_in_transaction_timeout_ms),
            ),
        )

    async def drop_idle(self) -> None:
        """Close the connections that nobody uses: after one broke, the others are suspect."""
        while self._idle:
            await self._idle.pop().connection.close()

    async def close(self) -> None:
        """Close what is idle now, and what is lent out when it comes back."""
        self._closed = True
        if self._sweeper:
            self._sweeper.cancel()
        await self.drop_idle()

    def _check_open(self) -> None:
        if self._closed:
            raise StoreUnavailable("the store is closed")

    async def _take_slot(self) -> None:
        self._check_open()
        if not self._slots.locked():
            await self._slots.acquire()  # at once
            return
        try:
            async with asyncio.timeout(self._limits.wait_timeout_s):
                await self._slots.acquire()
        except TimeoutError as error:
            raise StoreUnavailable(
                f"all {self._limits.max_size} connections stayed in use for "
                f"{self._limits.wait_timeout_s:g} s"
            ) from error

    def _take_idle(self) -> _Kept | None:
        while self._idle:
            kept = self._idle.pop()
            if not self._is_old(kept, loop_time()) and _is_alive(kept.connection):
                return kept
            _drop(kept.connection)
        return None

    async def _open_kept(self) -> _Kept:
        connection = await self.open_connection()
        now = loop_time()
        return _Kept(connection, opened_at=now, idle_since=now)

    def _give_back(self, kept: _Kept) -> None:
        status, now = kept.connection.pgconn.transaction_status, loop_time()
        if self._closed or status != TransactionStatus.IDLE or self._is_old(kept, now):
            _drop(kept.connection)
            return
        kept.idle_since = now
        self._keep(kept)

    @property
    def _open(self) -> int:
        return len(self._idle) + self._in_use

    @property
    def _is_spare(self) -> bool:
        """Whether an idle connection is more than are kept in any case."""
        return bool(self._idle) and self._open > self._limits.min_size

    def _keep(self, kept: _Kept) -> None:
        self._idle.append(kept)
        if self._sweeper is None:
            self._sweep_later()

    def _is_old(self, kept: _Kept, now: float) -> bool:
        return now - kept.opened_at > self._limits.max_lifetime_s

    def _sweep_later(self) -> None:
        loop = asyncio.get_running_loop()
        self._sweeper = loop.call_later(self._limits.max_inactive_s, self._sweep)

    def _sweep(self) -> None:
        self._sweeper = None
        oldest = loop_time() - self._limits.max_inactive_s
        while self._is_spare and self._idle[0].idle_since <= oldest:
            _drop(self._idle.popleft().connection)
        if self._is_spare:
            self._sweep_later()


class _Lent:
    """A connection that is lent while the context lasts: every statement has one.

    A class, as a generator with the like of `asynccontextmanager` costs several times as much.
    """

    __slots__ = ("_cut_off", "_kept", "_pool")

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def __aenter__(self) -> Connection:
        kept = self._kept = await self._pool._lend()
        self._cut_off = CutOffAfter(kept.connection, self._pool.limits.answer_s)
        self._cut_off.__enter__()
        return kept.connection

    async def __aexit__(self, *_: object) -> None:
        self._cut_off.__exit__()
        self._pool._take_back(self._kept)


def _is_alive(connection: Connection) -> bool:
    """Say whether the server has closed a connection that was idle; costs no round trip."""
    pgconn = connection.pgconn
    try:
        pgconn.consume_input()  # takes the server's last words, if it said any
        pgconn.consume_input()  # and finds the end of the stream behind them
    except psycopg.OperationalError:
        return False
    return pgconn.status == ConnStatus.OK


def _drop(connection: Connection) -> None:
    """Close a connection at once, without an await that a cancellation could cut."""
    connection.pgconn.finish()
