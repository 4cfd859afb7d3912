"""One thread's stream as events: read on, append on condition, follow the chain."""

import secrets
from array import array
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from messagedb_agent.clock import Clock, SystemClock
from messagedb_agent.engine.batch import NOTHING, Batch, Draft, Following, Head
from messagedb_agent.engine.history import Segment, segments
from messagedb_agent.engine.late import add_fact
from messagedb_agent.errors import (
    AgentError,
    Conflict,
    DuplicateMessage,
    IntegrityError,
)
from messagedb_agent.events.chain import GENESIS, hash_bytes, row_hash
from messagedb_agent.events.codec import Decoded, decode
from messagedb_agent.events.metadata import Cause, Metadata, Travelling
from messagedb_agent.events.recorded import Recorded
from messagedb_agent.ids import Ids, TimeOrderedIds
from messagedb_agent.projections.conversation import Conversation, conversation
from messagedb_agent.store.message import Appended, Message, NewMessage
from messagedb_agent.store.store import Reader, Writer

MAX_MISSING = 1_000_000
"""How many rows may be missing in a row; a position that is forged may leave out any number."""

T = TypeVar("T")
Plan = Callable[[Batch], T]
"""Adds what follows to a batch, and returns what is to be done once it is appended."""
OnEvent = Callable[[Recorded, Conversation], None]
"""Is told of an event, and of the conversation after it."""


class Log(Reader, Writer, Protocol):
    """A store as a journal uses it."""


@dataclass(frozen=True, slots=True)
class Writing:
    """What a process writes with.

    Attributes:
        clock: tells when events happen.
        ids: makes ids of claims and commands.
        writer: random name of this process, which sets its hashes apart from any other's.
    """

    clock: Clock = field(default_factory=SystemClock)
    ids: Ids = field(default_factory=lambda: TimeOrderedIds(SystemClock()))
    writer: str = field(default_factory=lambda: secrets.token_urlsafe(8))


class Journal:
    """The events of one thread, folded as far as they were read.

    Args:
        store: where the stream is kept.
        stream: full name of the thread's stream.
        writing: clock, ids and writer.
        on_event: told of every event in order, ancestors' first, once it is read or written.
    """

    def __init__(
        self, store: Log, stream: str, writing: Writing, on_event: OnEvent | None = None
    ) -> None:
        self.stream = stream
        self._store = store
        self._writing = writing
        self._head = Head(stream, -1, GENESIS, conversation.initial)
        self._on_event = on_event
        self._loaded = False
        self._global_positions = array("q")
        self._travelling: dict[int, Travelling] = {}
        self._same: dict[Travelling, Travelling] = {}  # one value for all events that carry it

    @property
    def shown(self) -> Conversation:
        """The fold of what was read."""
        return self._head.shown

    @property
    def version(self) -> int:
        """Position of the last event read; -1 where there is none."""
        return self._head.version

    async def has_moved(self) -> bool:
        """Say whether the stream holds events that were not read."""
        return await self._store.stream_version(self.stream) > self.version

    async def catch_up(self, version: int | None = None) -> Sequence[str]:
        """Read on to the end of the stream and return the ids of what is new.

        Args:
            version: where the stream is known to end, so that nothing is read for nothing; None
                where that is not known.
        """
        if version == self.version and (self._loaded or version == -1):
            return ()
        if not self._loaded:
            await self._read_ancestors((await segments(self._store, self.stream))[:-1])
        news = []
        async for message in self._store.read(self.stream, position=self.version + 1):
            decoded = self._fold(message, message.position)
            self._note(message.position, message.global_position, decoded.metadata.travelling)
            news.append(message.id)
        return news

    async def branch_off(self, parent: str, position: int) -> None:
        """Make this still empty stream a fork: fold what it shares with its parent.

        Args:
            parent: full name of the parent's stream.
            position: the last position that is shared.
        """
        await self._read_ancestors(await segments(self._store, parent, position))

    async def _read_ancestors(self, ancestors: Sequence[Segment]) -> None:
        for segment in ancestors:
            async for message in self._store.read(segment.stream, until=segment.until):
                self._fold(message, self.version)
        self._loaded = True

    async def claim(self, plan: Plan[T]) -> T:
        """Append what a plan adds; when somebody else was first, read on and plan anew."""
        return await self._append((), plan)

    async def record(self, facts: Sequence[Draft], then: Plan[T]) -> T:
        """Append facts, and what follows from them, in one append.

        A fact happened whatever else has arrived: after a conflict it is sealed anew behind that.
        """
        return await self._append(facts, then)

    async def _append(self, facts: Sequence[Draft], plan: Plan[T]) -> T:
        taken: set[str] = set()
        while True:
            batch = self._batch(taken)
            for fact in facts:
                add_fact(batch, fact)
            result = plan(batch)
            if not batch.sealed:
                return result
            messages = [NewMessage(s.id, s.type, s.data, s.metadata) for s in batch.sealed]
            try:
                appended = await self._store.append(
                    self.stream, *messages, expected_version=batch.expected_version
                )
            except Conflict as conflict:
                news = await self.catch_up()
                found = set(news)
                if isinstance(conflict, DuplicateMessage):  # it may have been read long before
                    found |= await self._standing(s.id for s in batch.sealed)
                if not news and found <= taken:
                    raise _unexplained(self.stream, conflict) from conflict
                taken |= found
                continue
            self._adopt(batch, appended)
            return result

    async def _standing(self, ids: Iterable[str]) -> set[str]:
        """Return those of some ids that stand in the store, in whatever stream."""
        rows = [await self._store.by_id(id) for id in ids]
        return {row.id for row in rows if row is not None}

    def behind(self, news: Iterable[Message], taken: Collection[str]) -> Batch:
        """Return a batch behind messages that were read beside the journal, which stays put.

        Args:
            news: messages that follow on one another, from where the journal stood at the latest.
            taken: ids that stand in the store already.
        """
        head = self._head
        for message in news:
            if message.position > head.version:
                head = _after(head, message, decode(message), message.position)
        return self._batch(taken, head)

    def _batch(self, taken: Collection[str], head: Head | None = None) -> Batch:
        writing = self._writing
        follow = Following(self._base, self._lookup)
        now_ms = writing.clock.now_ms()
        return Batch(head or self._head, follow, writing.ids, now_ms, writing.writer, taken)

    def _lookup(self, position: int) -> tuple[Cause, Travelling]:
        cause = Cause(self.stream, position, self._global_positions[position])
        return cause, self._travelling.get(position, NOTHING)

    @property
    def _base(self) -> Travelling:
        return self._travelling.get(0, NOTHING)

    def _fold(self, message: Message, version: int) -> Decoded:
        decoded = decode(message)
        self._head = _after(self._head, message, decoded, version)
        if self._on_event:
            self._on_event(decoded.recorded, self.shown)
        return decoded

    def _adopt(self, batch: Batch, appended: Appended) -> None:
        self._head = batch.head
        places = zip(appended.global_positions, batch.travelling, strict=True)
        for position, (global_position, travelling) in enumerate(
            places, batch.expected_version + 1
        ):
            self._note(position, global_position, travelling)
        if self._on_event:
            for recorded, shown in batch.folded:
                self._on_event(recorded, shown)

    def _note(self, position: int, global_position: int, travelling: Travelling) -> None:
        missing = position - len(self._global_positions)  # rows that somebody has deleted
        if missing > MAX_MISSING:
            raise IntegrityError(f"{self.stream} lacks {missing} rows before position {position}")
        self._global_positions.extend([0] * missing)
        self._global_positions.append(global_position)
        if travelling is not NOTHING and travelling != NOTHING:
            self._travelling[position] = self._same.setdefault(travelling, travelling)


def _after(head: Head, message: Message, decoded: Decoded, version: int) -> Head:
    """Return where a stream stands after a row that was read."""
    return Head(
        stream=head.stream,
        version=version,
        hash=_chained(head.hash, message, decoded.metadata),
        shown=conversation.evolve(head.shown, decoded.recorded),
    )


def _chained(previous: bytes, message: Message, metadata: Metadata) -> bytes:
    """Return a row's place in the chain: what its writer says, or its own hash for foreign rows."""
    if metadata.hash is not None:
        try:
            return hash_bytes(metadata.hash)
        except ValueError:
            pass
    return row_hash(previous, message)


def _unexplained(stream: str, conflict: Conflict) -> AgentError:
    """Return what a conflict means when nothing new stands in the stream."""
    if isinstance(conflict, DuplicateMessage):
        return conflict
    return IntegrityError(f"{stream} is shorter than it was: {conflict}")
