"""States of threads as they were folded: the next state is folded on from the nearest one.

What stands at a position of a stream never changes, and all that comes before it neither. So a fold
up to there is right for ever, for the thread and for every fork that shares it. Whether the event
it ends with still stands is asked all the same: a database may have been put back behind our back.
"""

from bisect import bisect_right, insort
from collections import OrderedDict, defaultdict
from collections.abc import Sequence
from threading import Lock

from messagedb_agent.agents.snapshot_policy import LONG
from messagedb_agent.agents.snapshotting import Snapshotting
from messagedb_agent.agents.view import View, view
from messagedb_agent.agents.weight import text_weight
from messagedb_agent.engine.history import Segment, segments
from messagedb_agent.events.codec import decode
from messagedb_agent.store.store import Reader

MAX_ENTRIES = 50_000
"""How many messages and states are kept, over all folds; what several share counts for each, and
long texts for several."""


class FoldedStates:
    """Folds of threads up to some of their events, the longest unused dropped first.

    Any thread of the process may use it.

    Args:
        max_entries: how many messages and states are kept, over all folds; the fold kept last
            stays, however long it is.
    """

    def __init__(self, max_entries: int = MAX_ENTRIES) -> None:
        self._max_entries = max_entries
        self._entries = 0
        self._views: OrderedDict[tuple[str, int], View] = OrderedDict()
        self._positions: defaultdict[str, list[int]] = defaultdict(list)
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._views)

    def keep(self, seen: View) -> None:
        """Keep a fold; one without any event is not kept."""
        if seen.last is None:
            return
        place = seen.last.stream, seen.last.position
        with self._lock:
            self._drop(place)
            self._views[place] = seen
            insort(self._positions[place[0]], place[1])
            self._entries += _entries(seen)
            while self._entries > self._max_entries and len(self._views) > 1:
                self._drop(next(iter(self._views)))

    def nearest(self, stream: str, until: int) -> View | None:
        """Return the fold that ends nearest before a position of a stream, or at it."""
        with self._lock:
            positions = self._positions.get(stream, [])
            index = bisect_right(positions, until)
            if not index:
                return None
            place = stream, positions[index - 1]
            self._views.move_to_end(place)
            return self._views[place]

    def drop(self, stream: str) -> None:
        """Drop the folds that end in a stream."""
        with self._lock:
            for position in tuple(self._positions.get(stream, ())):
                self._drop((stream, position))

    def clear(self) -> None:
        """Drop all."""
        with self._lock:
            self._views.clear()
            self._positions.clear()
            self._entries = 0

    def _drop(self, place: tuple[str, int]) -> None:
        seen = self._views.pop(place, None)
        if seen is None:
            return
        self._entries -= _entries(seen)
        stream, position = place
        self._positions[stream].remove(position)
        if not self._positions[stream]:
            del self._positions[stream]


def _entries(seen: View) -> int:
    return 1 + len(seen.conversation.entries) + len(seen.lineage.states) + text_weight(seen)


async def state_at(
    store: Reader, stream: str, position: int, kept: FoldedStates, snapshots: Snapshotting | None
) -> View:
    """Return the fold of a thread up to an event of its own, and keep it.

    Args:
        store: where the thread is kept.
        stream: full name of its stream.
        position: position of the event.
        kept: folds that may be gone on from.
        snapshots: where a long fold may begin; None for nowhere.

    Raises:
        RefusedName: the stream is a category.
        IntegrityError: a fork's parent is missing or cut, or forks lead in a circle.
        StoreUnavailable: the store was not reached.
    """
    parts = await segments(store, stream, position)
    seen = await _from_kept(store, parts, kept)
    if seen is None and snapshots and sum(map(_size, parts)) > LONG:
        restored = await snapshots.restored(parts)
        if restored is not None:
            seen = await _folded_on(store, parts, restored.found.segment, restored.picture.view)
    if seen is None:
        seen = view.initial
        for part in parts:
            async for message in store.read(part.stream, until=part.until):
                seen = view.evolve(seen, decode(message).recorded)
    kept.keep(seen)
    return seen


async def _from_kept(store: Reader, parts: Sequence[Segment], kept: FoldedStates) -> View | None:
    for index in reversed(range(len(parts))):
        stream, until = parts[index].stream, parts[index].until
        near = None if until is None else kept.nearest(stream, until)
        if near is None:
            continue
        seen = await _folded_on(store, parts, index, near)
        if seen is not None:
            return seen
        kept.drop(stream)
    return None


async def _folded_on(
    store: Reader, parts: Sequence[Segment], index: int, begun: View
) -> View | None:
    """Fold a history on from an event in one of its parts; None where it stands there no more."""
    if begun.last is None:
        return None
    seen, start = None, begun.last.position
    for part in parts[index:]:
        async for message in store.read(part.stream, position=start, until=part.until):
            recorded = decode(message).recorded
            if seen is not None:
                seen = view.evolve(seen, recorded)
            elif recorded == begun.last:
                seen = begun
            else:
                return None
        start = 0
    return seen


def _size(part: Segment) -> int:
    return 0 if part.until is None else part.until + 1
