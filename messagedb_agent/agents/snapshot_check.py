"""Whether snapshots of a thread are what its events fold to: nothing of theirs is trusted here.

Every snapshot of this code is compared with the fold of all events up to its position, a page that
several name once. Snapshots of other code are used by nobody here, and only counted.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any

from messagedb_agent.agents.picture import Picture, causes, drawn
from messagedb_agent.agents.settled import Settled
from messagedb_agent.agents.view import view
from messagedb_agent.engine.findings import Finding, Verification, finding_at
from messagedb_agent.engine.fingerprint import fingerprint
from messagedb_agent.engine.history import read_rows, segments
from messagedb_agent.engine.places import Places
from messagedb_agent.engine.snapshot import Altered, Page, Snapshot, Unusable, snapshot_in
from messagedb_agent.engine.snapshots import (
    check_past,
    require_standing,
    snapshot_stream,
    with_pages,
)
from messagedb_agent.engine.verify import Shared, verify
from messagedb_agent.events.anchor import Head
from messagedb_agent.projections.grown import Grown
from messagedb_agent.store.message import Message
from messagedb_agent.store.store import Reader

_MOST_SHOWN = 200  # characters of a value


@dataclass(frozen=True, slots=True)
class Compared:
    """What was found in a thread's snapshots.

    Attributes:
        same: how many are what their events fold to.
        ignored: how many are of other code, or none of ours, and were not looked at.
        finding: the first that is not what it must be; None where there is none.
    """

    same: int = 0
    ignored: int = 0
    finding: Finding | None = None


@dataclass(frozen=True, slots=True)
class _Claimed:
    """A snapshot that says it is of this code, and the message it stands in."""

    message: Message
    snapshot: Snapshot

    def finding(
        self, what: str, recorded: object | None = None, computed: object | None = None
    ) -> Finding:
        said = (None if value is None else _shown(value) for value in (recorded, computed))
        return finding_at(self.message, what, *said)


@dataclass(slots=True)
class _Seen:
    """What was compared already: pages by where they stand, and where each was found the same."""

    pages: dict[tuple[int, int], Page] = field(default_factory=dict)
    same: dict[tuple[str, str, int], Grown[Any]] = field(default_factory=dict)


async def verify_all(
    reader: Reader, stream: str, anchored: Head | None = None, shared: Shared | None = None
) -> Verification:
    """Check all that stands in a thread, and then its snapshots; see `engine.verify.verify`."""
    found = await verify(reader, stream, anchored, shared)
    if found.finding is not None:
        return found
    kept = await compare(reader, stream)
    return replace(found, finding=kept.finding, snapshots=kept.same, other_snapshots=kept.ignored)


async def compare(reader: Reader, stream: str) -> Compared:
    """Compare the snapshots of a thread, whose log was verified, with what its events fold to.

    Args:
        reader: where the thread is kept.
        stream: full name of its stream.

    Raises:
        StoreUnavailable: the store was not reached.
    """
    due: dict[int, list[_Claimed]] = defaultdict(list)
    ignored, code = 0, fingerprint()
    async for message in reader.read(snapshot_stream(stream)):
        try:
            snapshot = snapshot_in(message)
        except Altered as why:
            return Compared(0, ignored, finding_at(message, f"the snapshot cannot be used: {why}"))
        except Unusable:
            ignored += 1
            continue
        if snapshot.code == code:
            due[snapshot.position].append(_Claimed(message, snapshot))
        else:
            ignored += 1
    same = sum(map(len, due.values()))
    finding = await _compare(reader, stream, due) if due else None
    return Compared(0 if finding else same, ignored, finding)


async def _compare(
    reader: Reader, stream: str, due: Mapping[int, Sequence[_Claimed]]
) -> Finding | None:
    past = (await segments(reader, stream))[:-1]
    for claimed in (one for some in due.values() for one in some):
        try:
            check_past(claimed.snapshot, stream, past)
            await require_standing(reader, claimed.snapshot)
        except Unusable as why:
            return claimed.finding(f"the snapshot cannot be used: {why}")
    folded, places, settled = view.initial, Places(stream), Settled(stream)
    events, seen = 0, _Seen()
    async for row, decoded in read_rows(reader, stream, until=max(due)):
        before, folded = folded, view.evolve(folded, decoded.recorded)
        settled.add(before, decoded.recorded, folded)
        events += 1
        if row.stream_name != stream:
            continue
        places.note(row.position, row.global_position, decoded.metadata.travelling)
        for claimed in due.get(row.position, ()):
            picture = Picture(folded, settled.dropped, places.some(causes(folded)))
            if finding := await _difference(reader, claimed, picture, events, seen):
                return finding
    return None


async def _difference(
    reader: Reader, claimed: _Claimed, computed: Picture, events: int, seen: _Seen
) -> Finding | None:
    if claimed.snapshot.events != events:
        return claimed.finding(_WRONG.format("events"), claimed.snapshot.events, events)
    try:
        snapshot = await with_pages(reader, claimed.snapshot, seen.pages)
        recorded, _ = drawn(snapshot.rest, snapshot.pages)
    except Unusable as why:
        return claimed.finding(f"the snapshot cannot be used: {why}")
    if recorded.dropped != computed.dropped:
        return claimed.finding(_WRONG.format("dropped"), recorded.dropped, computed.dropped)
    if recorded.noted != computed.noted:
        return claimed.finding(_WRONG.format("noted"), recorded.noted, computed.noted)
    grown = {
        "conversation.entries": (snapshot.pages["entries"], "entries"),
        "lineage.states": (snapshot.pages["states"], "states"),
    }
    differing = _differing("", recorded.view, computed.view, frozenset(grown))
    for name, (pages, kind) in grown.items():
        said, found = (_at(value.view, name) for value in (recorded, computed))
        differing = differing or _in_pages(name, said, found, pages, kind, seen)
    if differing is None:
        return None
    path, said, found = differing
    return claimed.finding(_WRONG.format(path), said, found)


_WRONG = "the snapshot is not what its events fold to: {}"
_Differing = tuple[str, object, object]


def _differing(
    path: str, recorded: Any, computed: Any, apart: frozenset[str] = frozenset()
) -> _Differing | None:
    """Return the first field that differs, and both its values."""
    if path in apart:
        return None
    if type(recorded) is not type(computed) or not is_dataclass(recorded):
        return None if recorded == computed else (path, recorded, computed)
    for one in fields(recorded):
        inner = f"{path}.{one.name}" if path else one.name
        said, found = (getattr(value, one.name) for value in (recorded, computed))
        if differing := _differing(inner, said, found, apart):
            return differing
    return None


def _in_pages(
    path: str,
    recorded: Grown[Any],
    computed: Grown[Any],
    pages: Sequence[Page],
    kind: str,
    seen: _Seen,
) -> _Differing | None:
    """Compare what grows, page by page, without pages that were found the same before."""
    if len(recorded) != len(computed):
        return f"{path}, how many", len(recorded), len(computed)
    start = 0
    for size, digest in (*((page.size, page.digest) for page in pages), (len(recorded), "")):
        end = min(start + size, len(recorded))
        then = seen.same.get((kind, digest, start)) if digest else None
        if then is None or computed.shared(then) < end:
            for index in range(start, end):
                if recorded[index] != computed[index]:
                    return f"{path}[{index}]", recorded[index], computed[index]
            seen.same[kind, digest, start] = computed
        start = end
    return None


def _at(value: Any, path: str) -> Any:
    for name in path.split("."):
        value = getattr(value, name)
    return value


def _shown(value: object) -> str:
    text = str(value) if isinstance(value, str | int) else repr(value)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}..."
