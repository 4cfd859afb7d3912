"""The chain of a history, followed row by row: places, ids, hashes, and a head that was kept.

All streams of ours are chained alike: threads, users' memory, named definitions.
"""

from copy import copy

from messagedb_agent.engine.findings import Finding, ForeignRow, finding_at
from messagedb_agent.events.anchor import Head
from messagedb_agent.events.chain import GENESIS, hash_text, row_hash
from messagedb_agent.events.metadata import Metadata
from messagedb_agent.projections.grown import Grown
from messagedb_agent.store.message import Message


class Links:
    """How far a chain was followed.

    Attributes:
        rows: how many rows follow.
        last: the last of them; None before the first.
        foreign: those of other writers among them, in order.
    """

    def __init__(self) -> None:
        self.rows = 0
        self.last: Message | None = None
        self.foreign: Grown[ForeignRow] = Grown()
        self._stream = ""
        self._anchored: Head | None = None
        self._hash = GENESIS
        self._next_hash = GENESIS  # of the row that is looked at
        self._ids: dict[str, int] = {}  # of the stream it is in; what parts there shares it
        self._ids_before: tuple[tuple[dict[str, int], int], ...] = ()  # of its ancestors, up to
        self._unproven: int | None = None  # first of the rows since the last hash

    def parted(self) -> "Links":
        """Return what goes on from here by itself."""
        return copy(self)

    def enter(self, stream: str, anchored: Head | None) -> None:
        """Go on in a stream, which may be the one it is in.

        Args:
            stream: its full name.
            anchored: a head that it had earlier; None where none is known.
        """
        self._anchored, self._stream = anchored, stream
        if self.last is not None and self.last.stream_name == stream:
            return
        if self.last is not None:
            self._ids_before = (*self._ids_before, (self._ids, self.last.position))
        self._ids, self._unproven = {}, None

    def next_in(self, stream: str) -> int:
        """Return the position of the next row of a stream."""
        last = self.last
        return last.position + 1 if last is not None and last.stream_name == stream else 0

    def head(self, stream: str) -> Head | None:
        """Return the last row of a stream that follows; None where there is none."""
        if self.last is None or self.last.stream_name != stream:
            return None
        return Head(stream, self.last.position, hash_text(self._hash))

    def broken(self, row: Message, metadata: Metadata) -> Finding | None:
        """Say what is wrong with the next row, whatever it says."""
        expected = self.next_in(self._stream)
        if row.position != expected:
            what = f"row {expected} is missing" if row.position > expected else "comes twice"
            return finding_at(row, what, str(row.position), str(expected))
        self._next_hash = row_hash(self._hash, row)
        recorded, computed = metadata.hash, hash_text(self._next_hash)
        if self._has(row.id, row.position):
            return finding_at(row, "the id of an earlier row", row.id)
        if recorded is None and metadata.writer is not None:
            return finding_at(row, "its hash is missing", None, computed)
        if recorded in (None, computed):
            return None
        what = "the hash does not follow: this row is not as it was written"
        if self._unproven is not None:
            what += f", or a row of another writer before it, from {self._unproven} on"
        return finding_at(row, what, recorded, computed)

    def take(self, row: Message, metadata: Metadata) -> Finding | None:
        """Take in a row that is not broken; say whether it is another than the head that was kept.

        A row without a hash is another writer's.
        """
        if metadata.hash is not None:
            self._unproven = None
        else:
            foreign = ForeignRow(row.stream_name, row.position, row.type)
            self.foreign = self.foreign.plus(foreign)
            if self._unproven is None:
                self._unproven = row.position
        anchored, computed = self._anchored, hash_text(self._next_hash)
        if anchored and anchored.position == row.position and anchored.hash != computed:
            what = "the chain up to here is another than the one that was anchored"
            return finding_at(row, what, anchored.hash, computed)
        self._hash, self.last = self._next_hash, row
        self._ids[row.id] = row.position
        self.rows += 1
        return None

    def unfinished(self, until: int | None) -> Finding | None:
        """Say whether rows of the stream are missing up to a position."""
        expected = self.next_in(self._stream)
        if until is None or expected > until:
            return None
        return Finding(self._stream, expected, "", f"row {expected} is missing")

    def _has(self, id: str, position: int) -> bool:
        """Say whether a row before a position of this stream has an id."""
        return self._ids.get(id, position) < position or any(
            ids.get(id, until + 1) <= until for ids, until in self._ids_before
        )


def cut(anchored: Head | None, version: int, kind: str) -> Finding | None:
    """Say whether a stream ends before what was once its head.

    Args:
        anchored: the head; None where none is known.
        version: position of the last row that is there, -1 for none.
        kind: what the stream is, for people.
    """
    if anchored is None or anchored.position <= version:
        return None
    what = f"the {kind} is cut: it was anchored at {anchored.position}, and ends at {version}"
    if version < 0:
        what = f"the {kind} is gone: it was anchored at {anchored.position}"
    return Finding(anchored.stream, version + 1, "", what, recorded=anchored.hash)
