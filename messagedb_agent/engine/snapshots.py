"""Snapshots of threads, read and written beside them in streams of a category of their own.

Pages are written first, and then the snapshot that names them, each on condition that nobody else
has written there: whoever is killed on the way leaves pages that no snapshot names, and of two
that write at once one gives up.
"""

import logging
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import groupby
from typing import Protocol

from messagedb_agent.engine.history import Segment
from messagedb_agent.engine.snapshot import (
    PIECE_CHARS,
    TYPE,
    Foreign,
    Page,
    Snapshot,
    Unusable,
    data_of,
    pieces,
    row_digest,
    snapshot_in,
    with_pieces,
)
from messagedb_agent.errors import Conflict
from messagedb_agent.events.metadata import read_metadata
from messagedb_agent.ids import Ids
from messagedb_agent.store.message import Message, NewMessage
from messagedb_agent.store.store import Reader, Writer
from messagedb_agent.store.stream_name import beside, category_of, id_of

_logger = logging.getLogger("messagedb_agent.snapshots")

MOST_PIECES = 4
"""How many messages of pages are written in one append: more would hold a lock for long."""

_MOST_LOOKS = 8  # at snapshots of one stream, until one is found that this code has folded

PAGE_TYPE = "PageRecorded"


class SnapshotStore(Reader, Writer, Protocol):
    """A store as snapshots are kept in it."""


def snapshot_stream(stream: str) -> str:
    """Return the stream of a thread's snapshots, such as `agent:v0+snapshot-6f9c`."""
    return beside(category_of(stream), "snapshot", id_of(stream) or "")


def pages_stream(stream: str) -> str:
    """Return the stream of their pages; no thread's id has a `+`."""
    return f"{snapshot_stream(stream)}+pages"


@dataclass(frozen=True, slots=True)
class Found:
    """A snapshot that may be used.

    Attributes:
        snapshot: the snapshot, its pages read.
        segment: index of the part of the history that it ends in.
        head: position and id of its message.
    """

    snapshot: Snapshot
    segment: int
    head: tuple[int, str]


async def find(reader: Reader, parts: Sequence[Segment], code: str, least: int = 0) -> Found | None:
    """Return the newest snapshot of a history that may be used; None where there is none.

    Those of the thread itself are looked at first, and then those of its ancestors, from the
    nearest on; before some that are none of this code an older one, too: other code may work on
    the thread at the same time. Whatever is wrong with one is no error: it is not used.

    Args:
        reader: where threads and snapshots are kept.
        parts: the parts of the history, oldest first; each says where it ends.
        code: fingerprint of the code that folds here.
        least: position up to which a part is folded as fast as a snapshot of it is read.
    """
    for index in reversed(range(len(parts))):
        part = parts[index]
        if (part.until or 0) < least:
            continue
        message, looks = await _newest(reader, part), 1
        while message is not None:
            try:
                snapshot = snapshot_in(message)
                _check(snapshot, part, tuple(parts[:index]), code)
                await require_standing(reader, snapshot)
                whole = await with_pages(reader, snapshot)
                return Found(whole, index, (message.position, message.id))
            except Unusable as why:
                _ignored(message, str(why))
                goes_on = isinstance(why, Foreign) and message.position and looks < _MOST_LOOKS
                before = (message.stream_name, message.position - 1)
                message, looks = await _row(reader, *before) if goes_on else None, looks + 1
    return None


def _ignored(message: Message, why: str) -> None:
    place = f"{message.stream_name}/{message.position}"
    _logger.debug("the snapshot at %s is not used: %s", place, why)


async def _newest(reader: Reader, part: Segment) -> Message | None:
    """Return the newest snapshot of a stream at or before a position; they stand in its order."""
    stream = snapshot_stream(part.stream)
    last = await reader.last(stream)
    if last is None or part.until is None or _version(last) <= part.until:
        return last
    _ignored(last, f"the history ends before it, at {part.until}")
    found, low, high = None, 0, last.position - 1
    while low <= high:
        middle = (low + high) // 2
        message = await _row(reader, stream, middle)
        if message is not None and _version(message) <= part.until:
            found, low = message, middle + 1
        else:
            high = middle - 1
    return found


def _version(message: Message) -> int:
    try:
        return snapshot_in(message).position
    except Unusable:
        return -1  # why is said where it is looked at


def _check(snapshot: Snapshot, part: Segment, past: tuple[Segment, ...], code: str) -> None:
    if snapshot.code != code:
        raise Foreign("other code has folded it")
    if part.until is not None and snapshot.position > part.until:
        raise Unusable(f"it was taken at {snapshot.position}, behind {part.until}")
    check_past(snapshot, part.stream, past)


def check_past(snapshot: Snapshot, stream: str, past: tuple[Segment, ...]) -> None:
    """Ask whether a snapshot is one of a thread, and of its history.

    Raises:
        Unusable: it is another thread's, or the thread was forked from something else.
    """
    if snapshot.stream != stream:
        raise Unusable(f"it is one of {snapshot.stream}")
    if snapshot.past != past:
        raise Unusable("the thread was forked from something else")


async def require_standing(reader: Reader, snapshot: Snapshot) -> None:
    """Ask whether the event that a snapshot was taken at stands where it stood.

    Raises:
        Unusable: there is none there, or another one.
    """
    position = snapshot.position
    row = await _row(reader, snapshot.stream, position)
    if row is None:
        raise Unusable(f"the thread ends before {position}, where it was taken")
    written = read_metadata(row.metadata).hash
    if row_digest(row) != snapshot.row or (written is not None and written != snapshot.hash):
        raise Unusable(f"another event stands at {position} than the one it was taken at")


async def _row(reader: Reader, stream: str, position: int) -> Message | None:
    return await anext(aiter(reader.read(stream, position=position, until=position)), None)


async def with_pages(
    reader: Reader, snapshot: Snapshot, known: MutableMapping[tuple[int, int], Page] | None = None
) -> Snapshot:
    """Return a snapshot with its pages read.

    Args:
        reader: where it is kept.
        snapshot: the snapshot.
        known: pages that were read before, by their places; those that are read are added.

    Raises:
        Unusable: one is missing, or is not as it was written.
    """
    wanted = [snapshot.rest, *(p for pages in snapshot.pages.values() for p in pages)]
    known = {} if known is None else known
    missing = [page for page in wanted if page.place not in known]
    texts = await _texts(reader, pages_stream(snapshot.stream), missing)

    def filled(page: Page) -> Page:
        if page.place is None:
            return page
        first, count = page.place
        found = known.get(page.place)
        if found is None or found.digest != page.digest:
            found = with_pieces(page, [texts.get(i) for i in range(first, first + count)])
            known[page.place] = found
        return found

    pages = {name: tuple(map(filled, pages)) for name, pages in snapshot.pages.items()}
    return replace(snapshot, rest=filled(snapshot.rest), pages=pages)


async def _texts(reader: Reader, stream: str, pages: Sequence[Page]) -> Mapping[int, str | None]:
    """Read the messages of pages, those that stand side by side together."""
    places = [page.place for page in pages if page.place is not None]
    if sum(count for _, count in places) > 1_000_000:
        raise Unusable("it names too many pages")
    positions = sorted({i for first, count in places for i in range(first, first + count)})
    texts: dict[int, str | None] = {}
    for _, run in groupby(enumerate(positions), lambda pair: pair[1] - pair[0]):
        side_by_side = [position for _, position in run]
        ends = {"position": side_by_side[0], "until": side_by_side[-1]}
        async for message in reader.read(stream, **ends):
            texts[message.position] = message.data
    return texts


async def stands(reader: Reader, stream: str, head: tuple[int, str]) -> bool:
    """Say whether a snapshot of a thread stands where it was; somebody may have dropped it."""
    position, id = head
    message = await _row(reader, snapshot_stream(stream), position)
    return message is not None and message.id == id


async def write(
    store: SnapshotStore, ids: Ids, snapshot: Snapshot
) -> tuple[Snapshot, tuple[int, str]] | None:
    """Write a snapshot, pages that are not written yet before it.

    Args:
        store: where the thread is kept.
        ids: makes ids of messages.
        snapshot: what is to be written; its `row` and `time` are filled in here.

    Returns:
        The snapshot as it stands, and position and id of its message; None where its event does
        not stand, or somebody else was writing one.

    Raises:
        RefusedPayload: it holds what the store does not take.
        StoreUnavailable: the store was not reached.
    """
    stream = snapshot_stream(snapshot.stream)
    version = await store.stream_version(stream)
    row = await _row(store, snapshot.stream, snapshot.position)
    if row is None or read_metadata(row.metadata).hash not in (None, snapshot.hash):
        return None
    try:
        writer = _Pages(store, ids, pages_stream(snapshot.stream))
        pages = {
            name: tuple([await writer.placed(page) for page in pages])
            for name, pages in snapshot.pages.items()
        }
        rest = snapshot.rest
        if len(rest.packed or b"") > PIECE_CHARS:
            rest = await writer.placed(rest)
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        whole = replace(snapshot, row=row_digest(row), pages=pages, rest=rest, time=now)
        message = NewMessage(ids.new(), TYPE, data_of(whole))
        appended = await store.append(stream, message, expected_version=version)
    except Conflict as conflict:
        _logger.debug("a snapshot is not written: %s", conflict)
        return None
    return whole, (appended.position, message.id)


class _Pages:
    """Writes pages where a stream ends, each once."""

    def __init__(self, store: SnapshotStore, ids: Ids, stream: str) -> None:
        self._store = store
        self._ids = ids
        self._stream = stream
        self._version: int | None = None

    async def placed(self, page: Page) -> Page:
        """Return a page where it stands."""
        if page.place is not None:
            return page
        if self._version is None:
            self._version = await self._store.stream_version(self._stream)
        first, texts = self._version + 1, pieces(page)
        for start in range(0, len(texts), MOST_PIECES):
            messages = [
                NewMessage(self._ids.new(), PAGE_TYPE, text)
                for text in texts[start : start + MOST_PIECES]
            ]
            appended = await self._store.append(
                self._stream, *messages, expected_version=self._version
            )
            self._version = appended.position
        return replace(page, place=(first, len(texts)))
