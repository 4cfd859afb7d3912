"""The past that a fork shares with its parent, where the parent's state is at hand."""

from collections.abc import Sequence
from contextlib import suppress

from messagedb_agent.agents.standing import Standing
from messagedb_agent.engine.history import Segment
from messagedb_agent.engine.journal import Opened
from messagedb_agent.events.chain import hash_bytes
from messagedb_agent.events.codec import decode
from messagedb_agent.store.store import Reader


async def opened_at(reader: Reader, parent: Standing, parts: Sequence[Segment]) -> Opened | None:
    """Return how far the history of a fork is folded by the state that it branches off from.

    So a fork of a long thread reads no more than one of a short one: its ancestors' first rows,
    and the row that it branches off at, for its hash.

    Args:
        reader: where the threads are kept.
        parent: the state.
        parts: the parts of the fork's history, oldest first; the last is its own.

    Returns:
        None where the state has events in it that the fork is not to share, as a title behind the
        answer, and where another row stands there now, or one without a hash.
    """
    shared, last = parts[-2], parent.view.last
    if last is None or (last.stream, last.position) != (shared.stream, shared.until):
        return None
    async for row in reader.read(last.stream, position=last.position, until=last.position):
        told = decode(row).metadata.hash
        if row.id == last.id and told is not None:
            with suppress(ValueError):  # forged
                place = len(parts) - 2
                return Opened(place, last.position, hash_bytes(told), parent.view.conversation)
    return None
