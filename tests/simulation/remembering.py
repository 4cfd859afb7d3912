"""What is computed once, though many ask: pure functions of what stands in the store.

A run reads and folds the same few rows over and over, in every process and in every check, and all
runs of a scenario begin with the same definition of an agent. What these functions return depends
on their arguments alone, and cannot be changed by whoever gets it; other tests prove that.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import ModuleType
from typing import Any

from messagedb_agent.agents import run as agents_run
from messagedb_agent.agents import view
from messagedb_agent.engine import batch, history, journal, walk
from messagedb_agent.events import codec
from messagedb_agent.events.chain import Row
from messagedb_agent.events.metadata import Metadata
from messagedb_agent.events.recorded import Recorded, UnknownEvent
from messagedb_agent.events.schema import Event, SessionStarted
from messagedb_agent.llm.litellm_request import request_tools
from messagedb_agent.projections import conversation as conversations
from messagedb_agent.projections.conversation import Conversation, conversation
from messagedb_agent.projections.digest import settings_digest
from messagedb_agent.projections.projection import Projection
from messagedb_agent.store import message_db, transaction
from tests.properties import conversation_rules
from tests.simulation.transactions import PSYCOPG

Parts = tuple[Any, ...]

_PAGE = 8  # rows that are read at once: few, so that there is more than one page
_MOST_KEPT = 5_000
_identity = object.__hash__  # as `id`, of which each call would be told to whoever audits


class Remembered:
    """A function that remembers what it returned, by the identity of what that depends on.

    Args:
        function: what is remembered; pure.
        parts: returns what its result depends on; None where that is its arguments.
    """

    def __init__(
        self, function: Callable[..., Any], parts: Callable[..., Parts] | None = None
    ) -> None:
        self._function = function
        self._parts = parts
        self._known: dict[tuple[int, ...], tuple[Parts, Any]] = {}

    def __call__(self, *arguments: Any) -> Any:
        parts = self._parts(*arguments) if self._parts else arguments
        key = tuple(map(_identity, parts))
        if found := self._known.get(key):
            return found[1]
        if len(self._known) >= _MOST_KEPT:
            self.forget()
        result = self._function(*arguments)
        self._known[key] = parts, result  # the parts too: no other value shall have their identity
        return result

    def forget(self) -> None:
        self._known.clear()


_of_a_run: list[Remembered] = []


def once_a_run(function: Callable[..., Any]) -> Remembered:
    """Return a function that remembers until the end of the run, or of several that are alike."""
    _of_a_run.append(Remembered(function))
    return _of_a_run[-1]


def _decoded(row: codec.TimedRow) -> codec.Decoded:
    found = codec.decode(row)
    written = _written.get(found.recorded.id)
    return replace(found, recorded=written) if written == found.recorded else found


def _recorded(*fields: Any) -> Recorded:
    """Return an event that is added to a batch: the same one where it was added before."""
    new = Recorded(*fields)
    known = _written.setdefault(new.id, new)
    if known != new:  # it was in vain, and stands elsewhere now
        known = _written[new.id] = new
    return known


_written: dict[str, Recorded] = {}  # by their ids; what reads back equal is folded once for all
_decode = once_a_run(_decoded)
_evolve = once_a_run(conversation.evolve)
_with_conversation = once_a_run(view.with_conversation)
_settings_digest = Remembered(
    settings_digest,
    lambda of, *output: (
        *(of.model, of.system_prompt, of.parameters, of.tools),
        getattr(of, "recalled", None),  # of a definition: a request's is in its prompt
        *output,
    ),
)
_request_tools = Remembered(request_tools)
_read_event = codec._event
_starts: dict[tuple[str | None, int, bool], Event | UnknownEvent] = {}

folded: Projection[Conversation] = Projection(conversation.initial, _evolve)
"""The conversation, as what is simulated folds it."""


def _event(row: Row, metadata: Metadata) -> Event | UnknownEvent:
    if row.type != SessionStarted.__name__:  # all others say something of their run
        return _read_event(row, metadata)
    key = row.data, metadata.schema_version, metadata.critical
    if (found := _starts.get(key)) is None:
        if len(_starts) >= _MOST_KEPT:
            _starts.clear()
        found = _starts[key] = _read_event(row, metadata)
    return found


_PLACES: tuple[tuple[ModuleType, str, Any], ...] = (
    (message_db, "BATCH_SIZE", _PAGE),
    (transaction, "psycopg", PSYCOPG),
    *((module, "decode", _decode) for module in (journal, history, walk)),
    *((module, "conversation", folded) for module in (batch, journal, walk, view)),
    (batch, "Recorded", _recorded),
    (agents_run, "with_conversation", _with_conversation),
    (codec, "_event", _event),
    (conversations, "settings_digest", _settings_digest),
    (conversation_rules, "settings_digest", _settings_digest),
    (conversation_rules, "request_tools", _request_tools),
)


@contextmanager
def remembering(*, for_more: bool) -> Iterator[None]:
    """Let the engine, and what looks at it, compute once what follows from the same rows.

    Args:
        for_more: whether other runs are likely to begin with the same rows.
    """
    kept = [getattr(module, name) for module, name, _ in _PLACES]
    for module, name, remembered in _PLACES:
        setattr(module, name, remembered)
    try:
        yield
    finally:
        for (module, name, _), original in zip(_PLACES, kept, strict=True):
            setattr(module, name, original)
        if not for_more or len(_written) > _MOST_KEPT:
            _written.clear()
            for remembered in _of_a_run:
                remembered.forget()
