"""A moment of a replay: the event, what it changed, and what was to be done next."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import orjson

from messagedb_agent.agent.steps import (
    CallModel,
    Compact,
    Complete,
    Done,
    RefuseCalls,
    RequestApproval,
    RunTools,
    Step,
    Stop,
    Wait,
)
from messagedb_agent.cli.rendering.events import cut, event_line
from messagedb_agent.cli.rendering.json import message_json, text_of
from messagedb_agent.cli.rendering.plain import message_values, plain
from messagedb_agent.cli.rendering.text import conversation_lines
from messagedb_agent.cli.terminal import one_line, styled

if TYPE_CHECKING:
    from messagedb_agent.audit import Moment
    from messagedb_agent.projections.conversation import Conversation

_SHOWN_CHARACTERS = 80
_WAITS = {
    "upgrade": "wait for newer code: the log holds what this one must not ignore",
    "start": "wait until it is started",
    "effect": "wait for what was begun",
    "approval": "wait until a person has decided",
    "retry": "wait until somebody says to try again",
    "limit": "wait until a limit is raised",
    "user": "wait for a user",
}
_STEPS: Mapping[type[Step], str] = {
    Done: "nothing; the session is over",
    Complete: "end the session",
    Compact: "have the conversation summarised",
    CallModel: "ask the model",
}


def moment_lines(moment: "Moment", *, full: bool = False) -> Iterator[str]:
    """Give a moment for people, harmless to a terminal.

    Args:
        moment: what is shown.
        full: cut nothing short.
    """
    yield styled(_place(moment, full=full), "bold")
    changes = _changes(moment)
    shown = changes if full else [cut(change, _SHOWN_CHARACTERS) for change in changes]
    for name, line in zip_longest(("state",), _in_lines(shown), fillvalue=""):
        yield f"      {name:14}{one_line(line)}"
    yield f"      conversation  {_conversation(moment)}"
    for line in conversation_lines([message_values(entry.message) for entry in moment.added]):
        if line:
            yield f"        {line if full else cut(line, 2 * _SHOWN_CHARACTERS)}"
    yield f"      next          {one_line(_next(moment))}"


def _in_lines(changes: Iterable[str]) -> Sequence[str]:
    """Put as many changes on a line as fit there; one that is wider has a line of its own."""
    lines: list[str] = []
    for change in changes:
        if lines and len(lines[-1]) + len(change) + 2 <= _SHOWN_CHARACTERS:
            lines[-1] += f"; {change}"
        else:
            lines.append(change)
    return lines or ["as before"]


def _place(moment: "Moment", *, full: bool) -> str:
    line = event_line(moment.message, full=full)
    return line if moment.is_own else f"{line}  (of {moment.message.stream_name})"


def _conversation(moment: "Moment") -> str:
    count = len(moment.shown.entries)
    messages = "1 message" if count == 1 else f"{count} messages"
    return f"{messages}, rewritten" if moment.is_rewritten else messages


def _changes(moment: "Moment") -> list[str]:
    """Return what of the state the event has changed, one text each."""
    before, after = _values(moment.before), _values(moment.shown)
    return [f"{name} {text}" for name, text in after.items() if text != before[name]]


def _values(shown: "Conversation") -> Mapping[str, str]:
    values = {name: text_of(value) for name, value in plain(shown.state).items()}
    calls = [f"{call.tool} {call.stage.value}" for call in shown.state.calls.values()]
    return {**values, "calls": ", ".join(calls) or "none"}


def _next(moment: "Moment") -> str:
    """Say in words what was to be done; of calls, the names of their tools."""

    def tools(call_ids: tuple[str, ...]) -> str:
        return ", ".join(moment.shown.state.calls[id].tool for id in call_ids)

    match step := moment.step:
        case Wait(reason=reason):
            return _WAITS[reason]
        case RefuseCalls(call_ids=ids):
            return f"refuse what cannot run: {tools(ids)}"
        case RequestApproval(call_ids=ids):
            return f"ask a person to approve {tools(ids)}"
        case RunTools(call_ids=ids):
            return f"run {tools(ids)}"
        case Stop(limits=limits):
            return f"stop: {', '.join(limit.name for limit in limits)} reached"
        case _:
            return _STEPS[type(step)]


def moment_json(moment: "Moment") -> str:
    """Return a moment as one line of JSON; of the conversation what the event has added to it."""
    return text_of(
        {
            "event": orjson.Fragment(message_json(moment.message)),
            "isOwn": moment.is_own,
            "state": plain(moment.shown.state),
            "conversation": {
                "messages": len(moment.shown.entries),
                "isRewritten": moment.is_rewritten,
                "added": [message_values(entry.message) for entry in moment.added],
            },
            "next": _step_json(moment.step),
        }
    )


def _step_json(step: Step) -> Mapping[str, Any]:
    """What the step is, and what it names: a flag that is not set names nothing."""
    named = {key: value for key, value in plain(step).items() if value is not False}
    return {"step": type(step).__name__, **named}
