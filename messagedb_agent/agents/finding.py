"""Threads by name: whole ids, unique prefixes, `last`, and the list of the newest."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from messagedb_agent.agents.filed import Filing, archived, candidates, deleted
from messagedb_agent.agents.glance import Catalogue, Counts, glance
from messagedb_agent.errors import AmbiguousName, NotFound, RefusedName
from messagedb_agent.projections.summary import Status, Summary
from messagedb_agent.store.store import Owner, StreamHead
from messagedb_agent.store.stream_name import checked_thread_id, is_thread

SHORTEST_PREFIX = 6
"""Fewest characters by which a list names a thread."""

ANY = Filing()
"""Every thread that is not archived."""

_SHOWN_CANDIDATES = 5
# A foreign writer's streams may stand between: few round trips, however many there are.
_SPARE = 200


@dataclass(frozen=True, slots=True)
class Listed:
    """A thread in a list.

    Attributes:
        prefix: the shortest beginning of its id that names no other thread.
        summary: the thread in a line.
        is_left: whether an effect was started, and nobody works on the thread by now: who did is
            gone, or was cut off.
    """

    prefix: str
    summary: Summary
    is_left: bool = False

    @property
    def status(self) -> Status | Literal["interrupted"]:
        """How the thread stands; `interrupted` for `running` where it was left.

        Whoever takes it up (a worker, `Agent.resume`) goes on with it.
        """
        return "interrupted" if self.is_left else self.summary.status


class Threads(Catalogue, Owner, Protocol):
    """A store as threads are listed from it."""


async def find_thread(store: Catalogue, category: str, name: str) -> str:
    """Return the id of the thread that a person means.

    Args:
        store: where threads are kept.
        category: their category, such as `agent:v0`.
        name: a whole id, a unique prefix of one, or `last` for the thread with the newest event.

    Raises:
        NotFound: there is no such thread.
        AmbiguousName: the prefix fits several.
        RefusedName: the name is empty.
    """
    if not name:
        raise RefusedName(
            "the thread's name is empty; it is an id, a unique beginning of one, or `last`",
            field="thread",
        )
    if name == "last":
        async for head in _newest(store, category, 1):
            return _thread_id(category, head.stream_name)
        none = NotFound("thread", name)
        none.args = ("there are no threads yet",)
        raise none
    try:
        prefix = f"{category}-{checked_thread_id(name)}"
    except RefusedName as error:
        raise NotFound("thread", name) from error
    found = await store.streams_with_prefix(prefix, limit=_SHOWN_CANDIDATES + _SPARE)
    streams = [stream for stream in found if is_thread(category, stream)]
    if prefix in streams:
        return name
    if not streams:
        raise NotFound("thread", name)
    if len(streams) > 1:
        ids = tuple(_thread_id(category, stream) for stream in streams[:_SHOWN_CANDIDATES])
        raise AmbiguousName("thread", name, ids)
    return _thread_id(category, streams[0])


async def list_threads(
    store: Threads, category: str, limit: int, filing: Filing = ANY
) -> tuple[Listed, ...]:
    """Return the threads with the newest events that are meant, newest first.

    Only the threads that are listed are read, and of each no more than a bounded part; those that
    are looked at in vain, as they are archived or deleted, are as many as are listed.
    """
    listed, counts = list[Listed](), Counts(store)
    ends: dict[str, int] = {}
    async for head in _meant(store, category, limit, filing):
        seen = await glance(store, head.stream_name, head.position, counts=counts)
        if seen.stream and filing.fits(seen):  # else it was deleted, or filed anew, meanwhile
            prefix = await shortest_prefix(store, category, head.stream_name)
            listed.append(Listed(prefix, seen))
            ends[seen.stream] = head.position
        if len(listed) == limit:
            break
    gone = await left(store, {s: ends[s] for s in map(_running, listed) if s})
    return tuple(replace(one, is_left=True) if _running(one) in gone else one for one in listed)


async def _meant(
    store: Threads, category: str, limit: int, filing: Filing
) -> AsyncIterator[StreamHead]:
    """Yield the streams with the newest events that may be meant.

    Behind as many as are wanted, those that are archived or deleted are left out: many may have
    been put away one after the other, and so be the newest.
    """
    if limit < 1:
        return
    streams = await candidates(store, category, filing)
    chunks = _newest_chunks(store, category, limit)
    if streams is not None:
        threads = [stream for stream in streams if is_thread(category, stream)]
        chunks = _in_chunks(await store.heads_of(threads), limit)
    is_first = streams is None
    async for heads in chunks:
        away, names = frozenset[str](), [head.stream_name for head in heads]
        if not is_first:
            away = await deleted(store, category, names)
            if not filing.archived:
                away |= await archived(store, category, names)
        is_first = False
        for head in heads:
            if head.stream_name not in away:
                yield head


async def _newest_chunks(
    store: Catalogue, category: str, size: int
) -> AsyncIterator[Sequence[StreamHead]]:
    before = None
    while heads := [head async for head in _newest(store, category, size, before)]:
        yield heads
        before = heads[-1].global_position
        size = max(size, min(size * 2, _SPARE))


async def _in_chunks(heads: Sequence[StreamHead], size: int) -> AsyncIterator[Sequence[StreamHead]]:
    for start in range(0, len(heads), size):
        yield heads[start : start + size]


def _running(listed: Listed) -> str | None:
    """Return the stream of a thread in which something runs; None for any other."""
    return listed.summary.stream if listed.summary.status == "running" else None


async def left(store: Threads, running: Mapping[str, int]) -> frozenset[str]:
    """Return those streams with an open claim that nobody owns, which one statement tells.

    Who claims owns the stream before and after. So where none does, and the stream still ends
    where the claim was open, whoever has claimed is gone; else its end has been written.

    Args:
        store: where the streams are kept.
        running: where streams ended whose claim was open, by stream.
    """
    if not running:
        return frozenset()
    free = running.keys() - await store.owned(running.keys())
    return frozenset([s for s in free if await store.stream_version(s) == running[s]])


async def _newest(
    store: Catalogue, category: str, limit: int, before: int | None = None
) -> AsyncIterator[StreamHead]:
    """Yield the streams with the newest events whose names are those of threads.

    Args:
        store: where threads are kept.
        category: their category.
        limit: how many at the most.
        before: only streams whose last event has a global position below this one.
    """
    while limit > 0:
        heads = await store.newest_streams(category, limit=limit + _SPARE, before=before)
        for head in heads:
            if is_thread(category, head.stream_name):
                limit -= 1
                yield head
                if not limit:
                    return
        if not heads:
            return
        before = heads[-1].global_position


async def shortest_prefix(store: Catalogue, category: str, stream: str) -> str:
    """Return the shortest beginning of a thread's id, of at least six characters, that is its."""
    around: Sequence[str | None] = await store.neighbours(stream)
    shared = max((_shared(stream, other) for other in around if other), default=0)
    thread_id = _thread_id(category, stream)
    return thread_id[: max(SHORTEST_PREFIX, shared - len(category))]


def _shared(one: str, other: str) -> int:
    """Return how many characters two names have in common at their beginning."""
    pairs = zip(one, other, strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def _thread_id(category: str, stream: str) -> str:
    return stream.removeprefix(f"{category}-")
