"""When snapshots of threads are written, and how: beside the work, and never in its way."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from messagedb_agent.agents.picture import Drawn, Picture, draw, drawn
from messagedb_agent.agents.snapshot_policy import SnapshotPolicy
from messagedb_agent.engine.fingerprint import fingerprint
from messagedb_agent.engine.history import Segment
from messagedb_agent.engine.snapshot import Page, Snapshot, Unusable
from messagedb_agent.engine.snapshots import Found, SnapshotStore, find, stands, write
from messagedb_agent.errors import AgentError
from messagedb_agent.events.chain import hash_text
from messagedb_agent.ids import Ids

_logger = logging.getLogger("messagedb_agent.snapshots")

CLOSE_S = 5.0
"""How long closing waits for snapshots that are being written, in seconds."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A fold that is to be kept, or was.

    Attributes:
        stream: the thread's stream.
        position: position of the last event in it.
        hash: hash of its row.
        past: the parts of the history in ancestors' streams.
        events: how many events were folded.
        picture: the fold.
    """

    stream: str
    position: int
    hash: bytes
    past: tuple[Segment, ...]
    events: int
    picture: Picture


@dataclass(frozen=True, slots=True)
class Restored:
    """A fold that was kept.

    Attributes:
        found: the snapshot.
        picture: what it holds.
        drawn: its parts, for the next one.
    """

    found: Found
    picture: Picture
    drawn: Drawn


class Snapshotting:
    """Snapshots of the threads of one store.

    Args:
        store: where threads and snapshots are kept.
        ids: makes ids of messages.
        policy: how often one is written.
    """

    def __init__(self, store: SnapshotStore, ids: Ids, policy: SnapshotPolicy) -> None:
        self.policy = policy
        self._store = store
        self._ids = ids
        self._under_way: dict[str, asyncio.Task[None]] = {}

    async def restored(self, parts: Sequence[Segment]) -> Restored | None:
        """Return the newest snapshot of a history that may be used; None where there is none.

        Args:
            parts: the parts of the history, oldest first; the last may not say where it ends.
        """
        code = fingerprint() if self.policy.is_on else None
        if code is None:
            return None
        last = parts[-1]
        if last.until is None:
            version = await self._store.stream_version(last.stream)
            parts = (*parts[:-1], replace(last, until=version))
        found = await find(self._store, parts, code, self.policy.least)
        if found is None:
            return None
        snapshot = found.snapshot
        try:
            picture, parts_drawn = drawn(snapshot.rest, snapshot.pages, snapshot.stream)
        except Unusable as why:
            _logger.debug("a snapshot of %s is not used: %s", snapshot.stream, why)
            return None
        is_own = found.segment == len(parts) - 1
        kept = replace(parts_drawn, head=found.head) if is_own else _unplaced(parts_drawn)
        return Restored(found, picture, kept)

    def begin(self, taken: Taken, before: Drawn | None, run: "Keeping") -> None:
        """Begin to write a snapshot, if none of this thread is being written.

        Args:
            taken: the fold.
            before: what was written last of this thread.
            run: is told once it is written.
        """
        if taken.stream in self._under_way:
            return
        task = asyncio.create_task(self._written(taken, before, run))
        self._under_way[taken.stream] = task
        task.add_done_callback(lambda _: self._under_way.pop(taken.stream, None))

    @property
    def is_busy(self) -> bool:
        """Whether a snapshot is being written."""
        return bool(self._under_way)

    async def close(self) -> None:
        """Wait a moment for what is being written, and give up the rest."""
        tasks = tuple(self._under_way.values())
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=CLOSE_S)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _written(self, taken: Taken, before: Drawn | None, run: "Keeping") -> None:
        try:
            if (kept := await self.write(taken, before)) is not None:
                run.was_kept(taken, kept)
        except AgentError as error:
            _logger.debug("no snapshot of %s: %s", taken.stream, error)
        except Exception:
            _logger.warning("no snapshot of %s", taken.stream, exc_info=True)

    async def write(self, taken: Taken, before: Drawn | None = None) -> Drawn | None:
        """Write a snapshot, and return its parts; None where somebody else was writing one.

        Raises:
            RefusedPayload: it holds what the store does not take.
            StoreUnavailable: the store was not reached.
        """
        code = fingerprint()
        if code is None:
            return None
        if before and before.head and not await stands(self._store, taken.stream, before.head):
            before = None  # it was dropped, and its pages with it
        parts = await _drawn_by_and_by(taken.picture, before)
        snapshot = Snapshot(
            stream=taken.stream,
            position=taken.position,
            hash=hash_text(taken.hash),
            row="",
            past=taken.past,
            code=code,
            events=taken.events,
            rest=parts.rest,
            pages=parts.pages,
        )
        written = await write(self._store, self._ids, snapshot)
        if written is None:
            return None
        kept, head = written
        return Drawn(parts.view, _without_contents(kept.pages), kept.rest, head)


class Keeping(Protocol):
    """Who has taken a fold, and is told that it is kept."""

    def was_kept(self, taken: Taken, kept: Drawn) -> None:
        """Hear that a snapshot stands."""
        ...


async def _drawn_by_and_by(picture: Picture, before: Drawn | None) -> Drawn:
    """Make the parts of a snapshot, and let others work after each page."""
    drawing = draw(picture, before)
    while True:
        try:
            next(drawing)
        except StopIteration as end:
            done: Drawn = end.value
            return done
        await asyncio.sleep(0)


def _without_contents(pages: Mapping[str, tuple[Page, ...]]) -> Mapping[str, tuple[Page, ...]]:
    return {
        name: tuple(replace(page, packed=None) for page in some) for name, some in pages.items()
    }


def _unplaced(parts: Drawn) -> Drawn:
    """Return the parts of an ancestor's snapshot, whose pages stand in another stream."""
    pages = {
        name: tuple(replace(page, place=None) for page in some)
        for name, some in parts.pages.items()
    }
    return Drawn(parts.view, pages, parts.rest)
