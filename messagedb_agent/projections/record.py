"""What tools gave in a thread, as the record from which the same calls of a fork are answered."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import orjson

from messagedb_agent.agent.counting import counts, valid_calls
from messagedb_agent.agent.evolution import evolve_counted
from messagedb_agent.changing import changed
from messagedb_agent.events.recorded import Place, Recorded
from messagedb_agent.events.schema import (
    LlmResponseReceived,
    SessionStarted,
    ToolApprovalRequested,
    ToolExecutionApproved,
    ToolExecutionCompleted,
    ToolExecutionDenied,
    ToolExecutionFailed,
    ToolExecutionStarted,
    ToolOutcomeResolved,
    UserMessageAdded,
)
from messagedb_agent.projections.dropped import given_results
from messagedb_agent.projections.projection import Projection
from messagedb_agent.projections.rounds import Rounds

Key = tuple[str, bytes]
"""What makes two calls the same: tool and arguments."""

ToldLate = Mapping[str, object]
"""Fields of a call that were told behind its outcome."""


@dataclass(frozen=True)
class RecordedCall:
    """A tool call, and what it gave.

    Attributes:
        call_id: our id of the call.
        tool: the tool's name, as the model wrote it.
        arguments: what it ran with, or was asked for with.
        turn: number of the turn it belongs to: how many messages users had sent before it.
        asked: place of the reply that asked for it.
        events: positions of its own events in its stream, and of the reply where it asked for
            nothing else.
        kind: `result`, `denied`, or how it failed; None where nothing is known that could be told
            again.
        text: the result, or why there is none.
        told: place of the event that told so.
        is_edited: whether a person had put other arguments in place of the model's.
    """

    call_id: str
    tool: str
    arguments: str
    turn: int
    asked: Place
    events: tuple[int, ...] = ()
    kind: Literal["result", "denied", "raised", "timed_out"] | None = None
    text: str = ""
    told: Place | None = None
    is_edited: bool = False

    @property
    def key(self) -> Key:
        """What it has in common with a call that is the same."""
        return key_of(self.tool, self.arguments)

    @property
    def shown(self) -> str:
        """The outcome as the model was shown it."""
        note = f"(Run with arguments changed by the user: {self.arguments})\n"
        text = self.text
        if self.kind == "denied":
            text = f"The user did not allow this call{f': {text}' if text else '.'}"
        elif self.kind != "result":
            text = f"Error ({self.kind}): {text}"
        return (note if self.is_edited else "") + text


@dataclass(frozen=True)
class Record(Rounds[RecordedCall]):
    """The fold.

    Attributes:
        turn: how many messages users have sent.
        late: calls of unknown outcome of which it was told since, by call id.
    """

    turn: int = 0
    late: Mapping[str, ToldLate] = field(default_factory=dict)

    def calls(self) -> Mapping[str, RecordedCall]:
        """Return every call by its id, in the order in which they were asked for."""
        everything = {call.call_id: call for call in self.asked_for}
        for id, told in self.late.items():
            if id in everything:
                everything[id] = changed(everything[id], **told)
        return everything


def key_of(tool: str, arguments: str) -> Key:
    """Return what makes calls the same: the tool, and the arguments as a JSON value."""
    try:
        value = orjson.loads(arguments or "{}")
        return tool, orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return tool, arguments.encode(errors="replace")


def _evolve(before: Record, recorded: Recorded) -> Record:
    if not counts(before.state, recorded):
        return before
    after = changed(before, state=evolve_counted(before.state, recorded))
    place = recorded.place
    match recorded.event:
        case UserMessageAdded():
            after = changed(after, turn=before.turn + 1)
        case LlmResponseReceived() as reply if reply.llm_call_id not in before.state.side_calls:
            after = _asked(after, reply, place)
        case SessionStarted() as started:
            for call, text in given_results(started).items():
                if call in before.state.calls:
                    after = _with(after, call, place, kind="result", text=text, told=place)
        case ToolApprovalRequested(call_id=call):
            after = _with(after, call, place)
        case ToolExecutionApproved(call_id=call, arguments=arguments):
            edited = {} if arguments is None else {"arguments": arguments, "is_edited": True}
            after = _with(after, call, place, **edited)
        case ToolExecutionStarted(call_id=call, arguments=arguments):
            after = _with(after, call, place, arguments=arguments)
        case ToolExecutionCompleted(call_id=call, result=result):
            after = _with(after, call, place, kind="result", text=result, told=place)
        case ToolExecutionDenied(call_id=call, reason=reason):
            after = _with(after, call, place, kind="denied", text=reason or "", told=place)
        case ToolExecutionFailed(call_id=call, kind="raised" | "timed_out" as kind) as failed:
            after = _with(after, call, place, kind=kind, text=failed.message, told=place)
        case ToolExecutionFailed(call_id=call):
            after = _with(after, call, place)
        case ToolOutcomeResolved(call_id=call, status=status, text=text):
            is_done = status == "completed"
            told = {"kind": "result" if is_done else "raised", "text": text, "told": place}
            after = changed(after, late={**after.late, call: told})
    return after.with_closed_round()


record: Projection[Record] = Projection(Record(), _evolve)


def _asked(after: Record, reply: LlmResponseReceived, place: Place) -> Record:
    calls = valid_calls(reply)
    alone = (place.position,) if len(calls) == 1 else ()
    asked = {
        call.call_id: RecordedCall(
            call.call_id, call.name, call.arguments, after.turn, place, events=alone
        )
        for call in calls
    }
    return changed(after, open_calls=asked)


def _with(after: Record, call_id: str, place: Place, **changes: object) -> Record:
    known = after.open_calls.get(call_id)
    if known is None:
        return after
    is_here = place.stream == known.asked.stream
    events = (*known.events, place.position) if is_here else known.events
    return after.with_call(call_id, events=events, **changes)
