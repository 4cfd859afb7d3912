"""A thread in a line, from a bounded part of what stands in it.

A short thread is read whole. Of a longer one its newest rows are read, some of its first ones, and
how many of each type there are, which the store is asked once for each stream. Its status follows
from the newest rows alone, where a claim for an answer is among them that an engine made, and none
newer than this code: it was decided on the whole history, so all before it is known. A newer engine
goes on behind what this code must not pass.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from messagedb_agent.agents.filed import filed
from messagedb_agent.changing import changed
from messagedb_agent.engine.history import segments
from messagedb_agent.errors import IntegrityError
from messagedb_agent.events.codec import Decoded, decode
from messagedb_agent.events.recorded import Recorded
from messagedb_agent.events.schema import (
    RULES,
    SCHEMA_VERSION,
    AgentRedefined,
    LlmCallStarted,
    LlmResponseReceived,
    SessionStarted,
    SessionTitled,
    ToolExecutionFailed,
    ToolOutcomeResolved,
    UserMessageAdded,
)
from messagedb_agent.events.values import Definition
from messagedb_agent.projections.projection import fold
from messagedb_agent.projections.summary import Summary, ready_for, summary
from messagedb_agent.store.store import Directory, Reader, TypeRows

SIZES = (128, 1024)
"""How many of the newest rows are read, and how many where those do not tell."""

_FIRST = 32  # rows among which a first message with text, or a first event that counts, is sought


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


class Counts:
    """How many rows of each type stand in parts of streams; each is asked for once.

    Args:
        store: where the streams are kept.
    """

    def __init__(self, store: Directory) -> None:
        self._store = store
        self._found: dict[_Part, Mapping[str, TypeRows]] = {}

    async def of(self, part: _Part) -> Mapping[str, TypeRows]:
        """Return what stands in a part, by type; the server goes through its rows."""
        if part not in self._found:
            answers = LlmResponseReceived.__name__
            self._found[part] = await self._store.types(
                part.stream, until=part.until, texts_of=answers
            )
        return self._found[part]


async def glance(
    store: Catalogue,
    stream: str,
    version: int,
    *,
    sizes: Sequence[int] = SIZES,
    counts: Counts | None = None,
) -> Summary:
    """Return a thread in a line, up to a position of its own.

    A fork whose past is gone is shown by what stands in its own stream.

    Args:
        store: where the thread is kept.
        stream: full name of its stream.
        version: position of the last event to look at.
        sizes: how many of the newest rows are read, and how many where those do not tell.
        counts: shared by threads that are looked at together: forks have much in common.

    Returns:
        The summary; an empty one, without a stream, where all of it is gone by now.
    """
    counts = counts or Counts(store)
    try:
        parts = await _parts(store, stream, version)
        is_whole = True
    except IntegrityError:
        parts = (_Part(stream, version),)
        is_whole = False  # nobody can have decided anything on a past that is gone
    total = sum(part.size for part in parts)
    known: Known = ()
    for size in sizes:
        newest = await _newest(store, parts, size)
        if size >= total or not newest:
            return fold(summary, (row.recorded for row in newest))
        if not is_whole or not any(map(is_our_claim, newest)):
            continue
        known = known or await _known(counts, parts)
        if not all(_is_complete(part, types) for part, types in known):
            break  # what was decided on may be gone
        if _lacks_what_was_resolved(newest):
            if size != sizes[-1]:
                continue
            whole = await _newest(store, parts, total)  # as seldom as others resolve outcomes
            return fold(summary, (row.recorded for row in whole))
        if (seen := await _from_claim(store, counts, known, newest)) is not None:
            return await _with_beginning(store, known, seen)
    last = newest[-1].recorded
    seen = Summary(stream=last.stream, updated_at_ms=last.time_ms, is_partial=True)
    return await _with_beginning(store, known or await _known(counts, parts), seen)


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


Known = Sequence[tuple[_Part, Mapping[str, TypeRows]]]


async def _known(counts: Counts, parts: Sequence[_Part]) -> Known:
    return [(part, await counts.of(part)) for part in parts]


def _is_complete(part: _Part, types: Mapping[str, TypeRows]) -> bool:
    return sum(rows.count for rows in types.values()) == part.size


async def _from_claim(
    store: Reader, counts: Counts, known: Known, newest: Sequence[Decoded]
) -> Summary | None:
    """Return what follows from a claim in sight, but for the beginning; None where none tells."""
    later = newest[_telling_claim(newest) :]
    claim = later[0].recorded
    definition = await _definition(store, counts, known, claim)
    if definition is None:
        return None
    begun = ready_for(claim, definition)
    seen = fold(summary, (row.recorded for row in later), _resolving(begun, later, newest))
    again = changed(begun, state=changed(begun.state, overflowed=True))
    other = fold(summary, (row.recorded for row in later), again)
    return seen if seen.status == other.status else None


def _telling_claim(newest: Sequence[Decoded]) -> int:
    """Return the place of the oldest claim of ours for which the agent in force is easily found.

    That is one behind the newest definition in sight; where there is none, the oldest of all.
    """
    claims = [i for i, row in enumerate(newest) if is_our_claim(row)]
    defined = [i for i, row in enumerate(newest) if _defines(row.recorded)]
    return next((i for i in claims if not defined or i > defined[-1]), claims[0])


def _defines(recorded: Recorded) -> bool:
    return isinstance(recorded.event, SessionStarted | AgentRedefined)


def is_our_claim(row: Decoded) -> bool:
    """Say whether a row is the claim of an engine for an answer, which this code understands."""
    event = row.recorded.event
    return isinstance(event, LlmCallStarted) and event.purpose == "answer" and _is_ours(row)


def _is_ours(row: Decoded) -> bool:
    """Say whether an engine wrote a row that knew no more than this code does."""
    told = row.metadata
    is_newer = told.schema_version > SCHEMA_VERSION or told.rules > RULES
    return told.hash is not None and not is_newer


def _resolving(begun: Summary, later: Sequence[Decoded], newest: Sequence[Decoded]) -> Summary:
    """Let those resolutions count that this engine wrote, or whose outcome is seen to be unknown.

    An engine knew what was unknown; of what others wrote only what is in sight tells.
    """
    in_sight = _unknown_outcomes(newest)
    calls = frozenset(
        row.recorded.event.call_id
        for row in later
        if isinstance(row.recorded.event, ToolOutcomeResolved)
        and (_is_ours(row) or row.recorded.event.call_id in in_sight)
    )
    return changed(begun, state=changed(begun.state, unresolved=dict.fromkeys(calls, 1)))


def _lacks_what_was_resolved(newest: Sequence[Decoded]) -> bool:
    """Say whether others resolved an outcome that is out of sight, so that more rows are wanted."""
    in_sight = _unknown_outcomes(newest)
    return any(
        row.recorded.event.call_id not in in_sight
        for row in newest
        if isinstance(row.recorded.event, ToolOutcomeResolved) and not _is_ours(row)
    )


def _unknown_outcomes(rows: Sequence[Decoded]) -> frozenset[str]:
    events = (row.recorded.event for row in rows)
    return frozenset(
        event.call_id
        for event in events
        if isinstance(event, ToolExecutionFailed) and event.kind == "outcome_unknown"
    )


async def _definition(
    store: Reader, counts: Counts, known: Known, claim: Recorded
) -> Definition | None:
    """Return the agent in force at a claim: the newest redefinition since the newest start."""
    index = next(i for i, (part, _) in enumerate(known) if part.stream == claim.stream)
    for part, types in reversed(known[: index + 1]):
        redefined = types.get(AgentRedefined.__name__)
        if part.stream == claim.stream and redefined and redefined.last > claim.position:
            types = await counts.of(_Part(part.stream, claim.position))
            redefined = types.get(AgentRedefined.__name__)
        if (started := types.get(SessionStarted.__name__)) is None:
            continue
        place = max(started.first, redefined.last if redefined else 0)
        row = await _row(store, part.stream, place)
        if row and isinstance(row.event, SessionStarted | AgentRedefined):
            return row.event.definition
        return None
    return None


async def _with_beginning(store: Catalogue, known: Known, seen: Summary) -> Summary:
    """Put in what does not follow from the newest rows."""
    started = await _started(store, known)
    own, types = known[-1]
    filing = await filed(store, own.stream, own.until, types)
    return changed(
        seen,
        state=changed(seen.state, tags=filing.tags, archived=filing.archived),
        given_title=await _title(store, known),
        user=started.event.user if started and isinstance(started.event, SessionStarted) else None,
        first_message=await _first_message(store, known),
        messages=sum(_messages(types) for _, types in known),
        started_at_ms=started.time_ms if started else await _first_time_ms(store, known),
    )


async def _title(store: Reader, known: Known) -> str:
    """Return the newest title; empty where there is none, or where it cannot be read."""
    for part, types in reversed(known):
        if rows := types.get(SessionTitled.__name__):
            row = await _row(store, part.stream, rows.last)
            return summary.evolve(summary.initial, row).given_title if row else ""
    return ""


async def _first_message(store: Reader, known: Known) -> str:
    """Return the first line of the first user message that has one: a fork's past may have none.

    Never one from the newest rows: the title of a thread that goes on must not move.
    """
    for part, types in known:
        if rows := types.get(UserMessageAdded.__name__):
            head = await _head(store, part, rows.first)
            if head.first_message:
                return head.first_message
    return ""


async def _started(store: Reader, known: Known) -> Recorded | None:
    """Return the start of a thread, a fork's its own."""
    own, types = known[-1]
    if rows := types.get(SessionStarted.__name__):
        begun = await _row(store, own.stream, rows.first)
        if begun and isinstance(begun.event, SessionStarted):
            return begun
    return None


async def _first_time_ms(store: Reader, known: Known) -> int | None:
    """Return when the first event that counts happened, in a thread that was never started."""
    own, _ = known[-1]
    return (await _head(store, own, 0)).started_at_ms


def _messages(types: Mapping[str, TypeRows]) -> int:
    said, answered = types.get(UserMessageAdded.__name__), types.get(LlmResponseReceived.__name__)
    return (said.count if said else 0) + (answered.with_text if answered else 0)


async def _head(store: Reader, part: _Part, start: int) -> Summary:
    """Return the fold of the first rows of a stream from a position on."""
    until = min(part.until, start + _FIRST - 1)
    seen = summary.initial
    async for row in store.read(part.stream, position=start, until=until):
        seen = summary.evolve(seen, decode(row).recorded)
    return seen


async def _row(store: Reader, stream: str, position: int) -> Recorded | None:
    async for row in store.read(stream, position=position, until=position):
        return decode(row).recorded
    return None
