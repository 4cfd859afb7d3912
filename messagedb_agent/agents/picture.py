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
from messagedb_agent.agents.rows import FORMS, Form, Rows, items_of
from messagedb_agent.agents.view import View
from messagedb_agent.changing import changed
from messagedb_agent.engine.places import Noted
from messagedb_agent.engine.snapshot import PAGE_BYTES, Page, Unusable, packed_page, unpacked
from messagedb_agent.errors import IntegrityError
from messagedb_agent.events import values
from messagedb_agent.events.codec import EVENT_TYPES
from messagedb_agent.events.metadata import Travelling
from messagedb_agent.events.recorded import Recorded, UnknownEvent
from messagedb_agent.events.request import (
    AskedCall,
    AssistantReply,
    ToolAnswer,
    UserText,
)
from messagedb_agent.projections.conversation import AskedOutput, Conversation, Entry, Round
from messagedb_agent.projections.grown import Grown
from messagedb_agent.projections.lineage import AgentState, Lineage
from messagedb_agent.projections.outcome import Outcome
from messagedb_agent.projections.pages import Pages
from messagedb_agent.store.stream_name import id_of


def _defined(module: Any) -> list[type]:
    found = [cls for cls in vars(module).values() if isinstance(cls, type)]
    return [cls for cls in found if cls.__module__ == module.__name__]


_PLAINLY = Plainly(
    *_defined(states),
    *_defined(steps),
    *_defined(values),
    *EVENT_TYPES.values(),
    *(Recorded, UnknownEvent, UserText, AskedCall, AssistantReply, ToolAnswer),
    *(AskedOutput, Conversation, Entry, Round, AgentState, Lineage, Outcome, View),
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
    for name, form in FORMS.items():
        items, old = form.of(view), form.of(before.view) if before else None
        kept = _kept(before.pages[name], items.shared(old)) if before and old is not None else ()
        found = [*kept]
        rows, start = Rows(form, items), sum(page.size for page in kept)
        for index in range(start, len(items)):
            if rows.size_bytes >= page_bytes:  # the newest item is always in the tail
                found.append(rows.page())
                yield
                rows = Rows(form, items)
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


def drawn(
    rest: Page, pages: Mapping[str, tuple[Page, ...]], stream: str | None = None
) -> tuple[Picture, Drawn]:
    """Return the picture that a snapshot holds, its full pages not decoded.

    Args:
        rest: what of it does not grow, and the newest part of what grows.
        pages: what grows, by name.
        stream: whose it is, for a page that proves wrong when it is decoded; None where nobody
            is to be told how to get rid of it.

    Raises:
        Unusable: it holds none, or not in the shape of this code.
    """
    try:
        found = unpacked(rest)
        view = _PLAINLY.made(found["view"])
        grown: dict[str, Grown[Any]] = {}
        for name, form in FORMS.items():
            sizes = [page.size for page in pages[name]]
            before = Pages(sizes, _reader(form, pages[name], stream)) if sizes else ()
            grown[name] = Grown(items_of(form, found[name]), before)
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


def _reader(
    form: Form, pages: Sequence[Page], stream: str | None
) -> Callable[[int], Sequence[Any]]:
    """Return what decodes a page; it was read and is as it was written."""

    def items(index: int) -> Sequence[Any]:
        page = pages[index]
        try:
            found = items_of(form, unpacked(page))
        except (Unusable, *_MISSHAPEN) as error:
            raise _wrong(f"has another shape: {error}", stream) from error
        if len(found) != page.size:
            raise _wrong(f"holds {len(found)} items, not {page.size}", stream)
        return found

    return items


def _wrong(why: str, stream: str | None) -> IntegrityError:
    """Return the error for a page that nobody has written who folds as this code does."""
    if stream is None:
        return IntegrityError(f"a page of a snapshot {why}")
    drop = f"messagedb-agent db snapshots {id_of(stream)} --drop"
    return IntegrityError(f"a page of the snapshot of {stream} {why}; without it: {drop}")
