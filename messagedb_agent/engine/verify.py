"""Whether a thread's log is what was written: positions, hashes, ids, causes, steps, requests.

Rows are read again from the first, a fork's ancestors' before its own, and everything that can be
computed is computed again; no model and no tool is called. The first row that does not follow is
the finding, and nothing after it is looked at.

Rows of other writers carry no hash. They are named and not condemned: nobody said what they must
be, and the next row with a hash covers them. Requests of a projection that this code does not know
are named, too, and not condemned.

What a chain cannot show: a tail that was cut off or, behind the last hash, changed; a chain that
was made anew as a whole. That takes a head kept elsewhere (`events/anchor.py`). Another `time` or
global position, and the global position of a cause, are covered by nothing: the server gives them,
and gives others where a thread is imported.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from messagedb_agent.engine.findings import Finding, Verification
from messagedb_agent.engine.history import Ancestry, Segment
from messagedb_agent.engine.walk import Walk
from messagedb_agent.errors import IntegrityError, RefusedName
from messagedb_agent.events.anchor import Head
from messagedb_agent.store.store import Reader

_MOST_CHARACTERS = 2**25  # of data and metadata whose folds are kept


async def verify(
    reader: Reader, stream: str, anchored: Head | None = None, shared: "Shared | None" = None
) -> Verification:
    """Check all that stands in a thread, up to its present end.

    A stream without any rows has nothing wrong with it, if none was anchored.

    Args:
        reader: where the thread is kept.
        stream: full name of the thread's stream.
        anchored: a head that the thread had earlier, and must have gone on from; None where none
            is known.
        shared: what was found in ancestors of threads that were verified before, and is not
            looked at again.

    Raises:
        RefusedName: `stream` is a category.
        StoreUnavailable: the store was not reached.
    """
    shared = shared or Shared(reader)
    version = await reader.stream_version(stream)
    try:
        *ancestors, own = await shared.ancestry.segments(stream, version)
    except (IntegrityError, RefusedName) as error:
        return Verification(0, 0, (), Finding(stream, 0, "", str(error)))
    walk, finding = await shared.through(ancestors)
    finding = finding or await walk.through(own, anchored) or _cut(anchored, version)
    return walk.result(stream, finding)


def _cut(anchored: Head | None, version: int) -> Finding | None:
    """Say whether a thread ends before what was once its head."""
    if anchored is None or anchored.position <= version:
        return None
    what = f"the thread is cut: it was anchored at {anchored.position}, and ends at {version}"
    if version < 0:
        what = f"the thread is gone: it was anchored at {anchored.position}"
    return Finding(anchored.stream, version + 1, "", what, recorded=anchored.hash)


@dataclass(frozen=True, slots=True)
class _Kept:
    """How a stream was found up to a position.

    Attributes:
        end: the position.
        walk: the walk up to there, or up to what is wrong.
        finding: what is wrong.
    """

    end: int
    walk: Walk
    finding: Finding | None


class Shared:
    """What forks have in common, checked once: kept while many threads are verified.

    All of it is forgotten once it has grown large, and checked again where it is needed.

    Args:
        reader: where the threads are kept.

    Attributes:
        ancestry: who was forked from whom.
    """

    def __init__(self, reader: Reader) -> None:
        self.ancestry = Ancestry(reader)
        self._reader = reader
        self._kept: dict[str, list[_Kept]] = {}  # by stream, in the order of positions
        self._characters = 0

    async def through(self, parts: Sequence[Segment]) -> tuple[Walk, Finding | None]:
        """Walk through the ancestors of a thread; return the walk, and what is wrong with them."""
        index, kept = self._nearest(parts)
        walk, finding = (kept.walk.parted(), kept.finding) if kept else (Walk(self._reader), None)
        for part in parts[index:]:
            if finding is not None:
                break
            before = walk.characters
            finding = await walk.through(part)
            self._keep(part, walk.parted(), finding, walk.characters - before)
        return walk, finding

    def _nearest(self, parts: Sequence[Segment]) -> tuple[int, _Kept | None]:
        """Return the index of the part to go on with, and what is known up to a place in it."""
        for index, part in reversed(tuple(enumerate(parts))):
            known = self._kept.get(part.stream, ())
            found = bisect_right(known, part.until or 0, key=lambda one: one.end)
            if found:
                return index, known[found - 1]
        return 0, None

    def _keep(self, part: Segment, walk: Walk, finding: Finding | None, characters: int) -> None:
        self._characters += characters
        if self._characters > _MOST_CHARACTERS:
            self.ancestry, self._kept, self._characters = Ancestry(self._reader), {}, characters
        end = min(part.until or 0, finding.position) if finding else part.until or 0
        known = self._kept.setdefault(part.stream, [])
        place = bisect_right(known, end, key=lambda one: one.end)
        if not place or known[place - 1].end != end:
            known.insert(place, _Kept(end, walk, finding))
