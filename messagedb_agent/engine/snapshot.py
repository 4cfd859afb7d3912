"""A snapshot: a fold of a thread up to an event, as it is kept beside the thread.

What grows with a thread, the messages of its conversation for one, stands in pages, each of which
is written once: the next snapshot names it again. All else stands in one part of its own.
A snapshot says what it was folded from and by which code; only where all of that is as it says may
it be used. It is never a truth: whatever is wrong with it, the thread is folded from its events.
"""

import hashlib
import zlib
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from messagedb_agent.engine.history import Segment
from messagedb_agent.events.canonical import read
from messagedb_agent.events.chain import GENESIS, hash_text, row_hash
from messagedb_agent.events.recorded import is_whole
from messagedb_agent.store.message import Message

TYPE = "Recorded"
"""Type of the messages, as of Eventide's snapshots."""

PAGE_BYTES = 128 * 1024
"""How much JSON a page holds, before it is packed; one item may be more."""

PIECE_CHARS = 256 * 1024
"""How much of a page stands in one message, once it is packed."""

_MOST_BYTES = 256 * 1024 * 1024  # of one page: what is packed by somebody else may be anything


class Unusable(Exception):
    """A snapshot may not be used; the text says why."""


class Foreign(Unusable):
    """It is none of this code; an earlier one may be."""


class Altered(Unusable):
    """It is not as it was written."""


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a snapshot, packed.

    Attributes:
        size: how many items it holds.
        packed: the items; None where they were not read.
        place: position of its first message, and how many there are; None before it is written.
        digest: SHA-256 of `packed`, as text.
    """

    size: int
    packed: bytes | None = field(repr=False)
    digest: str
    place: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A fold up to an event.

    Attributes:
        stream: the thread's stream.
        position: position of the event there.
        hash: the chain up to the event, as text.
        row: digest of the event's row alone, as text.
        past: the parts of the thread's history in its ancestors' streams, oldest first.
        code: fingerprint of the code that folded it.
        events: how many events were folded, ancestors' included.
        rest: what does not grow, and of what grows the newest part.
        pages: what grows, by name; each page full.
        time: when it was written, as ISO 8601; for people.
    """

    stream: str
    position: int
    hash: str
    row: str
    past: tuple[Segment, ...]
    code: str
    events: int
    rest: Page
    pages: Mapping[str, tuple[Page, ...]]
    time: str = ""


def packed_page(text: bytes, size: int) -> Page:
    """Return a page of a JSON text that holds so many items."""
    packed = zlib.compress(text, 1)
    return Page(size, packed, _digest(packed))


def unpacked(page: Page) -> Any:
    """Return the JSON value of a page that was read.

    Raises:
        Unusable: it cannot be unpacked, or is too large.
    """
    opener = zlib.decompressobj()
    try:
        text = opener.decompress(page.packed or b"", _MOST_BYTES)
        if not opener.eof:
            raise Unusable("a page is too large, or cut")
        return orjson.loads(text)
    except (zlib.error, orjson.JSONDecodeError) as error:
        raise Unusable(f"a page cannot be unpacked: {error}") from error


def pieces(page: Page) -> Sequence[str]:
    """Return the messages' data that hold a page, JSON texts."""
    text = b64encode(page.packed or b"").decode()
    parts = [text[i : i + PIECE_CHARS] for i in range(0, len(text), PIECE_CHARS)]
    return [orjson.dumps({"page": part}).decode() for part in parts or [""]]


def with_pieces(page: Page, texts: Sequence[str | None]) -> Page:
    """Return a page with what its messages hold.

    Args:
        page: the page, as its snapshot names it.
        texts: the messages' data.

    Raises:
        Unusable: they are not those that were written.
    """
    try:
        found = [read(text or "")["page"] for text in texts]
        packed = b64decode("".join(found), validate=True)
    except (ValueError, TypeError, KeyError) as error:
        raise Unusable("a page is no page") from error
    if _digest(packed) != page.digest:
        raise Unusable("a page is not as it was written")
    return Page(page.size, packed, page.digest, page.place)


def row_digest(row: Message) -> str:
    """Return the digest of a row by itself, whatever stands before it."""
    return hash_text(row_hash(GENESIS, row))


def data_of(snapshot: Snapshot) -> str:
    """Return the data of a snapshot's message, JSON text; all its pages are written."""
    entity = {
        "code": snapshot.code,
        "streamName": snapshot.stream,
        "hash": snapshot.hash,
        "row": snapshot.row,
        "past": [[part.stream, part.until] for part in snapshot.past],
        "events": snapshot.events,
        "rest": _page_json(snapshot.rest),
        "pages": {name: [*map(_page_json, pages)] for name, pages in snapshot.pages.items()},
    }
    entity["digest"] = _entity_digest(entity, snapshot.position)
    data = {
        "entityData": entity,
        "entityVersion": snapshot.position,
        "time": snapshot.time,
    }
    return orjson.dumps(data).decode()


def snapshot_in(message: Message) -> Snapshot:
    """Return the snapshot that a message holds, its pages not read.

    Raises:
        Unusable: it holds none, or not as it was written.
    """
    if message.type != TYPE:
        raise Foreign(f"a {message.type} is no snapshot")
    try:
        data = read(message.data or "")
        entity, position = dict(data["entityData"]), data["entityVersion"]
        digest = entity.pop("digest")
        snapshot = Snapshot(
            stream=str(entity["streamName"]),
            position=_whole(position),
            hash=str(entity["hash"]),
            row=str(entity["row"]),
            past=tuple(Segment(str(name), _whole(until)) for name, until in entity["past"]),
            code=str(entity["code"]),
            events=_whole(entity["events"]),
            rest=_page_in(entity["rest"]),
            pages={
                str(name): tuple(map(_page_in, pages)) for name, pages in entity["pages"].items()
            },
            time=str(data["time"]),
        )
        is_as_written = digest == _entity_digest(entity, position)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Foreign("it is none of ours") from error
    if not is_as_written:
        raise Altered("it is not as it was written")
    return snapshot


def _page_json(page: Page) -> Mapping[str, Any]:
    if page.place is not None:
        first, count = page.place
        held: Mapping[str, Any] = {"position": first, "messages": count}
    else:
        held = {"page": b64encode(page.packed or b"").decode()}
    return {"size": page.size, "digest": page.digest, **held}


def _page_in(page: Mapping[str, Any]) -> Page:
    size, digest = _whole(page["size"]), str(page["digest"])
    if not size:
        raise ValueError("no page holds nothing")
    if "page" in page:
        packed = b64decode(page["page"], validate=True)
        if _digest(packed) != digest:
            raise Altered("a page is not as it was written")
        return Page(size, packed, digest)
    return Page(size, None, digest, (_whole(page["position"]), _whole(page["messages"])))


def _whole(value: Any) -> int:
    if not is_whole(value) or not 0 <= value <= 2**53:
        raise ValueError("no whole number")
    return value


def _entity_digest(entity: Mapping[str, Any], position: Any) -> str:
    """Return the digest of all that a snapshot says; its pages are covered by theirs."""
    text = orjson.dumps({**entity, "version": position}, option=orjson.OPT_SORT_KEYS)
    return _digest(text)


def _digest(packed: bytes) -> str:
    return hash_text(hashlib.sha256(packed).digest())
