"""The threads that forks make of one: its ancestors, their forks, and so on, as a tree."""

from dataclasses import dataclass
from itertools import pairwise

from messagedb_agent.agents.finding import shortest_prefix
from messagedb_agent.agents.glance import Catalogue, Counts, glance
from messagedb_agent.engine.history import Segment, parent_of, segments
from messagedb_agent.events.schema import SessionStarted
from messagedb_agent.store.store import Beginning
from messagedb_agent.store.stream_name import is_thread

MAX_RELATIVES = 100
"""How many threads a tree has at the most, beside the ancestors of the one that is asked for."""


@dataclass(frozen=True, slots=True)
class Branch:
    """A thread among its forks.

    Attributes:
        thread_id: its id.
        prefix: the shortest beginning of its id that names no other thread.
        title: its title, or how it began.
        parent_id: id of the thread it was forked from; None for the one that is no fork.
        forked_at: position, in its parent's stream, of the last event that it shares; likewise.
    """

    thread_id: str
    prefix: str
    title: str
    parent_id: str | None = None
    forked_at: int | None = None


@dataclass(frozen=True, slots=True)
class Family:
    """All threads that come from the same first one.

    Attributes:
        threads: the thread that is no fork, and then every fork behind its parent.
        is_whole: whether these are all; else some forks are left out.
    """

    threads: tuple[Branch, ...]
    is_whole: bool

    def forks(self, thread_id: str) -> tuple[Branch, ...]:
        """Return the forks of a thread, in the order in which they branched off."""
        found = (branch for branch in self.threads if branch.parent_id == thread_id)
        return tuple(sorted(found, key=lambda branch: branch.forked_at or 0))


async def family(
    store: Catalogue, category: str, stream: str, limit: int = MAX_RELATIVES
) -> Family:
    """Return the tree that a thread stands in.

    Args:
        store: where the threads are kept.
        category: their category, such as `agent:v0`.
        stream: full name of the thread's stream.
        limit: how many threads at the most, beside the thread and its ancestors.

    Raises:
        IntegrityError: a fork's parent is missing or cut, or forks lead in a circle.
    """
    line = await segments(store, stream)
    parents: dict[str, Segment | None] = {line[0].stream: None}
    parents |= {fork.stream: parent for parent, fork in pairwise(line)}
    own, is_whole = len(parents), True
    newest = tuple(parents)
    while newest and is_whole:
        known, newest = newest, ()
        begun = Beginning(SessionStarted.__name__, ("forkedFrom", "streamName"), known)
        found = await store.begun_with(category, begun, limit=limit + len(parents) + 1)
        for name in found:
            if name in parents or not is_thread(category, name):
                continue
            if len(parents) - own >= limit:
                is_whole = False
                break
            if (parent := await parent_of(store, name)) is not None:
                parents[name] = parent
                newest = (*newest, name)
    counts = Counts(store)
    branches = [await _branch(store, category, name, parents[name], counts) for name in parents]
    return Family(tuple(branches), is_whole)


async def _branch(
    store: Catalogue, category: str, stream: str, parent: Segment | None, counts: Counts
) -> Branch:
    seen = await glance(store, stream, await store.stream_version(stream), counts=counts)
    return Branch(
        thread_id=stream.removeprefix(f"{category}-"),
        prefix=await shortest_prefix(store, category, stream),
        title=seen.title,
        parent_id=parent.stream.removeprefix(f"{category}-") if parent else None,
        forked_at=parent.until if parent else None,
    )
