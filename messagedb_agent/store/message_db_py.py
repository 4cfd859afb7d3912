"""A reader over the `message-db-py` client (the extra `message-db-py`).

It writes nothing: that client makes the ids of messages itself, so an append whose answer was
lost could not be told from one that failed, and could not be repeated safely.

Source: message-db-py 0.3.5, `client.py` and `connection.py`.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any, Self, TypeVar

from messagedb_agent.errors import ConfigurationError, StoreUnavailable
from messagedb_agent.store.correlation import correlation_of
from messagedb_agent.store.encoding import uuid_text
from messagedb_agent.store.member import Member
from messagedb_agent.store.message import Message
from messagedb_agent.store.rows import TIME
from messagedb_agent.store.store import BATCH_SIZE
from messagedb_agent.store.stream_name import check_category, check_stream

if TYPE_CHECKING:
    from message_db.client import MessageDB

T = TypeVar("T")

# The client parses data and metadata, and with Python's floats loses digits. As a JSON text
# within JSON both come through whole; an SQL of the caller's is part of the client's interface.
_COLUMNS = f"""SELECT id::text AS id, stream_name, type, position, global_position,
       to_json(data::text)::text AS data, to_json(metadata::text)::text AS metadata,
       {TIME} AS time """
_STREAM = "FROM get_stream_messages(%(stream_name)s, %(position)s::bigint, %(batch_size)s::bigint)"
_CATEGORY = """FROM get_category_messages(
    %(stream_name)s, %(position)s::bigint, %(batch_size)s::bigint)"""
_MEMBER = """FROM get_category_messages(
    %(stream_name)s, %(position)s::bigint, %(batch_size)s::bigint, NULL,
    %(consumer_group_member)s::bigint, %(consumer_group_size)s::bigint)"""
_LAST = "FROM get_last_stream_message(%(stream_name)s)"
_BY_ID = "FROM messages WHERE id = %(stream_name)s::uuid"


class MessageDbPyReader:
    """A `Reader` over message-db-py, whose blocking calls run in threads."""

    def __init__(self, client: "MessageDB", *, max_connections: int) -> None:
        self._client = client
        # The client's pool raises where all connections are in use; callers wait here instead.
        self._slots = asyncio.Semaphore(max_connections)

    @classmethod
    async def connect(cls, url: str, *, max_connections: int = 4) -> Self:
        """Connect through a `message_db.client.MessageDB`.

        Args:
            url: `postgresql://` URL of a role whose search path holds `message_store`.
            max_connections: how many calls may run at once.

        Raises:
            ConfigurationError: message-db-py is not installed.
            StoreUnavailable: the database was not reached.
        """
        try:
            from message_db.client import MessageDB
        except ImportError as error:
            raise ConfigurationError(
                "message-db-py is not installed; it comes with messagedb-agent[message-db-py]",
                field="message-db-py",
            ) from error
        client = await _in_thread(lambda: MessageDB.from_url(url, max_connections=max_connections))
        return cls(client, max_connections=max_connections)

    async def close(self) -> None:
        """Let go of connections; the reader is of no use afterwards."""
        await _in_thread(self._client.connection_pool.closeall)

    async def read(
        self, stream: str, *, position: int = 0, until: int | None = None
    ) -> AsyncIterator[Message]:
        """Read one stream in order; see `Reader.read`."""
        check_stream(stream)
        while until is None or position <= until:
            page = await self._fetch(_STREAM, stream, position)
            for message in page:
                if until is not None and message.position > until:
                    return
                yield message
            if len(page) < BATCH_SIZE:
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
        """Read all streams of one category in global order; see `Reader.read_category`.

        The client passes no correlation on, so messages are sorted out here; and cut, too.
        """
        check_category(category)
        if correlation is not None:
            check_category(correlation, "correlation")
        while True:
            source = _CATEGORY if member is None else _MEMBER
            page = await self._fetch(source, category, global_position, member=member)
            for message in page:
                if correlation is None or correlation_of(message) == correlation:
                    yield message.cut(longest)
            if len(page) < BATCH_SIZE:
                return
            global_position = page[-1].global_position + 1

    async def last(self, stream: str, *, type: str | None = None) -> Message | None:
        """Return the last message of a stream; see `Reader.last`.

        The client passes no type on: another type than the last one's is looked for by reading.
        """
        check_stream(stream)
        found = await self._fetch(_LAST, stream)
        if not found or type is None or found[0].type == type:
            return found[0] if found else None
        of_type = None
        async for message in self.read(stream):
            of_type = message if message.type == type else of_type
        return of_type

    async def by_id(self, id: str) -> Message | None:
        """Return the message with this id wherever it stands, or None."""
        uuid = uuid_text(id)
        found = await self._fetch(_BY_ID, uuid) if uuid else []
        return found[0] if found else None

    async def stream_version(self, stream: str) -> int:
        """Return the position of the last message of a stream; -1 where there is none."""
        last = await self.last(stream)
        return -1 if last is None else last.position

    async def _fetch(
        self, source: str, name: str, position: int = 0, *, member: Member | None = None
    ) -> list[Message]:
        def fetch() -> list[dict[str, Any]]:
            rows: list[dict[str, Any]] = self._client.read(
                name,
                sql=_COLUMNS + source,
                position=position,
                no_of_messages=BATCH_SIZE,
                consumer_group_member=member.number if member else None,
                consumer_group_size=member.size if member else None,
            )
            return rows

        async with self._slots:
            return [Message(**row) for row in await _in_thread(fetch)]


async def _in_thread(call: Callable[[], T]) -> T:
    import psycopg2  # comes with the extra

    try:
        return await asyncio.to_thread(call)
    except psycopg2.Error as error:
        raise StoreUnavailable(str(error).strip()) from error
