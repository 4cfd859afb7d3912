"""What a row of a stream owes to those before it: its place, its hash, a head that was kept.

All streams of ours are chained alike: threads, users' memory, named definitions.
"""

from messagedb_agent.engine.findings import Finding, finding_at
from messagedb_agent.events.anchor import Head
from messagedb_agent.store.message import Message


def misplaced(row: Message, expected: int) -> Finding | None:
    """Say whether a row stands elsewhere than behind the one before it."""
    if row.position == expected:
        return None
    what = f"row {expected} is missing" if row.position > expected else "comes twice"
    return finding_at(row, what, str(row.position), str(expected))


def unlinked(row: Message, recorded: str, computed: str, unproven: int | None) -> Finding | None:
    """Say whether a row's hash follows.

    Args:
        row: the row.
        recorded: the hash that it says.
        computed: the hash that it should say.
        unproven: position of the first of the rows without a hash right before it; None for none.
    """
    if recorded == computed:
        return None
    what = "the hash does not follow: this row is not as it was written"
    if unproven is not None:
        what += f", or a row of another writer before it, from {unproven} on"
    return finding_at(row, what, recorded, computed)


def unanchored(row: Message, computed: str, anchored: Head | None) -> Finding | None:
    """Say whether a row that was a head is another by now, or follows from others."""
    if anchored is None or row.position != anchored.position or anchored.hash == computed:
        return None
    what = "the chain up to here is another than the one that was anchored"
    return finding_at(row, what, anchored.hash, computed)


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
