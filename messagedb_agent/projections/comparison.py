"""Two histories, compared by what they say: ids, places, times and digests do not count."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import orjson

from messagedb_agent.events.recorded import Recorded, UnknownEvent
from messagedb_agent.events.request import AssistantReply, RequestMessage, ToolAnswer, UserText
from messagedb_agent.projections.aligned import Pair, aligned
from messagedb_agent.projections.conversation import Conversation, conversation
from messagedb_agent.projections.effects import Effects, ToolEffect, effects
from messagedb_agent.projections.projection import Projection, fold
from messagedb_agent.projections.usage import ThreadUsage, usage

T = TypeVar("T")

# Keys whose values differ in every thread, whatever it says: ids, places, durations, and the
# digest, which seals ids.
_NOT_COMPARED = frozenset(
    {
        "callId",
        "contextPosition",
        "elapsedMs",
        "eventId",
        "forkedFrom",
        "idempotencyKey",
        "llmCallId",
        "providerCallId",
        "requestDigest",
        "threadId",
        "throughPosition",
        "waitedMs",
    }
)


@dataclass(frozen=True)
class Side:
    """A history as it is compared.

    Attributes:
        events: its events, ancestors' first.
        conversation: what the model is shown.
        effects: its tool calls.
        usage: what it has used.
    """

    events: Sequence[Recorded]
    conversation: Conversation = field(repr=False)
    effects: Effects = field(repr=False)
    usage: ThreadUsage = field(repr=False)


def side(events: Sequence[Recorded]) -> Side:
    """Fold a history for a comparison."""

    def folded(projection: Projection[T]) -> T:
        return fold(projection, events)

    return Side(events, folded(conversation), folded(effects), folded(usage))


@dataclass(frozen=True)
class Comparison:
    """Two histories beside each other.

    Attributes:
        common: how many events at their beginning are the very same rows.
        last_common: the last of these; None where there is none.
        events: the events behind those.
        messages: what the models are shown, from the beginning on.
        calls: the tool calls, from the beginning on.
        usages: what each has used.
    """

    common: int
    last_common: Recorded | None
    events: tuple[Pair[Recorded], ...]
    messages: tuple[Pair[RequestMessage], ...]
    calls: tuple[Pair[ToolEffect], ...]
    usages: tuple[ThreadUsage, ThreadUsage]

    @property
    def is_equal(self) -> bool:
        """Whether both say the same, event for event; all else follows from the events."""
        return all(pair.is_same for pair in self.events)


def compare(one: Side, other: Side) -> Comparison:
    """Compare two histories."""
    common = _in_common(one.events, other.events)
    return Comparison(
        common,
        one.events[common - 1] if common else None,
        aligned(one.events[common:], other.events[common:], _said),
        aligned(_messages(one), _messages(other), _shown),
        aligned(tuple(one.effects), tuple(other.effects), _done),
        (one.usage, other.usage),
    )


def _in_common(one: Sequence[Recorded], other: Sequence[Recorded]) -> int:
    differ = (i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
    return next(differ, min(len(one), len(other)))


def _messages(of: Side) -> tuple[RequestMessage, ...]:
    return tuple(entry.message for entry in of.conversation.entries)


def _said(recorded: Recorded) -> Hashable:
    event = recorded.event
    if isinstance(event, UnknownEvent):  # nobody here knows what it says
        return recorded.id
    data = event.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return type(event).__name__, orjson.dumps(_telling(data), option=orjson.OPT_SORT_KEYS)


def _telling(value: Any) -> Any:
    match value:
        case Mapping():
            return {k: _telling(v) for k, v in value.items() if k not in _NOT_COMPARED}
        case [*items]:
            return [_telling(item) for item in items]
        case _:
            return value


def _shown(message: RequestMessage) -> Hashable:
    match message:
        case UserText(text=text):
            return "user", text
        case ToolAnswer(name=name, text=text):
            return "tool", name, text
        case AssistantReply(text=text, calls=calls):
            return "assistant", text, tuple((call.name, call.arguments) for call in calls)


def _done(call: ToolEffect) -> Hashable:
    return call.tool, call.arguments, call.outcome, call.text, call.resolution
