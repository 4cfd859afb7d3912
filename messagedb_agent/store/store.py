"""What a message store offers: narrow protocols, in Message DB's own words."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from hashlib import md5
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from messagedb_agent.errors import ValidationError
from messagedb_agent.store.message import Appended, Message, NewMessage
from messagedb_agent.store.stream_name import cardinal_id_of

if TYPE_CHECKING:
    from psycopg import AsyncConnection

BATCH_SIZE = 1000
"""How many messages a reader asks a server for at once."""


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a consumer group: gets the streams whose cardinal id hashes to its number.

    Attributes:
        number: from 0 to `size` - 1.
        size: how many members share the category; 1 to 32,767.

    Raises:
        ValidationError: a number or a size outside of that.
    """

    number: int
    size: int

    def __post_init__(self) -> None:
        if not 1 <= self.size <= 32_767:
            raise ValidationError(f"a group of {self.size}; 1 to 32767 are allowed", field="size")
        if not 0 <= self.number < self.size:
            raise ValidationError(
                f"member {self.number} of a group of {self.size}; the first is 0", field="number"
            )

    def has(self, stream: str) -> bool:
        """Say whether a stream is this member's.

        Source: Message DB 1.3.0, `functions/hash-64.sql` and `get-category-messages.sql`.
        """
        digest = md5((cardinal_id_of(stream) or "").encode(), usedforsecurity=False).digest()
        hashed = int.from_bytes(digest[:8], "big", signed=True)
        return abs(hashed) % self.size == self.number


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
class Question:
    """Messages that wait for an answer in their own stream.

    Attributes:
        type: type of the message that asks.
        key: key of its data that its answer has with the same value.
        answers: types of messages that answer it by that key.
        ends: types of messages that answer all that stand before them.
    """

    type: str
    key: str
    answers: tuple[str, ...]
    ends: tuple[str, ...] = ()


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


async def _nobody_else() -> None:
    """Confirm a stream that nobody else can own."""


class Loss(asyncio.Event):
    """An event that also calls one function when it is set: that needs no task that waits."""

    def __init__(self) -> None:
        super().__init__()
        self.call: Callable[[], None] | None = None

    def set(self) -> None:
        super().set()
        if self.call:
            self.call()


@dataclass(slots=True, eq=False)
class Hold:
    """A stream that is owned.

    Attributes:
        version: position of the stream's last message when it was taken and, once it was let go,
            right after that; -1 where it is empty, None where it is not known.
        lost: set when the stream is owned no more although nobody has let it go: others may
            own it by now.
        confirm: asks whether it is still owned, and sets `lost` where it is not. Who was paused
            may have lost it without having heard.
    """

    version: int | None = None
    lost: Loss = field(default_factory=Loss)
    confirm: Callable[[], Awaitable[None]] = _nobody_else


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


class Directory(Protocol):
    """Finds streams of a category without reading their messages."""

    async def newest_streams(
        self, category: str, *, limit: int, before: int | None = None
    ) -> Sequence[StreamHead]:
        """Return the streams of a category by their last message, newest first.

        Args:
            category: such as `agent:v0`.
            limit: how many streams at the most.
            before: only streams whose last message has a global position below this one.
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

    async def unanswered(
        self, category: str, question: Question, *, limit: int, before: int | None = None
    ) -> Sequence[Message]:
        """Return the messages of a category that no later one of their stream answers.

        Args:
            category: such as `agent:v0`.
            question: what asks and what answers. One without its key is answered by `ends` alone.
            limit: how many at the most, newest first.
            before: only messages with a global position below this one.
        """
        ...


class Transaction(Protocol):
    """An open transaction that others write in, and that ends with an append or with nothing."""

    @property
    def connection(self) -> "AsyncConnection[tuple[Any, ...]]":
        """Where the transaction is open; committing and rolling back are not its user's."""
        ...

    @property
    def is_lost(self) -> bool:
        """Whether the connection is gone, and the transaction with it."""
        ...

    async def locked(self, stream: str, position: int) -> Sequence[Message]:
        """Wait until nobody else writes to the stream's category, and read on in the stream.

        From here on the transaction is to end soon: everybody else who writes waits for it.

        Args:
            stream: full name of the stream.
            position: first position to read.

        Raises:
            StoreUnavailable: the database went away, or the lock was not given in time.

        Source: Message DB 1.3.0, `functions/acquire-lock.sql`.
        """
        ...

    async def has(self, id: str) -> bool:
        """Say whether a message with this id stands anywhere.

        Raises:
            StoreUnavailable: the database went away.
        """
        ...

    async def commit(self, stream: str, *messages: NewMessage, expected_version: int) -> None:
        """Append messages and commit, with all that was written in the transaction.

        Raises:
            TransactionRefused: what was written cannot be committed; nothing stands.
            RefusedPayload: a message is too large, too deep, or holds what jsonb cannot.
            Conflict: the stream has moved on, or an id is taken; nothing stands.
            StoreUnavailable: the outcome is unknown until the stream's lock is given again.
        """
        ...


@runtime_checkable
class Transactional(Protocol):
    """A store in whose transactions others may write."""

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """Begin a transaction; what is not committed when the context ends is rolled back.

        Raises:
            StoreUnavailable: the database was not reached.
        """
        ...


class Store(Reader, Writer, Owner, Listener, Directory, Protocol):
    """All that a message store offers."""

    async def close(self) -> None:
        """Let go of connections; the store is of no use afterwards."""
        ...
