"""Checking what stands beside threads: users' memory and named definitions, each with its chain."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from messagedb_agent.agents.reading import Reading
from messagedb_agent.audit.checking import ALL, CONCURRENCY, together
from messagedb_agent.audit.kinds import Kind, Kinds
from messagedb_agent.definitions.saved import DEFINITION_TYPES, DefinitionSaved
from messagedb_agent.engine.findings import Finding, Verification, finding_at
from messagedb_agent.engine.links import Links, cut
from messagedb_agent.errors import RefusedName
from messagedb_agent.events.anchor import Head
from messagedb_agent.events.codec import understood
from messagedb_agent.events.memory import (
    MEMORY_TYPES,
    FactForgotten,
    FactRemembered,
    FactsExtracted,
    MemoryEvent,
)
from messagedb_agent.events.metadata import Metadata, read_metadata
from messagedb_agent.events.recorded import Place, UnknownEvent
from messagedb_agent.store.message import Message
from messagedb_agent.store.store import Reader


@dataclass(frozen=True, slots=True)
class CheckedStream:
    """What was found in a stream beside threads.

    Attributes:
        stream: its full name.
        kind: what it holds.
        found: what was found.
    """

    stream: str
    kind: Kind
    found: Verification


async def beside_streams(engine: Reading) -> tuple[str, ...]:
    """Return the streams of all definitions, then of all users, that there are now, in order.

    Streams of these categories whose names none can have are left out.

    Raises:
        StoreUnavailable: the store was not reached.
    """
    kinds = engine_kinds(engine)
    found: list[str] = []
    for category in kinds.beside:
        found += await engine.store.streams_with_prefix(f"{category}-", limit=ALL)
    return tuple(stream for stream in found if kinds.of(stream))


def engine_kinds(engine: Reading) -> Kinds:
    """Return the streams that an audit of an engine sees to."""
    return Kinds(f"{engine.category}:{engine.version}")


class BesideChecking:
    """Verifies streams beside threads, one after the other.

    Args:
        reader: where they are kept, and the threads that their facts were learned in.
        kinds: which streams are which.
    """

    def __init__(self, reader: Reader, kinds: Kinds) -> None:
        self._reader = reader
        self._kinds = kinds
        self._versions: dict[str, int] = {}  # of threads that facts were learned in

    async def verify(self, stream: str, anchored: Head | None = None) -> Verification:
        """Check all that stands in a stream, up to its present end.

        Positions, ids and the chain are checked, and that each row of ours can be read as what it
        says it is. Of a user's stream further: that its events are of this user, that what is
        forgotten was known, and that the messages which taught facts are there. What is wrong is a
        finding and no error; rows of other writers are named and not condemned.

        Args:
            stream: its full name, of one of the kinds that stand beside threads.
            anchored: a head that it had earlier; None where none is known.

        Raises:
            StoreUnavailable: the store was not reached.
        """
        version = await self._reader.stream_version(stream)
        links, seen = Links(), _Seen(self._kinds.of(stream) == "user")
        links.enter(stream, anchored)
        finding = None
        async for row in self._reader.read(stream, until=version):
            metadata = read_metadata(row.metadata)
            finding = (
                links.broken(row, metadata)
                or await self._said(row, metadata, seen)
                or links.take(row, metadata)
            )
            if finding:
                break
        kind = "memory" if seen.is_user else "definition"
        finding = finding or links.unfinished(version) or cut(anchored, version, kind)
        return Verification(
            links.rows,
            0,
            tuple(links.foreign),
            finding,
            head=links.head(stream),
            absent_sources=tuple(seen.absent),
        )

    async def _said(self, row: Message, metadata: Metadata, seen: "_Seen") -> Finding | None:
        """Check what a row says; what others write is understood as far as it goes."""
        types = MEMORY_TYPES if seen.is_user else DEFINITION_TYPES
        event: MemoryEvent | DefinitionSaved | UnknownEvent
        event = understood(row, metadata, types)
        finding = None
        match event:
            case UnknownEvent(reason=reason):
                finding = finding_at(row, f"the event cannot be read: {reason}")
            case FactRemembered() | FactForgotten() | FactsExtracted():
                finding = self._of_another(row, event) or _unknown(row, event, seen)
                if finding is None and metadata.hash is not None:
                    finding = await self._learned(row, event, seen)
                seen.note(event)
            case DefinitionSaved():
                pass
        return None if metadata.hash is None else finding

    def _of_another(self, row: Message, event: MemoryEvent) -> Finding | None:
        try:
            stream = self._kinds.user(event.user)
        except RefusedName:
            stream = "no stream"
        if stream == row.stream_name:
            return None
        return finding_at(row, "it is of another user", stream, row.stream_name)

    async def _learned(self, row: Message, event: MemoryEvent, seen: "_Seen") -> Finding | None:
        """Check that a message is there that taught a fact, or that was looked through for facts.

        A thread that is wholly missing may never have been here: it is noted.
        """
        match event:
            case FactRemembered(taught_by=None) | FactForgotten():
                return None
            case FactRemembered(taught_by=place) if place:
                stream, position = Place(place.stream_name, place.position)
            case FactsExtracted(stream_name=stream, position=position):
                pass
        try:
            version = await self._version(stream, position)
        except RefusedName as error:
            return finding_at(row, f"what it was learned from stands in no stream: {error}")
        if version < 0:
            seen.absent[stream] = None
        if not 0 <= version < position:
            return None
        what = f"the message that it was learned from is missing: {stream} ends at {version}"
        return finding_at(row, what, str(position))

    async def _version(self, stream: str, position: int) -> int:
        if self._versions.get(stream, -1) < position:
            self._versions[stream] = await self._reader.stream_version(stream)
        return self._versions[stream]


@dataclass(slots=True)
class _Seen:
    """What was seen of a stream so far.

    Attributes:
        is_user: whether it is a user's; else it is a definition's.
        known: the keys that are known.
        absent: streams of messages that taught facts, and that are not here.
    """

    is_user: bool
    known: set[str] = field(default_factory=set)
    absent: dict[str, None] = field(default_factory=dict)

    def note(self, event: MemoryEvent) -> None:
        """Note which keys are known behind an event."""
        match event:
            case FactRemembered(key=key):
                self.known.add(key)
            case FactForgotten(key=key):
                self.known.discard(key)
            case FactsExtracted():
                pass


def _unknown(row: Message, event: MemoryEvent, seen: _Seen) -> Finding | None:
    if isinstance(event, FactForgotten) and event.key not in seen.known:
        return finding_at(row, "it forgets what was not known", event.key)
    return None


async def check_beside(
    engine: Reading,
    streams: Iterable[str],
    told: Callable[[CheckedStream], None],
    heads: Mapping[str, Head] | None = None,
) -> None:
    """Verify streams beside threads, some at once.

    Args:
        engine: where they are kept.
        streams: their full names; threads, and streams of no kind, are left out.
        told: called with each as it has been checked; what it raises ends the checking.
        heads: heads that they had earlier, by their names.

    Raises:
        StoreUnavailable: the store was not reached.
    """
    kinds = engine_kinds(engine)
    checking = BesideChecking(engine.store, kinds)
    waiting = (
        (stream, kind) for stream in streams if (kind := kinds.of(stream)) not in (None, "thread")
    )
    await together(_check(checking, waiting, told, heads or {}) for _ in range(CONCURRENCY))


async def _check(
    checking: BesideChecking,
    streams: Iterator[tuple[str, Kind]],
    told: Callable[[CheckedStream], None],
    heads: Mapping[str, Head],
) -> None:
    for stream, kind in streams:
        told(CheckedStream(stream, kind, await checking.verify(stream, heads.get(stream))))
