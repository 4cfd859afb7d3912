"""Checking many threads: all of a category, some at a time."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from messagedb_agent.agents.reading import Reading
from messagedb_agent.agents.snapshot_check import verify_all
from messagedb_agent.engine.findings import Verification
from messagedb_agent.engine.verify import Shared
from messagedb_agent.events.anchor import Head
from messagedb_agent.store.stream_name import id_of, is_thread, thread_category, thread_stream

CONCURRENCY = 4
"""How many threads one process checks at once.

Checking is this process's own time; while one thread's rows are on their way another one is
checked. More did not help (measured with a server on the same machine)."""

ALL = 2**31
"""More streams than there are."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found in one thread.

    Attributes:
        thread_id: its id.
        found: what was found.
    """

    thread_id: str
    found: Verification


async def thread_ids(engine: Reading) -> tuple[str, ...]:
    """Return the ids of all threads of an engine's category there are now, in order.

    Streams of the category whose names no thread can have are left out.

    Raises:
        StoreUnavailable: the store was not reached.
    """
    category = thread_category(engine.category, engine.version)
    streams = await engine.store.streams_with_prefix(f"{category}-", limit=ALL)
    return tuple(_id(stream) for stream in streams if is_thread(category, stream))


class Checking:
    """Verifies threads, one after the other; what forks share is looked at once.

    Args:
        engine: where they are kept.
    """

    def __init__(self, engine: Reading) -> None:
        self._engine = engine
        self._shared = Shared(engine.store)

    async def verify(self, thread_id: str, anchored: Head | None = None) -> Verification:
        """Check a thread; see `Engine.verify`."""
        engine = self._engine
        stream = thread_stream(engine.category, engine.version, thread_id)
        return await verify_all(engine.store, stream, anchored, self._shared)


async def check_threads(
    engine: Reading,
    thread_ids: Iterable[str],
    told: Callable[[Checked], None],
    heads: Mapping[str, Head] | None = None,
) -> None:
    """Verify threads, `CONCURRENCY` at once.

    Args:
        engine: where they are kept.
        thread_ids: their ids.
        told: called with each as it has been checked; what it raises ends the checking.
        heads: heads that threads had earlier, by the full names of their streams.

    Raises:
        RefusedName: no thread can have one of the ids.
        StoreUnavailable: the store was not reached.
    """
    checking, waiting = Checking(engine), iter(thread_ids)
    anchored = heads_by_id(engine, heads or {})
    shares = [_check(checking, waiting, told, anchored) for _ in range(CONCURRENCY)]
    await together(shares)


async def _check(
    checking: Checking,
    thread_ids: Iterator[str],
    told: Callable[[Checked], None],
    heads: Mapping[str, Head],
) -> None:
    for thread_id in thread_ids:
        told(Checked(thread_id, await checking.verify(thread_id, heads.get(thread_id))))


def anchored_ids(engine: Reading, heads: Iterable[str]) -> tuple[str, ...]:
    """Return the ids of the threads of an engine's category among streams that were anchored."""
    category = thread_category(engine.category, engine.version)
    return tuple(_id(s) for s in heads if is_thread(category, s))


def heads_by_id(engine: Reading, heads: Mapping[str, Head]) -> Mapping[str, Head]:
    """Return the heads of an engine's threads by their ids, without those of other streams."""
    prefix = f"{thread_category(engine.category, engine.version)}-"
    return {_id(stream): head for stream, head in heads.items() if stream.startswith(prefix)}


def _id(stream: str) -> str:
    return id_of(stream) or ""


async def together(shares: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Await several shares of a work; the first error ends the others, and is raised."""
    tasks = [asyncio.ensure_future(share) for share in shares]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
