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

from messagedb_agent.engine.findings import Finding, Verification
from messagedb_agent.engine.history import Ancestry, Segment
from messagedb_agent.engine.links import cut
from messagedb_agent.engine.revisions import Elsewhere
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
    finding = finding or await walk.through(own, anchored) or cut(anchored, version, "thread")
    return walk.result(stream, finding)


class Shared:
    """What threads have in common, checked once: kept while many threads are verified.

    All of it is forgotten once it has grown large, and checked again where it is needed. Of a
    stream with something wrong in it the rows before that are kept.

    Args:
        reader: where the threads are kept.

    Attributes:
        ancestry: who was forked from whom.
    """

    def __init__(self, reader: Reader) -> None:
        self.ancestry = Ancestry(reader)
        self._reader = reader
        self._elsewhere = Elsewhere(reader)
        self._kept: dict[str, list[tuple[int, Walk]]] = {}  # by stream, in the order of their ends
        self._characters = 0

    async def through(self, parts: Sequence[Segment]) -> tuple[Walk, Finding | None]:
        """Walk through the ancestors of a thread; return the walk, and what is wrong with them."""
        index, walk = self._nearest(parts)
        for part in parts[index:]:
            before = walk.characters
            finding = await walk.through(part)
            self._keep(part.stream, walk.parted(), walk.characters - before)
            if finding is not None:
                return walk, finding
        return walk, None

    def _nearest(self, parts: Sequence[Segment]) -> tuple[int, Walk]:
        """Return the index of the part to go on with, and a walk up to there, or into it."""
        for index, part in reversed(tuple(enumerate(parts))):
            known = self._kept.get(part.stream, ())
            if found := bisect_right(known, part.until or 0, key=_end):
                return index, known[found - 1][1].parted()
        return 0, Walk(self._reader, self._elsewhere)

    def _keep(self, stream: str, walk: Walk, characters: int) -> None:
        self._characters += characters
        if self._characters > _MOST_CHARACTERS:
            self.ancestry, self._kept, self._characters = Ancestry(self._reader), {}, characters
        end = walk.next_in(stream) - 1
        known = self._kept.setdefault(stream, [])
        place = bisect_right(known, end, key=_end)
        if end >= 0 and not (place and known[place - 1][0] == end):
            known.insert(place, (end, walk))


def _end(kept: tuple[int, Walk]) -> int:
    return kept[0]
