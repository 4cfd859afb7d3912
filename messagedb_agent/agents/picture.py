"""What a run has folded, as the parts of a snapshot, and back.

A run is pictured between two events, where it rests. Of what grows with the thread, the messages
of the conversation and the states, whole pages are made, which the next picture has again; what
does not fill one stands with the rest. Pages are decoded where somebody asks for what is in them.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import orjson
from pydantic import ValidationError

from messagedb_agent.agent import state as states
from messagedb_agent.agent import steps
from messagedb_agent.agents.plain import Plainly
from messagedb_agent.agents.view import View
from messagedb_agent.changing import changed
from messagedb_agent.engine.places import Noted
from messagedb_agent.engine.snapshot import PAGE_BYTES, Page, Unusable, packed_page, unpacked
from messagedb_agent.errors import IntegrityError
from messagedb_agent.events import values
from messagedb_agent.events.chain import GENESIS, hash_bytes, hash_text
from messagedb_agent.events.codec import EVENT_TYPES
from messagedb_agent.events.metadata import Travelling
from messagedb_agent.events.recorded import Place, Recorded, UnknownEvent
from messagedb_agent.events.request import (
    AskedCall,
    AssistantReply,
    RequestMessage,
    ToolAnswer,
    UserText,
)
from messagedb_agent.projections.conversation import Conversation, Entry, Round
from messagedb_agent.projections.digest import message_digest
from messagedb_agent.projections.grown import Grown
from messagedb_agent.projections.lineage import AgentState, Lineage
from messagedb_agent.projections.outcome import Outcome
from messagedb_agent.projections.pages import Pages


def _defined(module: Any) -> list[type]:
    found = [cls for cls in vars(module).values() if isinstance(cls, type)]
    return [cls for cls in found if cls.__module__ == module.__name__]


_PLAINLY = Plainly(
    *_defined(states),
    *_defined(steps),
    *_defined(values),
    *EVENT_TYPES.values(),
    *(Recorded, UnknownEvent, UserText, AskedCall, AssistantReply, ToolAnswer),
    *(Conversation, Entry, Round, AgentState, Lineage, Outcome, View),
)


@dataclass(frozen=True, slots=True)
class Picture:
    """What a run has folded.

    Attributes:
        view: the fold.
        dropped: what `Settled` knows of a cancel whose claims are still open.
        noted: events that may be causes of later ones.
    """

    view: View
    dropped: int | None = None
    noted: tuple[Noted, ...] = ()


@dataclass(frozen=True, slots=True)
class Drawn:
    """A picture as it was written.

    Attributes:
        view: the fold.
        pages: its full pages, by what they hold.
        rest: all else.
        head: position and id of the message that names them; None where they stand elsewhere.
    """

    view: View
    pages: Mapping[str, tuple[Page, ...]]
    rest: Page
    head: tuple[int, str] | None = None


def causes(view: View) -> frozenset[int]:
    """Return the positions of a thread's own stream that later events may follow from."""
    state = view.conversation.state
    named = {state.owed, state.terminating, *(call.cause for call in state.calls.values())}
    if state.model_call:
        named.add(state.model_call.position)
    return frozenset({0, *(position for position in named if position is not None)})


def draw(
    picture: Picture, before: Drawn | None = None, page_bytes: int | None = None
) -> Generator[None, None, Drawn]:
    """Make the parts of a snapshot, and pause after each page.

    Args:
        picture: what is to be kept.
        before: what was written last; its pages are taken over as far as they are the same.
        page_bytes: how much JSON fills a page; `PAGE_BYTES` by default.

    Raises:
        TypeError: JSON cannot hold it.
    """
    page_bytes = PAGE_BYTES if page_bytes is None else page_bytes
    view, talk, line = picture.view, picture.view.conversation, picture.view.lineage
    pages: dict[str, tuple[Page, ...]] = {}
    tails: dict[str, orjson.Fragment] = {}
    for name, form in _FORMS.items():
        items, old = form.of(view), form.of(before.view) if before else None
        kept = _kept(before.pages[name], items.shared(old)) if before and old is not None else ()
        found = [*kept]
        rows, start = _Rows(form, items), sum(page.size for page in kept)
        for index in range(start, len(items)):
            if rows.size_bytes >= page_bytes:  # the newest item is always in the tail
                found.append(rows.page())
                yield
                rows = _Rows(form, items)
            rows.add(index)
        pages[name], tails[name] = tuple(found), orjson.Fragment(rows.text())
    bare = changed(
        view,
        conversation=changed(talk, entries=Grown()),
        lineage=Lineage(line.state, Grown(), line.current, line.step),
    )
    rest = {
        "view": _PLAINLY.of(bare),
        "dropped": picture.dropped,
        "noted": [_noted_row(noted) for noted in picture.noted],
        **tails,
    }
    return Drawn(view, pages, packed_page(orjson.dumps(rest), 1))


def drawn(rest: Page, pages: Mapping[str, tuple[Page, ...]]) -> tuple[Picture, Drawn]:
    """Return the picture that a snapshot holds, its full pages not decoded.

    Raises:
        Unusable: it holds none, or not in the shape of this code.
    """
    try:
        found = unpacked(rest)
        view = _PLAINLY.made(found["view"])
        grown: dict[str, Grown[Any]] = {}
        for name, form in _FORMS.items():
            sizes = [page.size for page in pages[name]]
            before = Pages(sizes, _reader(form, pages[name])) if sizes else ()
            grown[name] = Grown(_items(form, found[name]), before)
        line = view.lineage
        view = changed(
            view,
            conversation=changed(view.conversation, entries=grown["entries"]),
            lineage=Lineage(line.state, grown["states"], line.current, line.step),
        )
        noted = tuple(_noted(*row) for row in found["noted"])
        picture = Picture(view, found["dropped"], noted)
    except (*_MISSHAPEN, ValidationError) as error:
        raise Unusable(f"it has another shape: {type(error).__name__}") from error
    return picture, Drawn(view, pages, rest)


_MISSHAPEN = (ValueError, TypeError, KeyError, AttributeError, ArithmeticError, RecursionError)


def _kept(pages: Sequence[Page], shared: int) -> tuple[Page, ...]:
    """Return the pages before an item, which stay as they are; not that of the last item."""
    ends = accumulate(page.size for page in pages)
    return tuple(page for page, end in zip(pages, ends, strict=True) if end < shared)


def _noted_row(noted: Noted) -> Sequence[Any]:
    carried = noted.travelling
    return [
        noted.position,
        noted.global_position,
        carried.correlation,
        carried.reply_to,
        carried.properties,
    ]


def _noted(position: int, global_position: int | None, *carried: str | None) -> Noted:
    return Noted(position, global_position, Travelling(*carried))


@dataclass(frozen=True, slots=True)
class _Form:
    """How items of one kind are written as rows.

    Attributes:
        of: returns the items of a view.
        row: returns an item as a row, the names of streams as numbers.
        item: makes the item of a row, behind the digest before it.
        digest: returns the digest behind an item.
    """

    of: Callable[[View], Grown[Any]]
    row: Callable[[Any, Callable[[str], int]], Sequence[Any]]
    item: Callable[[Sequence[Any], Sequence[str], bytes], Any]
    digest: Callable[[Any], bytes]


class _Rows:
    """A page while it is made.

    Args:
        form: how its items are written.
        items: all items.
    """

    def __init__(self, form: _Form, items: Grown[Any]) -> None:
        self._form = form
        self._items = items
        self._start = hash_text(GENESIS)
        self._streams: dict[str, int] = {}
        self._rows: list[bytes] = []
        self.size_bytes = 0

    def add(self, index: int) -> None:
        if not self._rows and index:
            self._start = hash_text(self._form.digest(self._items[index - 1]))
        row = orjson.dumps(self._form.row(self._items[index], self._number))
        self._rows.append(row)
        self.size_bytes += len(row)

    def text(self) -> bytes:
        rows = orjson.Fragment(b"[" + b",".join(self._rows) + b"]")
        return orjson.dumps({"start": self._start, "streams": [*self._streams], "rows": rows})

    def page(self) -> Page:
        return packed_page(self.text(), len(self._rows))

    def _number(self, stream: str) -> int:
        return self._streams.setdefault(stream, len(self._streams))


def _items(form: _Form, page: Mapping[str, Any]) -> list[Any]:
    digest, streams = hash_bytes(page["start"]), [str(name) for name in page["streams"]]
    items = []
    for row in page["rows"]:
        item = form.item(row, streams, digest)
        digest = form.digest(item)
        items.append(item)
    return items


def _reader(form: _Form, pages: Sequence[Page]) -> Callable[[int], Sequence[Any]]:
    """Return what decodes a page; it was read and is as it was written."""

    def items(index: int) -> Sequence[Any]:
        page = pages[index]
        try:
            found = _items(form, unpacked(page))
        except (Unusable, *_MISSHAPEN) as error:
            raise IntegrityError(f"a page of a snapshot has another shape: {error}") from error
        if len(found) != page.size:
            raise IntegrityError(f"a page of a snapshot holds {len(found)} items, not {page.size}")
        return found

    return items


def _entry_row(entry: Entry, number: Callable[[str], int]) -> Sequence[Any]:
    (source, at), (closed, closed_at) = entry.source, entry.closed
    place = (number(source), at, number(closed), closed_at)
    match entry.message:
        case UserText(text=text):
            return (*place, text)
        case ToolAnswer(call_id=id, name=name, text=text):
            return (*place, text, id, name)
        case AssistantReply(text=text, calls=calls, provider_blocks=blocks):
            asked = [(call.call_id, call.name, call.arguments) for call in calls]
            return (*place, text, asked, blocks, None)


def _entry(row: Sequence[Any], streams: Sequence[str], before: bytes) -> Entry:
    source, at, closed, closed_at, *said = row
    message: RequestMessage
    match said:
        case [text]:
            message = UserText(text)
        case [text, id, name]:
            message = ToolAnswer(id, name, text)
        case [text, asked, blocks, None]:
            calls = tuple(AskedCall(*call) for call in asked)
            message = AssistantReply(text, calls, blocks)
        case _:
            raise ValueError("no message of a conversation")
    places = Place(streams[source], at), Place(streams[closed], closed_at)
    return Entry(message, *places, message_digest(before, message))


def _state_row(state: AgentState, number: Callable[[str], int]) -> Sequence[Any]:
    return (
        number(state.stream),
        state.position,
        state.id,
        state.parent_id,
        state.turn,
        state.kind,
        state.opened_by,
        state.time_ms,
    )


def _state(row: Sequence[Any], streams: Sequence[str], _: bytes) -> AgentState:
    stream, position, id, parent_id, turn, kind, opened_by, time_ms = row
    return AgentState(id, parent_id, streams[stream], position, turn, kind, opened_by, time_ms)


def _entry_digest(entry: Entry) -> bytes:
    return entry.digest


def _no_digest(_: AgentState) -> bytes:
    return GENESIS


def _entries(view: View) -> Grown[Entry]:
    return view.conversation.entries


def _states(view: View) -> Grown[AgentState]:
    return view.lineage.states


_FORMS: Mapping[str, _Form] = {
    "entries": _Form(_entries, _entry_row, _entry, _entry_digest),
    "states": _Form(_states, _state_row, _state, _no_digest),
}
