"""A store on Message DB: psycopg 3, Message DB's own functions, and nothing held open."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Self

from messagedb_agent.closing import Closing
from messagedb_agent.errors import RefusedPayload
from messagedb_agent.store import directory, search_index
from messagedb_agent.store.append import Append
from messagedb_agent.store.encoding import MAX_MESSAGE_BYTES, check_message, uuid_text
from messagedb_agent.store.grouping import Group
from messagedb_agent.store.hold import Hold
from messagedb_agent.store.member import Member
from messagedb_agent.store.message import Appended, Message, NewMessage
from messagedb_agent.store.notifications import Notifications
from messagedb_agent.store.ownership import OWNED, Ownership, lock_keys
from messagedb_agent.store.pool import Address, Connection, Pool, PoolLimits
from messagedb_agent.store.rows import SELECT, SELECT_OF_TABLE, TIME
from messagedb_agent.store.searchable import Match
from messagedb_agent.store.server_errors import (
    Where,
)
from messagedb_agent.store.statements import Statements
from messagedb_agent.store.store import BATCH_SIZE, Beginning, News, Question, StreamHead, TypeRows
from messagedb_agent.store.stream_name import (
    category_of,
    check_category,
    check_prefix,
    check_stream,
)
from messagedb_agent.store.transaction import OpenTransaction, Transactions
from messagedb_agent.store.words import Query

DEFAULT_LIMITS = PoolLimits()

_STREAM = SELECT + "FROM get_stream_messages(%s, %s::bigint, %s::bigint)"
_CATEGORY = (
    SELECT + "FROM get_category_messages(%s, %s::bigint, %s::bigint, %s, %s::bigint, %s::bigint)"
)
# What is too long is not sent; the server makes its text all the same.
_CUT = f"""SELECT id, stream_name, type, position, global_position,
       CASE WHEN length(data) <= %s THEN data END,
       CASE WHEN length(metadata) <= %s THEN metadata END,
       {TIME} """
_CUT_CATEGORY = _CATEGORY.replace(SELECT, _CUT)
_LAST = SELECT + "FROM get_last_stream_message(%s, %s)"
_BY_ID = SELECT_OF_TABLE + "FROM messages WHERE id = %s::uuid"
_VERSION = "SELECT stream_version(%s)"


class MessageDbStore(Closing):
    """A `Store` on a Message DB, for one event loop. Make it with `connect`."""

    def __init__(
        self, pool: Pool, where: Where, *, max_message_bytes: int, retry_for_s: float
    ) -> None:
        self._pool = pool
        self._max_message_bytes = max_message_bytes
        self._statements = Statements(pool, where, retry_for_s=retry_for_s)
        self._ownership = Ownership(pool, where, retry_for_s=retry_for_s)
        self._notifications = Notifications(pool)
        self._groups: dict[str, Group] = {}  # of categories that are written to at this moment
        self._transactions = Transactions(
            pool,
            where,
            self._notifications.written,
            max_message_bytes=max_message_bytes,
            retry_for_s=retry_for_s,
        )

    @classmethod
    async def connect(
        cls,
        url: str,
        *,
        limits: PoolLimits = DEFAULT_LIMITS,
        application_name: str = "messagedb-agent",
        prepare_threshold: int | None = 5,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
        retry_for_s: float = 10.0,
    ) -> Self:
        """Connect to a Message DB, and check that it is one.

        Args:
            url: `postgresql://` URL or libpq connection string; what it leaves out comes from
                libpq's environment variables.
            limits: bounds on connections and waiting.
            application_name: how the server names our sessions, unless the URL says another.
            prepare_threshold: statements run this often are prepared; None never prepares.
            max_message_bytes: the most that data and metadata of one message may hold.
            retry_for_s: how long a statement is tried again on fresh connections after its own
                was lost.

        Raises:
            ConfigurationError: the URL, the role, the password or the database is wrong, or a
                pooler stands before it that keeps no sessions.
            StoreUnavailable: the server was not reached.
            NotMessageDb: Message DB is not, or not wholly, in the database.
            UnsupportedMessageDb: another version of it.
        """
        address = Address.parse(url, application_name=application_name)
        pool = Pool(address, limits, prepare_threshold=prepare_threshold)
        store = cls(
            pool, address.where, max_message_bytes=max_message_bytes, retry_for_s=retry_for_s
        )
        try:
            await store._statements.first_contact()
        except BaseException:
            await pool.close()
            raise
        return store

    @property
    def connections_in_use(self) -> int:
        """How many connections are working at this moment."""
        return self._pool.in_use

    async def close(self) -> None:
        """Let go of every lock and connection; the store is of no use afterwards."""
        closing = asyncio.gather(self._ownership.close(), self._notifications.close())
        try:
            await asyncio.shield(closing)
        except asyncio.CancelledError:
            # Who is cancelled leaves nothing open, either: both are bounded.
            await asyncio.wait((closing,))
            raise
        finally:
            await self._pool.close()

    async def append(
        self, stream: str, *messages: NewMessage, expected_version: int | None = None
    ) -> Appended:
        """Append messages to one stream; see `Writer.append`."""
        check_stream(stream)
        if not messages:
            raise RefusedPayload("an append of no messages", field="messages")
        for message in messages:
            check_message(message, max_bytes=self._max_message_bytes)
        new = Append(stream, messages, expected_version)
        category = category_of(stream)
        group = self._groups.get(category)
        if group is None:
            group = self._groups[category] = Group(partial(self._writing, category))
        try:
            return await group.write(new)
        finally:
            if group.is_idle and self._groups.get(category) is group:
                del self._groups[category]

    async def read(
        self, stream: str, *, position: int = 0, until: int | None = None
    ) -> AsyncIterator[Message]:
        """Read one stream in order; see `Reader.read`."""
        check_stream(stream)
        size = BATCH_SIZE
        while until is None or position <= until:
            if until is not None:
                size = min(BATCH_SIZE, until - position + 1)
            page = await self._statements.messages(_STREAM, (stream, position, size))
            for message in page:
                if until is not None and message.position > until:
                    return  # positions have gaps only where rows were forged
                yield message
            if len(page) < size:
                return
            position = page[-1].position + 1

    async def read_category(
        self,
        category: str,
        *,
        global_position: int = 1,
        correlation: str | None = None,
        member: Member | None = None,
        longest: int | None = None,
    ) -> AsyncIterator[Message]:
        """Read all streams of one category in global order; see `Reader.read_category`."""
        check_category(category)
        if correlation is not None:
            check_category(correlation, "correlation")
        group = (member.number, member.size) if member else (None, None)
        query, most = (_CATEGORY, ()) if longest is None else (_CUT_CATEGORY, (longest, longest))
        while True:
            place = (category, global_position, BATCH_SIZE, correlation, *group)
            page = await self._statements.messages(query, (*most, *place))
            for message in page:
                yield message
            if len(page) < BATCH_SIZE:
                return
            global_position = page[-1].global_position + 1

    async def last(self, stream: str, *, type: str | None = None) -> Message | None:
        """Return the last message of a stream; see `Reader.last`."""
        check_stream(stream)
        found = await self._statements.messages(_LAST, (stream, type))
        return found[0] if found else None

    async def by_id(self, id: str) -> Message | None:
        """Return the message with this id wherever it stands, or None."""
        uuid = uuid_text(id)
        found = await self._statements.messages(_BY_ID, (uuid,)) if uuid else []
        return found[0] if found else None

    async def stream_version(self, stream: str) -> int:
        """Return the position of the last message of a stream; -1 where there is none."""
        check_stream(stream)
        [(version,)] = await self._statements.rows(_VERSION, (stream,))
        return -1 if version is None else int(version)

    def own(self, stream: str) -> AbstractAsyncContextManager[Hold | None]:
        """Try to own a stream while the context lasts; see `Owner.own`."""
        check_stream(stream)
        return self._ownership.own(stream)

    async def owned(self, streams: Collection[str]) -> frozenset[str]:
        """Return those of some streams that somebody owns at this moment; see `Owner.owned`."""
        by_keys = {lock_keys(stream): stream for stream in streams}
        keys = {"first": [one for one, _ in by_keys], "second": [two for _, two in by_keys]}
        found = await self._statements.rows(OWNED, keys)
        return frozenset(by_keys[one, two] for one, two in found)

    def listen(self, category: str) -> AbstractAsyncContextManager[News]:
        """Hear of news in a category while the context lasts; see `Listener.listen`."""
        check_category(category)
        return self._notifications.listen(category)

    def transaction(self) -> AbstractAsyncContextManager[OpenTransaction]:
        """Begin a transaction on a connection of its own; see `Transactional.transaction`."""
        return self._transactions.begin()

    async def newest_streams(
        self, category: str, *, limit: int, before: int | None = None, as_of: int | None = None
    ) -> Sequence[StreamHead]:
        """Return the streams of a category by their last message, newest first."""
        check_category(category)
        return await directory.newest_streams(self._statements.rows, category, limit, before, as_of)

    async def streams_with_prefix(self, prefix: str, *, limit: int) -> Sequence[str]:
        """Return the names of streams that begin with `prefix`, in order, at most `limit`."""
        check_prefix(prefix)
        return await directory.streams_with_prefix(self._statements.rows, prefix, limit)

    async def neighbours(self, stream: str) -> tuple[str | None, str | None]:
        """Return the names of the streams just before and just after in name order."""
        check_stream(stream)
        return await directory.neighbours(self._statements.rows, stream)

    async def types(
        self, stream: str, *, until: int | None = None, texts_of: str | None = None
    ) -> Mapping[str, TypeRows]:
        """Return what stands in a stream, by type; see `Directory.types`."""
        check_stream(stream)
        return await directory.types(self._statements.rows, stream, until, texts_of)

    async def heads_of(
        self, streams: Collection[str], *, as_of: int | None = None
    ) -> Sequence[StreamHead]:
        """Return those of some streams that have messages, by their last one, newest first."""
        for stream in streams:
            check_stream(stream)
        return await directory.heads_of(self._statements.rows, streams, as_of)

    async def beginnings(
        self, streams: Collection[str], *, rows: int
    ) -> Mapping[str, Sequence[Message]]:
        """Return the first messages of some streams; see `Directory.beginnings`."""
        for stream in streams:
            check_stream(stream)
        return await directory.beginnings(self._statements.rows, streams, rows)

    async def unanswered(
        self,
        category: str,
        question: Question,
        *,
        limit: int,
        before: int | None = None,
        streams: Collection[str] | None = None,
    ) -> Sequence[Message]:
        """Return the messages that no later one answers; see `Directory.unanswered`."""
        check_category(category)
        for stream in streams or ():
            check_stream(stream)
        return await directory.unanswered(
            self._statements.rows, category, question, limit, before, streams
        )

    async def begun_with(self, category: str, beginning: Beginning, *, limit: int) -> Sequence[str]:
        """Return the names of the streams that begin so; see `Directory.begun_with`."""
        check_category(category)
        return await directory.begun_with(self._statements.rows, category, beginning, limit)

    async def search(
        self, category: str, query: Query, *, user: str | None = None, limit: int
    ) -> Sequence[Match]:
        """Return the messages that fit best; see `Searchable.search`. The index is taken on."""
        await self.index(category)
        return await self._statements.do(
            partial(search_index.find, category=category, query=query, user=user, limit=limit)
        )

    async def index(self, category: str, *, anew: bool = False) -> int:
        """Take in what is new, a page in each transaction; see `Searchable.index`."""
        check_category(category)
        count, has_more = 0, True
        while has_more:
            take_in = partial(search_index.take_in, category=category, anew=anew)
            taken, has_more = await self._statements.do(take_in)
            count, anew = count + taken, False
        return count

    async def _writing(
        self, category: str, work: Callable[[Connection], Awaitable[list[Appended]]]
    ) -> list[Appended]:
        """Write by one statement, and let who listens hear of it."""
        appended = await self._statements.do(work)
        self._notifications.written(category)
        return appended
