"""A thread in a line, from a bounded part of what stands in it.

A short thread is read whole. Of a longer one its newest rows are read, its first ones, and how many
of each type there are. Its status follows from the newest rows alone, where a claim for an answer
that this engine made is among them: it was decided on the whole history, so all before it is known.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import dropwhile
from typing import Protocol

from messagedb_agent.changing import changed
from messagedb_agent.engine.history import segments
from messagedb_agent.errors import IntegrityError
from messagedb_agent.events.codec import Decoded, decode
from messagedb_agent.events.recorded import Recorded
from messagedb_agent.events.schema import (
    AgentRedefined,
    LlmCallStarted,
    SessionStarted,
    SessionTitled,
    ToolOutcomeResolved,
)
from messagedb_agent.events.values import AgentDefinition
from messagedb_agent.projections.projection import fold
from messagedb_agent.projections.summary import Summary, ready_for, summary
from messagedb_agent.store.store import Directory, Reader, TypeRows

SIZES = (128, 1024)
"""How many of the newest rows are read, and how many where those do not tell."""

_FIRST = 32  # rows from which the title and the time of the start are taken


class Catalogue(Reader, Directory, Protocol):
    """A store as threads are found in it."""


@dataclass(frozen=True, slots=True)
class _Part:
    """Some rows of one stream of a history: those up to `until`, inclusive."""

    stream: str
    until: int

    @property
    def size(self) -> int:
        return self.until + 1


async def glance(
    store: Catalogue, stream: str, version: int, *, sizes: Sequence[int] = SIZES
) -> Summary:
    """Return a thread in a line, up to a position of its own.

    A fork whose past is gone is shown by what stands in its own stream.

    Args:
        store: where the thread is kept.
        stream: full name of its stream.
        version: position of the last event to look at.
        sizes: how many of the newest rows are read, and how many where those do not tell.
    """
    try:
        parts = await _parts(store, stream, version)
        is_whole = True
    except IntegrityError:
        parts = (_Part(stream, version),)
        is_whole = False  # nobody can have decided anything on a past that is gone
    total = sum(part.size for part in parts)
    for size in sizes:
        newest = await _newest(store, parts, size)
        if size >= total:
            return fold(summary, (row.recorded for row in newest))
        if is_whole and (found := await _from_claim(store, parts, newest)) is not None:
            return found
    return await _partial(store, parts, newest)


async def _parts(store: Reader, stream: str, version: int) -> tuple[_Part, ...]:
    return tuple(
        _Part(segment.stream, version if segment.until is None else segment.until)
        for segment in await segments(store, stream, version)
    )


async def _newest(store: Reader, parts: Sequence[_Part], size: int) -> list[Decoded]:
    """Return the newest rows of a history, oldest first."""
    found: list[Decoded] = []
    for part in reversed(parts):
        start = max(0, part.size - (size - len(found)))
        if start > part.until:
            break
        rows = store.read(part.stream, position=start, until=part.until)
        found = [decode(row) async for row in rows] + found
    return found


async def _from_claim(
    store: Catalogue, parts: Sequence[_Part], newest: Sequence[Decoded]
) -> Summary | None:
    """Return the summary that follows from the oldest claim in sight; None where none tells."""
    later = [*dropwhile(lambda row: not _is_our_claim(row), newest)]
    if not later:
        return None
    claim = later[0].recorded
    before = _before(parts, claim.stream, claim.position)
    known = [(part, await store.types(part.stream, until=part.until)) for part in before]
    definition = await _definition(store, known)
    if definition is None:
        return None
    begun = await _with_beginning(store, known, ready_for(claim, definition))
    seen = fold(summary, (row.recorded for row in later), _resolving(begun, later))
    again = changed(begun, state=changed(begun.state, overflowed=True))
    other = fold(summary, (row.recorded for row in later), again)
    return seen if seen.status == other.status else None


def _is_our_claim(row: Decoded) -> bool:
    event = row.recorded.event
    is_answer = isinstance(event, LlmCallStarted) and event.purpose == "answer"
    return is_answer and row.metadata.hash is not None


def _before(parts: Sequence[_Part], stream: str, position: int) -> tuple[_Part, ...]:
    """Return what stands before a place of a history, oldest first."""
    index = next(i for i, part in enumerate(parts) if part.stream == stream)
    return (*parts[:index], _Part(stream, position - 1))


def _resolving(begun: Summary, later: Sequence[Decoded]) -> Summary:
    """Let those resolutions count that this engine wrote: it knew what was unknown."""
    calls = frozenset(
        row.recorded.event.call_id
        for row in later
        if row.metadata.hash is not None and isinstance(row.recorded.event, ToolOutcomeResolved)
    )
    return changed(begun, state=changed(begun.state, unknown=calls))


Known = Sequence[tuple[_Part, Mapping[str, TypeRows]]]


async def _definition(store: Reader, known: Known) -> AgentDefinition | None:
    """Return the agent in force: the newest redefinition since the newest start."""
    for part, types in reversed(known):
        if (started := types.get(SessionStarted.__name__)) is None:
            continue
        redefined = types.get(AgentRedefined.__name__)
        place = max(started.first, redefined.last if redefined else 0)
        row = await _row(store, part.stream, place)
        if row and isinstance(row.event, SessionStarted | AgentRedefined):
            return row.event.definition
        return None
    return None


async def _with_beginning(store: Reader, known: Known, seen: Summary) -> Summary:
    """Add what is told by the first rows, and by how many there are of each type."""
    first, types = known[0]
    head = await _head(store, first, 0)
    if not head.first_message and (rows := types.get("UserMessageAdded")):
        head = changed(head, first_message=(await _head(store, first, rows.first)).first_message)
    own = known[-1][0]
    if len(known) > 1:  # a fork's own start
        head = changed(head, started_at_ms=(await _head(store, own, 0)).started_at_ms)
    elif not head.state.started and (rows := types.get(SessionStarted.__name__)):
        begun = await _head(store, own, rows.first)
        head = changed(head, started_at_ms=begun.started_at_ms)
    return changed(
        seen,
        given_title=await _title(store, known),
        first_message=head.first_message,
        messages=sum(_messages(types) for _, types in known),
        started_at_ms=head.started_at_ms,
    )


async def _head(store: Reader, part: _Part, start: int) -> Summary:
    """Return the fold of the first rows of a stream from a position on."""
    until = min(part.until, start + _FIRST - 1)
    seen = summary.initial
    async for row in store.read(part.stream, position=start, until=until):
        seen = summary.evolve(seen, decode(row).recorded)
    return seen


async def _title(store: Reader, known: Known) -> str:
    """Return the newest title; empty where there is none, or where it cannot be read."""
    for part, types in reversed(known):
        if rows := types.get(SessionTitled.__name__):
            row = await _row(store, part.stream, rows.last)
            return summary.evolve(summary.initial, row).given_title if row else ""
    return ""


def _messages(types: Mapping[str, TypeRows]) -> int:
    said, answered = types.get("UserMessageAdded"), types.get("LlmResponseReceived")
    return (said.count if said else 0) + (answered.with_text if answered else 0)


async def _row(store: Reader, stream: str, position: int) -> Recorded | None:
    async for row in store.read(stream, position=position, until=position):
        return decode(row).recorded
    return None


async def _partial(store: Catalogue, parts: Sequence[_Part], newest: Sequence[Decoded]) -> Summary:
    """Return what can be said of a thread whose newest rows do not tell how it stands."""
    known = [(part, await store.types(part.stream, until=part.until)) for part in parts]
    last = newest[-1].recorded
    seen = Summary(stream=last.stream, updated_at_ms=last.time_ms, is_partial=True)
    return await _with_beginning(store, known, seen)
