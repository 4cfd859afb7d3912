"""The states that a state came from, one after the other, across forks."""

from collections.abc import Sequence

from messagedb_agent.agents.view import View, view
from messagedb_agent.engine.history import read_events
from messagedb_agent.events.schema import SessionStarted
from messagedb_agent.store.store import Reader


async def ancestry(reader: Reader, stream: str, until: int) -> Sequence[View]:
    """Return the folds of a thread at each of the states that lead to one of its own.

    Args:
        reader: where the thread is kept.
        stream: full name of its stream.
        until: position of the event that names the state.

    Returns:
        The first state of the oldest ancestor first, the state itself last.

    Raises:
        IntegrityError: a fork's parent is missing or cut, or forks lead in a circle.
        StoreUnavailable: the store was not reached.
    """
    found: dict[str, View] = {}
    seen = view.initial
    async for recorded in read_events(reader, stream, until=until):
        before, seen = seen, view.evolve(seen, recorded)
        current = seen.lineage.current
        if isinstance(recorded.event, SessionStarted) and before.lineage.current:
            found[before.lineage.current.id] = before  # also in the middle of a turn
        if current and current.id == recorded.id and current.kind != "open":
            found[current.id] = seen
    line = [seen]
    while (parent := _parent_id(line[-1])) in found:
        line.append(found.pop(parent))
    return line[::-1]


def _parent_id(seen: View) -> str:
    current = seen.lineage.current
    return (current.parent_id if current else None) or ""
