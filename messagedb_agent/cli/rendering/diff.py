"""Two threads beside each other, for people and for programs."""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from messagedb_agent.cli.rendering.events import cut, told_of
from messagedb_agent.cli.rendering.json import usage_totals
from messagedb_agent.cli.terminal import one_line
from messagedb_agent.events.recorded import Recorded, UnknownEvent
from messagedb_agent.events.request import AssistantReply, RequestMessage, ToolAnswer, UserText
from messagedb_agent.projections.aligned import Pair
from messagedb_agent.projections.comparison import Comparison
from messagedb_agent.projections.effects import ToolEffect

if TYPE_CHECKING:
    from messagedb_agent.cli.commands.diffing import End

T = TypeVar("T")

_NARROW = 100
"""Columns below which nothing stands side by side."""
_PLAIN = 120
"""Columns where there is no terminal to say how many it has."""
_SHOWN_SAME = 2
"""Lines that are the same and stand next to one that is not."""
_USED = (
    ("model calls", "modelCalls"),
    ("tool calls", "toolCalls"),
    ("tokens in", "inputTokens"),
    ("tokens out", "outputTokens"),
    ("cost USD", "costUsd"),
)


def comparison_lines(
    ends: Sequence["End"], found: Comparison, *, full: bool, columns: int | None = None
) -> Iterator[str]:
    """Give a comparison: side by side, or one below the other where that is narrow or in full."""
    width = columns or shutil.get_terminal_size((_PLAIN, 0)).columns
    lines = _Lines(0 if full or width < _NARROW else (width - 3) // 2)
    names = [f"{end.short} at {end.position}" for end in ends]
    yield from lines.of([Pair(names[0], names[1], is_same=False)], str)
    yield _common(found)
    for title, section in (
        ("events", lines.of(found.events, event_text)),
        ("conversation", lines.of(found.messages, message_text)),
        ("tool calls", lines.of(found.calls, call_text)),
        ("usage", lines.of(_usage(found), str)),
    ):
        shown = list(section)
        if shown:
            yield ""
            yield title
            yield from shown
    if found.is_equal:
        yield ""
        yield "no difference"


class _Lines:
    """Pairs as lines.

    Args:
        width: columns of a side; 0 puts one side below the other, and cuts nothing.
    """

    def __init__(self, width: int) -> None:
        self._width = width

    def of(self, pairs: Sequence[Pair[T]], text: Callable[[T], str]) -> Iterator[str]:
        """Give pairs as lines; of many that are the same, some next to those that are not."""
        left_out = 0
        for index, pair in enumerate(pairs):
            around = pairs[max(0, index - _SHOWN_SAME) : index + _SHOWN_SAME + 1]
            if all(near.is_same for near in around):
                left_out += 1
                continue
            if left_out:
                yield f"  ({left_out} the same)"
                left_out = 0
            one, other = ("" if x is None else one_line(text(x)) for x in (pair.one, pair.other))
            yield from self._pair(pair, one, other)
        if left_out:
            yield f"  ({left_out} the same)"

    def _pair(self, pair: Pair[T], one: str, other: str) -> Iterator[str]:
        if self._width:
            mark = " " if pair.is_same else "<" if pair.other is None else "|"
            mark = ">" if pair.one is None else mark
            left, right = (cut(side, self._width) for side in (one, other))
            yield f"{left:<{self._width}} {mark} {right}".rstrip()
        elif pair.is_same:
            yield f"  {one}"
        else:
            yield from (f"- {one}" for _ in (pair.one,) if pair.one is not None)
            yield from (f"+ {other}" for _ in (pair.other,) if pair.other is not None)


def _common(found: Comparison) -> str:
    if not found.common:
        return "no common history"
    last = found.last_common
    where = f"{last.stream.partition('-')[2]}/{last.position}" if last else ""
    return f"common history: {found.common} events, up to {where}"


def event_text(recorded: Recorded) -> str:
    """Return an event in a line."""
    event = recorded.event
    if isinstance(event, UnknownEvent):
        return f"{event.type} ({event.reason})"
    name = type(event).__name__
    data = event.model_dump(mode="json", by_alias=True, exclude_none=True)
    return f"{name} {told_of(name, data)}".rstrip()


def message_text(message: RequestMessage) -> str:
    """Return what the model is shown in a line."""
    match message:
        case UserText(text=text):
            return f"user: {text}"
        case ToolAnswer(name=name, text=text):
            return f"tool {name}: {text}"
        case AssistantReply(text=text, calls=calls):
            asked = ", ".join(f"{call.name} {call.arguments}" for call in calls)
            said = f"assistant: {text}" if text or not calls else "assistant"
            return f"{said} calls {asked}" if asked else said


def call_text(call: ToolEffect) -> str:
    """Return a tool call in a line."""
    told = f": {call.text}" if call.text else ""
    return f"{call.tool} {call.arguments} -> {call.outcome.replace('_', ' ')}{told}"


def _usage(found: Comparison) -> Sequence[Pair[str]]:
    one, other = map(usage_totals, found.usages)
    return [
        Pair(f"{name} {one[key]}", f"{name} {other[key]}", one[key] == other[key])
        for name, key in _USED
    ]


def comparison_json(ends: Sequence["End"], found: Comparison) -> Mapping[str, Any]:
    """Return a comparison; each pair has what stands in `a` and in `b`, or null."""
    last = found.last_common
    return {
        "equal": found.is_equal,
        **{
            key: {"threadId": end.thread, "position": end.position}
            for key, end in zip("ab", ends, strict=True)
        },
        "common": {
            "events": found.common,
            "streamName": last.stream if last else None,
            "position": last.position if last else None,
        },
        "events": _values(found.events, _event_value),
        "conversation": _values(found.messages, message_text),
        "toolCalls": _values(found.calls, _call_value),
        "usage": dict(zip("ab", map(usage_totals, found.usages), strict=True)),
    }


def _values(pairs: Sequence[Pair[T]], value: Callable[[T], Any]) -> Sequence[Mapping[str, Any]]:
    def of(item: T | None) -> Any:
        return None if item is None else value(item)

    return [{"same": p.is_same, "a": of(p.one), "b": of(p.other)} for p in pairs]


def _event_value(recorded: Recorded) -> Mapping[str, Any]:
    event = recorded.event
    unknown = isinstance(event, UnknownEvent)
    return {
        "streamName": recorded.stream,
        "position": recorded.position,
        "type": event.type if isinstance(event, UnknownEvent) else type(event).__name__,
        "text": "" if unknown else event_text(recorded).partition(" ")[2],
    }


def _call_value(call: ToolEffect) -> Mapping[str, Any]:
    return {
        "callId": call.call_id,
        "tool": call.tool,
        "arguments": call.arguments,
        "outcome": call.outcome,
        "text": call.text,
    }
