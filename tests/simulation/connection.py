"""A connection to the simulated server, as `MessageDbStore` and its pool use one of psycopg's."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import psycopg
from psycopg import sql
from psycopg.pq import ConnStatus, PipelineStatus, TransactionStatus

from messagedb_agent.store.encoding import MAX_MESSAGE_BYTES
from messagedb_agent.store.message_db import MessageDbStore
from messagedb_agent.store.pool import Address, Connection, Pool, PoolLimits
from messagedb_agent.store.server_errors import Where
from tests.simulation.asked import Asked
from tests.simulation.loop import Killed, Process
from tests.simulation.server import Server
from tests.simulation.statements import Answer, Session
from tests.simulation.transactions import COMMIT

_CALL_OFF_S = 5.0  # how long psycopg waits for what it has called off
_WHERE = Where("simulated", "message_store", "nowhere")


class _Cursor:
    def __init__(self, connection: "SimulatedConnection") -> None:
        self._connection = connection
        self._rows: Answer = []

    async def execute(self, query: str | sql.Composed, parameters: Any = (), **_: Any) -> "_Cursor":
        self._rows = await self._connection.ask(query, parameters)
        return self

    async def fetchall(self) -> Answer:
        return self._rows

    async def fetchone(self) -> Any:
        return self._rows[0] if self._rows else None


@dataclass(frozen=True, slots=True)
class _Notification:
    """A notification, as libpq has it."""

    channel: str
    be_pid: int

    @property
    def relname(self) -> bytes:
        return self.channel.encode()


class SimulatedConnection:
    """One session, as its client sees it; `pgconn` and `info` are the same object.

    Attributes:
        closed: whether the client knows that it is closed.
        transaction_status: idle, unless a statement is under way or the connection is closed.
    """

    def __init__(self, server: Server, session: Session) -> None:
        self._server = server
        self._session = session
        self._asked: Asked | None = None
        self.closed = False
        self.transaction_status = TransactionStatus.IDLE
        self.status = ConnStatus.OK
        self.pipeline_status = PipelineStatus.OFF
        self.prepare_threshold: int | None = None

    @property
    def pgconn(self) -> "SimulatedConnection":
        return self

    @property
    def info(self) -> "SimulatedConnection":
        return self

    @property
    def backend_pid(self) -> int:
        return self._session.number

    def fileno(self) -> int:
        return self._session.number

    def add_notify_handler(self, handler: Callable[[Any], None]) -> None:
        """Be told of notifications; here they are always fetched by `notifies`."""

    def notifies(self) -> "_Notification | None":
        """Return the next notification; None where there is no other."""
        return _Notification(*self._session.news.pop(0)) if self._session.news else None

    def cursor(self, **_: Any) -> _Cursor:
        return _Cursor(self)

    async def execute(self, query: str | sql.Composed, parameters: Any = (), **_: Any) -> _Cursor:
        return await _Cursor(self).execute(query, parameters)

    async def commit(self) -> None:
        await self.ask(COMMIT, ())

    async def close(self) -> None:
        self.finish()

    def finish(self) -> None:
        """Close the connection; the server hears of it."""
        if not self.closed:
            self._server.close(self._session)
        if self._asked:
            self._asked.cut()
        self._break()

    def consume_input(self) -> None:
        """Hear what the server has said unasked.

        Raises:
            psycopg.OperationalError: that it has ended the session.
        """
        if not self._session.is_open:
            self._break()
            raise psycopg.OperationalError("server closed the connection unexpectedly")

    async def ask(self, query: str | sql.Composed, parameters: Any) -> Answer:
        """Send a statement and wait for the answer; who is cancelled calls it off first."""
        if not isinstance(query, str):  # LISTEN "channel"
            query, parameters = query.as_string().split()
        if not self._session.process.alive:
            raise Killed
        if self.closed:
            raise psycopg.OperationalError("the connection is closed")
        self.transaction_status = TransactionStatus.ACTIVE
        asked = self._asked = self._server.send(self._session, query, parameters)
        try:
            return await asked.answer
        except asyncio.CancelledError:
            await asyncio.wait({self._server.call_off(asked)}, timeout=_CALL_OFF_S)
            raise
        except psycopg.OperationalError as error:
            if error.sqlstate is None or error.sqlstate.startswith("57P"):
                self._break()
            raise
        finally:
            self._asked = None
            if not self.closed:
                self.transaction_status = self._status()

    def _status(self) -> TransactionStatus:
        if (transaction := self._session.transaction) is None:
            return TransactionStatus.IDLE
        return TransactionStatus.INERROR if transaction.is_broken else TransactionStatus.INTRANS

    def _break(self) -> None:
        self.closed = True
        self.transaction_status = TransactionStatus.UNKNOWN
        self.status = ConnStatus.BAD


class SimulatedPool(Pool):
    """The pool of one process.

    Args:
        server: what it connects to.
        process: whose connections they are.
    """

    def __init__(self, server: Server, process: Process) -> None:
        super().__init__(Address({}, _WHERE), PoolLimits(), prepare_threshold=None)
        self._server = server
        self._process = process

    async def open_connection(self) -> Connection:
        self._check_open()
        await asyncio.sleep(0.002)
        if not self._process.alive:
            raise Killed
        connection = SimulatedConnection(self._server, self._server.open_session(self._process))
        return cast(Connection, connection)  # it does what the store asks of one


def store_of(server: Server, process: Process) -> MessageDbStore:
    """Return the store that a process works on."""
    pool = SimulatedPool(server, process)
    return MessageDbStore(pool, _WHERE, max_message_bytes=MAX_MESSAGE_BYTES, retry_for_s=10.0)
