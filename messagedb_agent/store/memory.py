"""A store in memory: a model of Message DB, with the same contract, for tests and trials."""

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import islice

from messagedb_agent.errors import (
    DuplicateMessage,
    RefusedPayload,
    StoreUnavailable,
    WrongExpectedVersion,
)
from messagedb_agent.store.audience import Audience, Bell
from messagedb_agent.store.contents import begins, has_text, holds, is_answered, is_same, normalised
from messagedb_agent.store.correlation import correlation_of
from messagedb_agent.store.encoding import MAX_MESSAGE_BYTES, check_message, uuid_text
from messagedb_agent.store.hold import Hold
from messagedb_agent.store.member import Member
from messagedb_agent.store.message import Appended, Message, NewMessage
from messagedb_agent.store.search_scan import scan
from messagedb_agent.store.searchable import Match
from messagedb_agent.store.store import Beginning, Question, StreamHead, TypeRows
from messagedb_agent.store.stream_name import (
    category_of,
    check_category,
    check_prefix,
    check_stream,
)
from messagedb_agent.store.words import Query


class MemoryStore:
    """A `Store` in memory, for one event loop.

    Every operation is atomic, as there is no await inside one. A failed append leaves a gap in
    the global positions, as a sequence does.
    """

    def __init__(self, *, max_message_bytes: int = MAX_MESSAGE_BYTES) -> None:
        self._max_message_bytes = max_message_bytes
        self._global_position = 0
        self._streams: dict[str, list[Message]] = {}
        self._categories: dict[str, list[Message]] = defaultdict(list)
        self._by_id: dict[str, Message] = {}
        self._names: list[str] = []  # of streams, in order
        self._owned: dict[str, Hold] = {}
        self._audience = Audience()
        self._closed = False

    async def close(self) -> None:
        """Let go; the store is of no use afterwards."""
        self._closed = True
        self._audience.tell_all()

    async def append(
        self, stream: str, *messages: NewMessage, expected_version: int | None = None
    ) -> Appended:
        """Append messages to one stream; see `Writer.append`."""
        self._check_open()
        check_stream(stream)
        if not messages:
            raise RefusedPayload("an append of no messages", field="messages")
        for message in messages:
            check_message(message, max_bytes=self._max_message_bytes)
        written = [normalised(message) for message in messages]
        try:
            self._check_expected(stream, expected_version)
            self._check_ids(stream, written)
        except (WrongExpectedVersion, DuplicateMessage):
            self._global_position += 1
            if standing := self._standing(stream, written, expected_version):
                return _appended(standing)
            raise
        self._audience.tell(category_of(stream))
        return _appended([self._write(stream, message) for message in written])

    async def read(
        self, stream: str, *, position: int = 0, until: int | None = None
    ) -> AsyncIterator[Message]:
        """Read one stream in order; see `Reader.read`."""
        check_stream(stream)
        position = max(0, position)
        while until is None or position <= until:  # sees what is written between two messages
            self._check_open()
            messages = self._streams.get(stream, [])
            if position >= len(messages):
                return
            yield messages[position]
            position += 1

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
        self._check_open()
        messages = self._categories.get(category, [])
        index = bisect_left(messages, global_position, key=lambda m: m.global_position)
        while index < len(messages):
            message = messages[index]
            index += 1
            if (correlation is None or correlation_of(message) == correlation) and (
                member is None or member.has(message.stream_name)
            ):
                yield message.cut(longest)
            self._check_open()

    async def last(self, stream: str, *, type: str | None = None) -> Message | None:
        """Return the last message of a stream; see `Reader.last`."""
        self._check_open()
        check_stream(stream)
        newest_first = reversed(self._streams.get(stream, []))
        return next((m for m in newest_first if type is None or m.type == type), None)

    async def by_id(self, id: str) -> Message | None:
        """Return the message with this id wherever it stands, or None."""
        self._check_open()
        uuid = uuid_text(id)
        return self._by_id.get(uuid) if uuid else None

    async def stream_version(self, stream: str) -> int:
        """Return the position of the last message of a stream; -1 where there is none."""
        self._check_open()
        check_stream(stream)
        return self._version(stream)

    @asynccontextmanager
    async def own(self, stream: str) -> AsyncIterator[Hold | None]:
        """Try to own a stream while the context lasts; see `Owner.own`."""
        self._check_open()
        check_stream(stream)
        if stream in self._owned:
            yield None
            return
        hold = self._owned[stream] = Hold(self._version(stream))
        try:
            yield hold
        finally:
            if self._owned.get(stream) is hold:
                del self._owned[stream]
            hold.version = self._version(stream)

    async def owned(self, streams: Collection[str]) -> frozenset[str]:
        """Return those of some streams that somebody owns at this moment."""
        self._check_open()
        return frozenset(self._owned.keys() & set(streams))

    @asynccontextmanager
    async def listen(self, category: str) -> AsyncIterator[Bell]:
        """Hear of news in a category while the context lasts; see `Listener.listen`."""
        check_category(category)
        with self._audience.bell(category) as bell:
            bell.ring()
            yield bell

    async def newest_streams(
        self, category: str, *, limit: int, before: int | None = None, as_of: int | None = None
    ) -> Sequence[StreamHead]:
        """Return the streams of a category by their last message, newest first."""
        self._check_open()
        check_category(category)
        heads: dict[str, StreamHead] = {}
        seen: set[str] = set()
        for message in reversed(self._categories.get(category, [])):
            if len(heads) >= limit:
                break
            if as_of is not None and message.global_position > as_of:
                continue
            name = message.stream_name
            if name not in seen and (before is None or message.global_position < before):
                heads[name] = StreamHead(name, message.position, message.global_position)
            seen.add(name)
        return list(heads.values())

    async def streams_with_prefix(self, prefix: str, *, limit: int) -> Sequence[str]:
        """Return the names of streams that begin with `prefix`, in order, at most `limit`."""
        self._check_open()
        check_prefix(prefix)
        start = bisect_left(self._names, prefix)
        found = self._names[start : start + max(0, limit)]
        return [name for name in found if name.startswith(prefix)]

    async def neighbours(self, stream: str) -> tuple[str | None, str | None]:
        """Return the names of the streams just before and just after in name order."""
        self._check_open()
        check_stream(stream)
        index = bisect_left(self._names, stream)
        after = index + (stream in self._streams)
        return (
            self._names[index - 1] if index else None,
            self._names[after] if after < len(self._names) else None,
        )

    async def types(
        self, stream: str, *, until: int | None = None, texts_of: str | None = None
    ) -> Mapping[str, TypeRows]:
        """Return what stands in a stream, by type; see `Directory.types`."""
        self._check_open()
        check_stream(stream)
        last = self._version(stream) if until is None else until
        found: dict[str, TypeRows] = {}
        for message in self._streams.get(stream, [])[: max(0, last + 1)]:
            rows = found.get(message.type, TypeRows(0, message.position, -1))
            texts = rows.with_text + (message.type == texts_of and has_text(message))
            found[message.type] = TypeRows(rows.count + 1, rows.first, message.position, texts)
        return found

    async def heads_of(
        self, streams: Collection[str], *, as_of: int | None = None
    ) -> Sequence[StreamHead]:
        """Return those of some streams that have messages, by their last one, newest first."""
        self._check_open()
        for stream in streams:
            check_stream(stream)
        rows = {stream: self._streams.get(stream, ()) for stream in streams}
        until = self._global_position if as_of is None else as_of
        known = [[m for m in some if m.global_position <= until] for some in rows.values()]
        lasts = [some[-1] for some in known if some]
        lasts.sort(key=lambda message: -message.global_position)
        return [StreamHead(m.stream_name, m.position, m.global_position) for m in lasts]

    async def beginnings(
        self, streams: Collection[str], *, rows: int
    ) -> Mapping[str, Sequence[Message]]:
        """Return the first messages of some streams; see `Directory.beginnings`."""
        self._check_open()
        for stream in streams:
            check_stream(stream)
        firsts = {stream: self._streams.get(stream, [])[: max(0, rows)] for stream in streams}
        return {stream: some for stream, some in firsts.items() if some}

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
        self._check_open()
        check_category(category)
        for stream in streams or ():
            check_stream(stream)
        asking = (
            message
            for message in reversed(self._categories.get(category, []))
            if message.type == question.type
            and (streams is None or message.stream_name in streams)
            and holds(message, question.holding)
            and (before is None or message.global_position < before)
            and not any(
                is_answered(message, later, question)
                for later in self._streams[message.stream_name][message.position + 1 :]
            )
        )
        return list(islice(asking, max(0, limit)))

    async def search(
        self, category: str, query: Query, *, user: str | None = None, limit: int
    ) -> Sequence[Match]:
        """Return the messages that fit best; see `Searchable.search`. All are looked through."""
        self._check_open()
        check_category(category)
        messages = self._categories.get(category, [])
        found = scan(category, messages, self._streams, self._by_id.get, query, user)
        return found[: max(0, limit)]

    async def index(self, category: str, *, anew: bool = False) -> int:
        """Take nothing in: all is looked through; see `Searchable.index`."""
        self._check_open()
        check_category(category)
        return 0

    async def begun_with(self, category: str, beginning: Beginning, *, limit: int) -> Sequence[str]:
        """Return the names of the streams that begin so; see `Directory.begun_with`."""
        self._check_open()
        check_category(category)
        begun = (
            message.stream_name
            for message in reversed(self._categories.get(category, []))
            if (message.position == 0 or not beginning.is_first) and begins(message, beginning)
        )
        return list(islice(dict.fromkeys(begun), max(0, limit)))

    def _check_open(self) -> None:
        if self._closed:
            raise StoreUnavailable("the store is closed")

    def _version(self, stream: str) -> int:
        return len(self._streams.get(stream, ())) - 1

    def _check_expected(self, stream: str, expected: int | None) -> None:
        actual = self._version(stream)
        if expected is not None and expected != actual:
            raise WrongExpectedVersion(stream, expected, actual)

    def _check_ids(self, stream: str, messages: Iterable[NewMessage]) -> None:
        new: set[str] = set()
        for message in messages:
            if message.id in self._by_id or message.id in new:
                raise DuplicateMessage(stream, message.id)
            new.add(message.id)

    def _standing(
        self, stream: str, messages: Sequence[NewMessage], expected: int | None
    ) -> list[Message]:
        """Return our messages where they stand at the expected place; else nothing."""
        if expected is None:
            first = self._by_id.get(messages[0].id)
            if first is None or first.stream_name != stream:
                return []
            expected = first.position - 1
        start = expected + 1
        standing = (
            self._streams.get(stream, [])[start : start + len(messages)] if start >= 0 else []
        )
        pairs = zip(standing, messages, strict=False)
        ours = len(standing) == len(messages) and all(is_same(a, b) for a, b in pairs)
        return standing if ours else []

    def _write(self, stream: str, message: NewMessage) -> Message:
        self._global_position += 1
        written = Message(
            id=message.id,
            stream_name=stream,
            type=message.type,
            position=self._version(stream) + 1,
            global_position=self._global_position,
            data=message.data,
            metadata=message.metadata,
            time=datetime.now(UTC).replace(tzinfo=None),
        )
        if stream not in self._streams:
            self._streams[stream] = []
            insort(self._names, stream)
        self._streams[stream].append(written)
        self._categories[category_of(stream)].append(written)
        self._by_id[written.id] = written
        return written


def _appended(messages: Sequence[Message]) -> Appended:
    return Appended(
        position=messages[-1].position,
        global_positions=tuple(message.global_position for message in messages),
    )
