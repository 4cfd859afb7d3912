"""Transactions that others write in, and that end with an append: both stand, or neither."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

import psycopg
from psycopg.pq import PipelineStatus, TransactionStatus
from psycopg.rows import args_row

from messagedb_agent.errors import AgentError, StoreUnavailable, TransactionRefused
from messagedb_agent.store.append import Append
from messagedb_agent.store.encoding import check_message
from messagedb_agent.store.message import Message, NewMessage
from messagedb_agent.store.pool import Connection, Pool
from messagedb_agent.store.rows import SELECT
from messagedb_agent.store.server_errors import Where, is_transient, refused_connection, translated
from messagedb_agent.store.silence import CutOffAfter
from messagedb_agent.store.stream_name import category_of
from messagedb_agent.store.tries import Tries

MAX_TRANSACTIONS = 8
"""How many transactions of one store may be open at once; others wait for their turn."""

# What the tool has put off until the commit fails here, before anybody waits for us and while its
# settings hold; behind it they are ours again.
_END_OF_THEIRS = "SET CONSTRAINTS ALL IMMEDIATE; RESET ROLE"
# Behind the lock everybody who writes to the category waits for us: where this process is stopped
# right then, the server is to end the transaction soon.
_LOCK = """
SELECT current_setting('messagedb_agent.transaction', true),
       acquire_lock(%s), set_config('idle_in_transaction_session_timeout', '5s', true)
"""
# It ends with the transaction: who has ended that, and begun another one, is found out so. A query
# would say as much, but behind one no isolation level can be set.
_MARK = "SET LOCAL messagedb_agent.transaction = 'ours'"
_ENDED = "it has ended its transaction itself, or reset all settings; what it had committed stands"
_NEWS = SELECT + "FROM get_stream_messages(%s, %s::bigint, -1)"
_HAS = "SELECT EXISTS (SELECT FROM messages WHERE id = %s::uuid)"


class Transactions:
    """Begins transactions in one database.

    Args:
        pool: opens connections.
        where: which database that is.
        written: called with a category once something was committed there.
        max_message_bytes: the most that data and metadata of one message may hold.
        retry_for_s: how long a server that is away is asked again for a connection.
    """

    def __init__(
        self,
        pool: Pool,
        where: Where,
        written: Callable[[str], None],
        *,
        max_message_bytes: int,
        retry_for_s: float,
    ) -> None:
        self._pool = pool
        self._where = where
        self._written = written
        self._max_message_bytes = max_message_bytes
        self._retry_for_s = retry_for_s
        self._slots = asyncio.Semaphore(MAX_TRANSACTIONS)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator["OpenTransaction"]:
        """Begin a transaction; see `Transactional.transaction`.

        Its connection is used for nothing else, before or after: whoever wrote there may have
        changed its settings, and may have kept hold of it.
        """
        async with self._slots:
            connection = await self._opened()
            try:
                begun = psycopg.AsyncTransaction(connection)  # inside it, none but us may commit
                transaction = OpenTransaction(
                    connection,
                    begun,
                    self._pool.configure,
                    self._where,
                    self._written,
                    max_message_bytes=self._max_message_bytes,
                    answer_s=self._pool.limits.answer_s,
                )
                await transaction.begin()
                yield transaction
            finally:
                connection.pgconn.finish()  # takes no await; what is not committed is rolled back

    async def _opened(self) -> Connection:
        tries = Tries(self._retry_for_s)
        while True:
            try:
                return await self._pool.open_connection()
            except psycopg.Error as error:
                failure, cause = refused_connection(error, self._where), error
            if not isinstance(failure, StoreUnavailable) or not await tries.again():
                raise failure from cause


class OpenTransaction:
    """A `Transaction` on a Message DB.

    Attributes:
        connection: where it is open.
    """

    def __init__(
        self,
        connection: Connection,
        begun: psycopg.AsyncTransaction,
        configure: Callable[[Connection], Awaitable[None]],
        where: Where,
        written: Callable[[str], None],
        *,
        max_message_bytes: int,
        answer_s: float,
    ) -> None:
        self.connection = connection
        self._begun = begun
        self._configure = configure
        self._ours = connection
        self._where = where
        self._written = written
        self._max_message_bytes = max_message_bytes
        self._answer_s = answer_s

    @property
    def is_lost(self) -> bool:
        """Whether the connection is gone, and the transaction with it."""
        return self.connection.closed

    @property
    def is_open(self) -> bool:
        """Whether it can go on: no statement has failed, and nobody has ended it."""
        return self.connection.info.transaction_status == TransactionStatus.INTRANS

    async def begin(self) -> None:
        """Begin it.

        Raises:
            StoreUnavailable: the database went away.
        """
        with self._translating():
            await self._begun.__aenter__()
            await self.connection.execute(_MARK)

    async def locked(self, stream: str, position: int) -> Sequence[Message]:
        """Wait until nobody else writes to the category, and read on; see `Transaction.locked`."""
        self._check_at_rest()
        # Rows as dictionaries, other types for values: what the tool has set, it has for itself.
        self._ours = psycopg.AsyncConnection(self.connection.pgconn)
        self._ours.prepare_threshold = None
        with self._refusing():
            await self._ours.execute(_END_OF_THEIRS)
            await self._configure(self._ours)
        with self._translating():
            mark = await (await self._ours.execute(_LOCK, (stream,))).fetchone()
            if mark is None or mark[0] != "ours":
                raise TransactionRefused(_ENDED)
            cursor = self._ours.cursor(row_factory=args_row(Message))
            return await (await cursor.execute(_NEWS, (stream, position))).fetchall()

    async def has(self, id: str) -> bool:
        """Say whether a message with this id stands anywhere."""
        with self._translating():
            row = await (await self._ours.execute(_HAS, (id,))).fetchone()
        return row is not None and bool(row[0])

    async def commit(self, stream: str, *messages: NewMessage, expected_version: int) -> None:
        """Append messages and commit; see `Transaction.commit`."""
        for message in messages:
            check_message(message, max_bytes=self._max_message_bytes)
        with self._refusing():
            await Append(stream, messages, expected_version).write_once(self._ours)
            await self._ours.commit()
        # At once: what the tool has left running would write behind the commit, by itself.
        self.connection.pgconn.finish()
        self._written(category_of(stream))

    @contextmanager
    def _translating(self) -> Iterator[None]:
        try:
            with CutOffAfter(self.connection, self._answer_s):
                yield
        except psycopg.Error as error:
            raise translated(error, self._where) from error

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        try:
            with CutOffAfter(self.connection, self._answer_s):
                yield
        except psycopg.Error as error:
            raise self._failure(error) from error

    def _check_at_rest(self) -> None:
        status = self.connection.info.transaction_status
        if status == TransactionStatus.INERROR:
            raise TransactionRefused("all is rolled back: a statement had failed before")
        if status == TransactionStatus.IDLE:
            raise TransactionRefused(_ENDED)
        in_pipeline = self.connection.pgconn.pipeline_status != PipelineStatus.OFF
        if status == TransactionStatus.ACTIVE or in_pipeline:
            raise TransactionRefused("all is rolled back: a statement of its own is under way")

    def _failure(self, error: psycopg.Error) -> AgentError:
        if is_transient(error):
            return translated(error, self._where)
        why = error.diag.message_primary or str(error) or type(error).__name__
        return TransactionRefused(f"all is rolled back: {why}")
