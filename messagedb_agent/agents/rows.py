"""What grows with a thread, as rows of pages: messages of its conversation, and its states."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from messagedb_agent.agents.view import View
from messagedb_agent.engine.snapshot import Page, packed_page
from messagedb_agent.events.chain import GENESIS, hash_bytes, hash_text
from messagedb_agent.events.recorded import Place
from messagedb_agent.events.request import (
    AskedCall,
    AssistantReply,
    RequestMessage,
    ToolAnswer,
    UserText,
)
from messagedb_agent.projections.conversation import Entry
from messagedb_agent.projections.digest import message_digest
from messagedb_agent.projections.grown import Grown
from messagedb_agent.projections.lineage import AgentState


@dataclass(frozen=True, slots=True)
class Form:
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


class Rows:
    """A page while it is made.

    Args:
        form: how its items are written.
        items: all items.
    """

    def __init__(self, form: Form, items: Grown[Any]) -> None:
        self._form = form
        self._items = items
        self._start = hash_text(GENESIS)
        self._streams: dict[str, int] = {}
        self._rows: list[bytes] = []
        self.size_bytes = 0

    def add(self, index: int) -> None:
        """Put an item behind those that are on the page."""
        if not self._rows and index:
            self._start = hash_text(self._form.digest(self._items[index - 1]))
        row = orjson.dumps(self._form.row(self._items[index], self._number))
        self._rows.append(row)
        self.size_bytes += len(row)

    def text(self) -> bytes:
        """Return the page as JSON."""
        rows = orjson.Fragment(b"[" + b",".join(self._rows) + b"]")
        return orjson.dumps({"start": self._start, "streams": [*self._streams], "rows": rows})

    def page(self) -> Page:
        """Return the page, packed."""
        return packed_page(self.text(), len(self._rows))

    def _number(self, stream: str) -> int:
        return self._streams.setdefault(stream, len(self._streams))


def items_of(form: Form, page: Mapping[str, Any]) -> list[Any]:
    """Return the items of a page.

    Raises:
        ValueError, TypeError, KeyError: it is no page of such items.
    """
    digest, streams = hash_bytes(page["start"]), [str(name) for name in page["streams"]]
    items = []
    for row in page["rows"]:
        item = form.item(row, streams, digest)
        digest = form.digest(item)
        items.append(item)
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


FORMS: Mapping[str, Form] = {
    "entries": Form(_entries, _entry_row, _entry, _entry_digest),
    "states": Form(_states, _state_row, _state, _no_digest),
}
"""How what grows with a thread is written, by its name."""
