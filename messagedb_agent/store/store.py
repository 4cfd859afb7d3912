"""What a message store offers: narrow protocols, in Message DB's own words."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from messagedb_agent.store.hold import Hold
from messagedb_agent.store.member import Member
from messagedb_agent.store.message import Appended, Message, NewMessage

BATCH_SIZE = 1000
"""How many messages a reader asks a server for at once."""


@dataclass(frozen=True, slots=True)
class StreamHead:
    """A stream and its last message's place.

    Attributes:
        stream_name: full name of the stream.
        position: position of its last message.
        global_position: global position of its last message.
    """

    stream_name: str
    position: int
    global_position: int


@dataclass(frozen=True, slots=True)
class TypeRows:
    """The messages of one type in a stream.

    Attributes:
        count: how many there are.
        first: position of the first of them.
        last: position of the last of them.
        with_text: how many of them have a text under `text` in their data, and not of blanks
            (space, tab, line ends) alone; 0 for all types but the one that was asked for.
    """

    count: int
    first: int
    last: int
    with_text: int = 0


@dataclass(frozen=True, slots=True)
class Holding:
    """What the data of a message hold: a text in an array.

    Attributes:
        key: key of the array.
        text: one of its elements.
    """

    key: str
    text: str


@dataclass(frozen=True, slots=True)
class Question:
    """Messages that wait for an answer in their own stream.

    Attributes:
        type: type of the message that asks.
        key: key of its data that its answer has with the same value.
        answers: types of messages that answer it by that key.
        ends: types of messages that answer all that stand before them.
        holding: what a message that asks holds; None for anything.
        ends_holding: what a message of one of `ends` holds, to be one; None for anything.
    """

    type: str
    key: str = ""
    answers: tuple[str, ...] = ()
    ends: tuple[str, ...] = ()
    holding: Holding | None = None
    ends_holding: Holding | None = None


@dataclass(frozen=True, slots=True)
class Beginning:
    """What the first message of a stream says, or any of its messages.

    Attributes:
        type: its type.
        path: keys that lead to a text in its data, from the outermost on.
        texts: what the text may be.
        is_first: whether the first message alone is asked.
    """

    type: str
    path: tuple[str, ...]
    texts: tuple[str, ...]
    is_first: bool = True


class Reader(Protocol):
    """Reads messages; pages by itself, so that no caller sees a batch size."""

    def read(
        self, stream: str, *, position: int = 0, until: int | None = None
    ) -> AsyncIterator[Message]:
        """Read one stream in order, from `position` on (inclusive).

        Args:
            stream: full stream name; a category is refused.
            position: first position to read, from 0.
            until: last position to read, inclusive; None reads to the end.

        Raises:
            RefusedName: `stream` is a category.
            StoreUnavailable: the store was not reached.

        Source: Message DB 1.3.0, `functions/get-stream-messages.sql`.
        """
        ...

    def read_category(
        self,
        category: str,
        *,
        global_position: int = 1,
        correlation: str | None = None,
        member: Member | None = None,
        longest: int | None = None,
    ) -> AsyncIterator[Message]:
        """Read all streams of one category in global order, from `global_position` (inclusive).

        Ends at the last message there is now.

        Args:
            category: such as `agent:v0`; a stream name with an id is refused.
            global_position: first global position to read, from 1.
            correlation: only messages whose `correlationStreamName` is of this category.
            member: only the streams of this member of a consumer group.
            longest: most characters of data, and of metadata, that are fetched; what is longer
                comes as None, for who reads where messages stand. None fetches all.

        Raises:
            RefusedName: `category` or `correlation` holds an id.
            StoreUnavailable: the store was not reached.

        Source: Message DB 1.3.0, `functions/get-category-messages.sql`.
        """
        ...

    async def last(self, stream: str, *, type: str | None = None) -> Message | None:
        """Return the last message of a stream, or its last of one type; None where there is none.

        Source: Message DB 1.3.0, `functions/get-last-stream-message.sql`.
        """
        ...

    async def by_id(self, id: str) -> Message | None:
        """Return the message with this id (a UUID as text) wherever it stands, or None."""
        ...

    async def stream_version(self, stream: str) -> int:
        """Return the position of the last message of a stream; -1 where there is none."""
        ...


@runtime_checkable
class Writer(Protocol):
    """Writes messages."""

    async def append(
        self, stream: str, *messages: NewMessage, expected_version: int | None = None
    ) -> Appended:
        """Append messages to one stream, all or none, in one statement.

        A retry with the same ids is safe: where the messages already stand at the expected
        place, with the same ids and the same content, the append has succeeded, and says so.

        Args:
            stream: full stream name, such as `agent:v0-6f9c`; a category is refused.
            messages: one or more, written in the order given.
            expected_version: position of the last message the caller has seen; -1 for an
                empty stream; None only where order does not matter (positions, parked messages).

        Returns:
            Where the messages stand.

        Raises:
            RefusedName: `stream` is a category, or is too long.
            RefusedPayload: a message is too large, too deep, or holds what jsonb cannot.
            WrongExpectedVersion: the stream has moved on; nothing was written.
            DuplicateMessage: an id is taken by another message; nothing was written.
            StoreUnavailable: the outcome is unknown; write again with the same ids.

        Source: Message DB 1.3.0, `functions/write-message.sql`.
        """
        ...


@runtime_checkable
class Owner(Protocol):
    """Lets one process at a time work on a stream."""

    def own(self, stream: str) -> AbstractAsyncContextManager[Hold | None]:
        """Try to own a stream while the context lasts; None where somebody else owns it.

        Ownership saves double work; what protects a stream is the expected version.
        """
        ...

    async def owned(self, streams: Collection[str]) -> frozenset[str]:
        """Return those of some streams that somebody owns at this moment, in whatever process.

        Raises:
            StoreUnavailable: the store was not reached.
        """
        ...


class News(Protocol):
    """Says that a category may hold messages that were not there before."""

    async def wait(self, seconds: float) -> None:
        """Return at news, or when the time is over.

        News count from the last return on, so who reads and then waits misses nothing in between.
        The first wait returns as soon as news are heard of, as some may have been missed; so does
        the one in which they are heard of again after they were not.
        """
        ...


@runtime_checkable
class Listener(Protocol):
    """Hears of news."""

    def listen(self, category: str) -> AbstractAsyncContextManager[News]:
        """Hear of news in a category while the context lasts.

        They are a hint: some come late or never (what other programs write is told by nobody),
        and some come for nothing. Who waits reads also when the time is over.

        Args:
            category: such as `agent:v0`.

        Raises:
            RefusedName: `category` holds an id.
        """
        ...


@runtime_checkable
class Directory(Protocol):
    """Finds streams of a category without reading their messages."""

    async def newest_streams(
        self, category: str, *, limit: int, before: int | None = None, as_of: int | None = None
    ) -> Sequence[StreamHead]:
        """Return the streams of a category by their last message, newest first.

        Args:
            category: such as `agent:v0`.
            limit: how many streams at the most.
            before: only streams whose last message has a global position below this one.
            as_of: global position of the last message that is taken into account; None for all.
        """
        ...

    async def streams_with_prefix(self, prefix: str, *, limit: int) -> Sequence[str]:
        """Return the names of streams that begin with `prefix`, in order, at most `limit`."""
        ...

    async def neighbours(self, stream: str) -> tuple[str | None, str | None]:
        """Return the names of the streams just before and just after `stream` in name order."""
        ...

    async def types(
        self, stream: str, *, until: int | None = None, texts_of: str | None = None
    ) -> Mapping[str, TypeRows]:
        """Return what stands in a stream, by type, without fetching its messages.

        The server goes through all of its rows, and through the data of one type.

        Args:
            stream: full stream name; a category is refused.
            until: last position to look at, inclusive; None looks to the end.
            texts_of: the type whose messages with text are counted; None counts none.
        """
        ...

    async def heads_of(
        self, streams: Collection[str], *, as_of: int | None = None
    ) -> Sequence[StreamHead]:
        """Return those of some streams that have messages, by their last one, newest first.

        Args:
            streams: full names of streams.
            as_of: global position of the last message that is taken into account; None for all.
        """
        ...

    async def beginnings(
        self, streams: Collection[str], *, rows: int
    ) -> Mapping[str, Sequence[Message]]:
        """Return the first messages of some streams, in order, by the streams that have any.

        One statement reads all of them, so whoever asks bounds how many these may be.

        Args:
            streams: full names of streams.
            rows: how many of each at the most.
        """
        ...

    async def unanswered(
        self,
        category: str,
        question: Question,
        *,
        limit: int,
        before: int | None = None,
        streams: Collection[str] | None = None,
    ) -> Sequence[Message]:
        """Return the messages of a category that no later one of their stream answers.

        The server goes through all messages of the category, or of those streams.

        Args:
            category: such as `agent:v0`.
            question: what asks and what answers. One without its key is answered by `ends` alone.
            limit: how many at the most, newest first.
            before: only messages with a global position below this one.
            streams: only messages of these streams; None for all of the category.
        """
        ...

    async def begun_with(self, category: str, beginning: Beginning, *, limit: int) -> Sequence[str]:
        """Return the names of the streams of a category that begin so, the newest first.

        Where any message may say it, the newest is the one that said it last.

        The server goes through all messages of the category.

        Args:
            category: such as `agent:v0`.
            beginning: what the first message of a stream says, or any of its messages.
            limit: how many at the most.
        """
        ...


class Store(Reader, Writer, Owner, Listener, Directory, Protocol):
    """All that a message store offers."""

    async def close(self) -> None:
        """Let go of connections; the store is of no use afterwards."""
        ...
