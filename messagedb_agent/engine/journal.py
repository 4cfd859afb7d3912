"""One thread's stream as events: read on, append on condition, follow the chain."""

import secrets
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from messagedb_agent.clock import Clock, SystemClock
from messagedb_agent.engine.batch import Batch, Draft, Following, Head, TokensOf, estimated
from messagedb_agent.engine.history import Segment, parent_in, segments
from messagedb_agent.engine.late import add_fact
from messagedb_agent.engine.places import Noted, Places
from messagedb_agent.errors import (
    AgentError,
    Conflict,
    DuplicateMessage,
    IntegrityError,
)
from messagedb_agent.events.chain import GENESIS, chained
from messagedb_agent.events.codec import Decoded, decode
from messagedb_agent.events.metadata import Cause, Travelling
from messagedb_agent.events.recorded import Recorded
from messagedb_agent.ids import Ids, TimeOrderedIds
from messagedb_agent.projections.conversation import Conversation, conversation
from messagedb_agent.store.message import Appended, Message, NewMessage
from messagedb_agent.store.store import Reader, Writer

T = TypeVar("T")
Plan = Callable[[Batch], T]
"""Adds what follows to a batch, and returns what is to be done once it is appended."""
OnEvent = Callable[[Recorded, Conversation, Travelling, bool], None]
"""Is told of an event, of the conversation after it, of what the event carries, and whether this
process has just written it."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A history that is folded already, up to an event.

    Attributes:
        segment: index of the part of the history that the event stands in.
        position: its position there.
        hash: hash of its row.
        shown: the fold of all up to it.
        noted: events of the thread's own stream that may be causes of later ones.
    """

    segment: int
    position: int
    hash: bytes
    shown: Conversation
    noted: tuple[Noted, ...] = ()


Opening = Callable[[Sequence[Segment]], Awaitable[Opened | None]]
"""Finds out how far the parts of a history are folded already; None where they are not."""


class Log(Reader, Writer, Protocol):
    """A store as a journal uses it."""


@dataclass(frozen=True, slots=True)
class Writing:
    """What a process writes with.

    Attributes:
        clock: tells when events happen.
        ids: makes ids of claims and commands.
        writer: random name of this process, which sets its hashes apart from any other's.
        tokens: counts tokens, where that decides what a model is shown.
    """

    clock: Clock = field(default_factory=SystemClock)
    ids: Ids = field(default_factory=lambda: TimeOrderedIds(SystemClock()))
    writer: str = field(default_factory=lambda: secrets.token_urlsafe(8))
    tokens: TokensOf = estimated


class Journal:
    """The events of one thread, folded as far as they were read.

    Args:
        store: where the stream is kept.
        stream: full name of the thread's stream.
        writing: clock, ids and writer.
        on_event: told of every event in order, ancestors' first, once it is read or written; not
            of those that are folded already.
        opening: asked how far that is, before anything is read.
    """

    def __init__(
        self,
        store: Log,
        stream: str,
        writing: Writing,
        on_event: OnEvent | None = None,
        opening: Opening | None = None,
    ) -> None:
        self.stream = stream
        self._store = store
        self._writing = writing
        self._head = Head(stream, -1, GENESIS, conversation.initial)
        self._on_event = on_event
        self._opening = opening
        self._loaded = False
        self._past: tuple[Segment, ...] = ()
        self._places = Places(stream)

    @property
    def shown(self) -> Conversation:
        """The fold of what was read."""
        return self._head.shown

    @property
    def version(self) -> int:
        """Position of the last event read; -1 where there is none."""
        return self._head.version

    @property
    def past(self) -> tuple[Segment, ...]:
        """The parts of the history in ancestors' streams, oldest first, once it was read."""
        return self._past

    @property
    def hash(self) -> bytes:
        """Hash of the last row that was read; of a parent's, where a fork has none of its own."""
        return self._head.hash

    def noted(self, positions: Collection[int]) -> tuple[Noted, ...]:
        """Return those of some events of this stream that were read, as causes of others."""
        return self._places.some(positions)

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
        is_news = self.version >= 0  # else it is what stood before this journal was read
        if not self._loaded:
            await self._begin(await segments(self._store, self.stream, version))
        news = []
        async for message in self._store.read(self.stream, position=self.version + 1):
            self._read(message, is_news=is_news)
            news.append(message.id)
        return news

    def begin_with(self, first: Sequence[Message]) -> None:
        """Fold the first messages of the stream, which were read elsewhere.

        Those of a fork are left to `catch_up`, which reads its ancestors, and so is all of a
        stream that was read before.
        """
        if self._loaded or not first or parent_in(first[0]):
            return
        self._loaded = True
        for message in first:
            self._read(message, is_news=False)

    async def branch_off(self, parent: str, position: int) -> None:
        """Make this still empty stream a fork: fold what it shares with its parent.

        Args:
            parent: full name of the parent's stream.
            position: the last position that is shared.
        """
        shared = await segments(self._store, parent, position)
        await self._begin((*shared, Segment(self.stream, -1)))

    async def _begin(self, parts: Sequence[Segment]) -> None:
        """Fold what stands in ancestors' streams, or begin where that is folded already."""
        opened = await self._opening(parts) if self._opening else None
        first, position = 0, 0
        if opened:
            first, position = opened.segment, opened.position + 1
            is_own = first == len(parts) - 1
            version = opened.position if is_own else -1
            self._head = Head(self.stream, version, opened.hash, opened.shown)
            if is_own:
                self._places = Places(self.stream, position, opened.noted)
        for part in parts[first:-1]:
            async for message in self._store.read(part.stream, position=position, until=part.until):
                self._fold(message, self.version)
            position = 0
        self._past = tuple(parts[:-1])
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

    def properties(self, position: int) -> str | None:
        """Return what the event at a position of the stream carries from its sender, as JSON."""
        return self._places.travelling(position).properties

    def _batch(self, taken: Collection[str], head: Head | None = None) -> Batch:
        writing = self._writing
        follow = Following(self._base, self._lookup)
        now_ms = writing.clock.now_ms()
        return Batch(
            head or self._head,
            follow,
            writing.ids,
            now_ms,
            writing.writer,
            taken,
            writing.tokens,
        )

    def _lookup(self, position: int) -> tuple[Cause, Travelling]:
        noted = self._places.at(position)
        return Cause(self.stream, position, noted.global_position), noted.travelling

    @property
    def _base(self) -> Travelling:
        return self._places.travelling(0)

    def _read(self, message: Message, *, is_news: bool) -> None:
        """Take in the next message of the stream."""
        decoded = self._fold(message, message.position, is_news=is_news)
        self._places.note(message.position, message.global_position, decoded.metadata.travelling)

    def _fold(self, message: Message, version: int, *, is_news: bool = False) -> Decoded:
        decoded = decode(message)
        self._head = _after(self._head, message, decoded, version)
        if self._on_event:
            # As the outcome of a transactional tool, which is not appended by the journal.
            is_ours = is_news and decoded.metadata.writer == self._writing.writer
            self._on_event(decoded.recorded, self.shown, decoded.metadata.travelling, is_ours)
        return decoded

    def _adopt(self, batch: Batch, appended: Appended) -> None:
        self._head = batch.head
        places = zip(appended.global_positions, batch.travelling, strict=True)
        for position, (global_position, travelling) in enumerate(
            places, batch.expected_version + 1
        ):
            self._places.note(position, global_position, travelling)
        if self._on_event:
            folded = zip(batch.folded, batch.travelling, strict=True)
            for (recorded, shown), travelling in folded:
                self._on_event(recorded, shown, travelling, True)


def _after(head: Head, message: Message, decoded: Decoded, version: int) -> Head:
    """Return where a stream stands after a row that was read."""
    return Head(
        stream=head.stream,
        version=version,
        hash=chained(head.hash, message, decoded.metadata.hash),
        shown=conversation.evolve(head.shown, decoded.recorded),
    )


def _unexplained(stream: str, conflict: Conflict) -> AgentError:
    """Return what a conflict means when nothing new stands in the stream."""
    if isinstance(conflict, DuplicateMessage):
        return conflict
    return IntegrityError(f"{stream} is shorter than it was: {conflict}")
