"""A thread's events as they are read: a fork's ancestors first, then its own."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from messagedb_agent.errors import IntegrityError, RefusedName
from messagedb_agent.events.codec import Decoded, decode
from messagedb_agent.events.recorded import Recorded
from messagedb_agent.events.schema import SessionStarted
from messagedb_agent.store.message import Message
from messagedb_agent.store.store import Reader

MAX_ANCESTORS = 1_000
"""How many forks of forks are followed."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a history that stands in one stream.

    Attributes:
        stream: full name of the stream.
        until: position of the last event that belongs to it; None for all.
    """

    stream: str
    until: int | None = None


class Ancestry:
    """Who was forked from whom; ancestors are asked for once, as many threads share them.

    Args:
        reader: where the threads are kept.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._parents: dict[str, Segment | None] = {}
        self._versions: dict[str, int] = {}

    async def segments(self, stream: str, until: int | None = None) -> tuple[Segment, ...]:
        """Return the parts of a thread's history, oldest first; one for a thread that is no fork.

        Raises:
            IntegrityError: a fork's parent is missing, or forks lead in a circle.
        """
        found, names = [Segment(stream, until)], {stream}
        parent = await parent_of(self._reader, stream)
        while parent is not None:
            if len(found) > MAX_ANCESTORS or parent.stream in names:
                raise IntegrityError(f"the ancestors of {stream} do not end")
            if not await self._reaches(parent):
                raise IntegrityError(self._lacking(found[-1].stream, parent))
            found.append(parent)
            names.add(parent.stream)
            parent = await self._parent(parent.stream)
        return tuple(reversed(found))

    def _lacking(self, fork: str, parent: Segment) -> str:
        is_there = self._versions[parent.stream] >= 0
        what = f"cut: it has to go up to {parent.until}" if is_there else "not here"
        return f"{fork} was forked from {parent.stream}, which is {what}"

    async def _parent(self, stream: str) -> Segment | None:
        if stream not in self._parents:
            self._parents[stream] = await parent_of(self._reader, stream)
        return self._parents[stream]

    async def _reaches(self, parent: Segment) -> bool:
        """Say whether a stream has all that a fork shares of it."""
        shared = parent.until or 0
        if self._versions.get(parent.stream, -1) < shared:
            self._versions[parent.stream] = await _version(self._reader, parent.stream)
        return self._versions[parent.stream] >= shared


async def segments(reader: Reader, stream: str, until: int | None = None) -> tuple[Segment, ...]:
    """Return the parts of one thread's history; see `Ancestry.segments`.

    Raises:
        IntegrityError: a fork's parent is missing, or forks lead in a circle.
    """
    return await Ancestry(reader).segments(stream, until)


async def _version(reader: Reader, parent: str) -> int:
    try:
        return await reader.stream_version(parent)
    except RefusedName as error:
        raise IntegrityError(f"a fork of {parent!r}, which is no stream") from error


async def parent_of(reader: Reader, stream: str) -> Segment | None:
    """Return what a fork shares of its parent's stream; None for a thread that is no fork."""
    async for message in reader.read(stream, until=0):
        return parent_in(message)
    return None


def parent_in(first: Message) -> Segment | None:
    """Return what a fork shares of its parent's stream, as its first message says."""
    event = decode(first).recorded.event
    if isinstance(event, SessionStarted) and event.forked_from:
        return Segment(event.forked_from.stream_name, event.forked_from.position)
    return None


async def read_rows(
    reader: Reader, stream: str, *, until: int | None = None
) -> AsyncIterator[tuple[Message, Decoded]]:
    """Read a thread's whole history in order, ancestors first, up to a position of its own."""
    for segment in await segments(reader, stream, until):
        async for message in reader.read(segment.stream, until=segment.until):
            yield message, decode(message)


async def read_events(
    reader: Reader, stream: str, *, until: int | None = None
) -> AsyncIterator[Recorded]:
    """Read a thread's whole history as events, ancestors first, up to a position of its own."""
    async for _, decoded in read_rows(reader, stream, until=until):
        yield decoded.recorded
