"""Two histories, compared by what they say: ids, places, times and digests do not count."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Any, Generic, TypeVar

import orjson

from messagedb_agent.events.recorded import Recorded, UnknownEvent
from messagedb_agent.events.request import AssistantReply, RequestMessage, ToolAnswer, UserText
from messagedb_agent.projections.conversation import Conversation, conversation
from messagedb_agent.projections.effects import Effects, ToolEffect, effects
from messagedb_agent.projections.projection import Projection, fold
from messagedb_agent.projections.usage import ThreadUsage, usage

T = TypeVar("T")

Block = tuple[int, int, int, int]
"""A part of one sequence and the part of another beside it: begin and end of each."""

_MAX_SOUGHT = 10_000
"""Product of the lengths of two parts up to which everything that stands in both is sought.

The time for that grows with the cube of their length where much stands in both many times."""

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


@dataclass(frozen=True, slots=True)
class Pair(Generic[T]):
    """What stands at the same place of two sequences.

    Attributes:
        one: of the first; None where only the second has it.
        other: of the second; likewise.
        is_same: whether both say the same.
    """

    one: T | None
    other: T | None
    is_same: bool


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


def aligned(
    one: Sequence[T], other: Sequence[T], key: Callable[[T], Hashable]
) -> tuple[Pair[T], ...]:
    """Put two sequences beside each other, so that what is the same stands at the same place."""
    keys = [key(item) for item in one], [key(item) for item in other]
    return tuple(_pairs(one, other, keys, _blocks(*keys)))


def _blocks(one: Sequence[Hashable], other: Sequence[Hashable]) -> Iterator[Block]:
    """Cut two sequences into parts that belong beside each other.

    What stands once in each holds them together; between such places everything is sought that
    stands in both, or, in long parts, what stands there at the same distance.
    """
    begin, begin_other = 0, 0
    for end, end_other in (*_anchors(one, other), (len(one), len(other))):
        yield from _sought(one, other, (begin, end, begin_other, end_other))
        if end < len(one):  # an anchor: the same on both sides
            yield end, end + 1, end_other, end_other + 1
        begin, begin_other = end + 1, end_other + 1


def _anchors(one: Sequence[Hashable], other: Sequence[Hashable]) -> Sequence[tuple[int, int]]:
    """Return places of what stands once in each: as many as there are in the same order."""
    here, there = _once(one), _once(other)
    places = [(i, there[key]) for key, i in here.items() if key in there]
    ends, newest, before = list[int](), list[int](), list[int]()  # longest increasing subsequence
    for index, (_, j) in enumerate(places):
        length = bisect_left(ends, j)
        before.append(newest[length - 1] if length else -1)
        ends[length : length + 1] = [j]
        newest[length : length + 1] = [index]
    found, index = list[tuple[int, int]](), newest[-1] if newest else -1
    while index >= 0:
        found.append(places[index])
        index = before[index]
    return found[::-1]


def _once(keys: Sequence[Hashable]) -> Mapping[Hashable, int]:
    times = Counter(keys)
    return {key: i for i, key in enumerate(keys) if times[key] == 1}


def _sought(one: Sequence[Hashable], other: Sequence[Hashable], part: Block) -> Iterable[Block]:
    begin, end, begin_other, end_other = part
    if (end - begin) * (end_other - begin_other) > _MAX_SOUGHT:
        return [part]
    matcher = SequenceMatcher(None, one[begin:end], other[begin_other:end_other], autojunk=False)
    return [
        (begin + i, begin + i_end, begin_other + j, begin_other + j_end)
        for _, i, i_end, j, j_end in matcher.get_opcodes()
    ]


def _pairs(
    one: Sequence[T],
    other: Sequence[T],
    keys: tuple[list[Hashable], list[Hashable]],
    blocks: Iterable[Block],
) -> Iterator[Pair[T]]:
    for begin, end, begin_other, end_other in blocks:
        for offset in range(max(end - begin, end_other - begin_other)):
            i, j = begin + offset, begin_other + offset
            if i >= end:
                yield Pair(None, other[j], is_same=False)
            elif j >= end_other:
                yield Pair(one[i], None, is_same=False)
            else:
                yield Pair(one[i], other[j], is_same=keys[0][i] == keys[1][j])


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
