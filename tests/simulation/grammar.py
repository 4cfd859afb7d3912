"""The grammar of a thread, written down a second time, apart from the engine that follows it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from messagedb_agent.events.recorded import Recorded
from messagedb_agent.events.schema import (
    ContextCompacted,
    LimitReached,
    LlmCallFailed,
    LlmCallStarted,
    LlmResponseReceived,
    SessionCompleted,
    SessionContinued,
    SessionStarted,
    ToolApprovalRequested,
    ToolExecutionApproved,
    ToolExecutionCompleted,
    ToolExecutionDenied,
    ToolExecutionFailed,
    ToolExecutionStarted,
    ToolOutcomeResolved,
    TurnCancelled,
    UserMessageAdded,
)
from messagedb_agent.ids import call_id

_MOST_ATTEMPTS = 3
_MOST_INTERRUPTIONS = 3
_ASKED_AGAIN = frozenset({"interrupted", "cancelled", "context_overflow"})


@dataclass
class _Call:
    """A tool call, as far as it has come."""

    attempts: int = 0
    key: str = ""
    asked: bool = False
    allowed: bool = False
    closed: str = ""  # by what
    resolved: bool = False


@dataclass
class _Thread:
    """What stands in a thread so far."""

    started: bool = False
    open_model_call: str = ""
    is_cancelled: bool = False  # whether the open model call is: no round follows from its reply
    calls: dict[str, _Call] = field(default_factory=dict)
    stopped: bool = False
    rejected: int = 0  # answers of the turn that were not the output that was asked for
    interruptions: int = 0  # of model calls, one after the other
    waits: bool = False  # whether the turn failed, or a limit stopped it


def broken_grammar(events: Sequence[Recorded]) -> Iterator[str]:
    """Yield what stands in a thread's own stream and could not follow from what was before it.

    Args:
        events: its own events from position 0, without its ancestors' and without strangers'.
    """
    thread = _Thread()
    for recorded in events:
        for wrong in _broken(thread, recorded):
            yield f"{recorded.position} {type(recorded.event).__name__}: {wrong}"


def _broken(thread: _Thread, recorded: Recorded) -> Iterator[str]:
    if not thread.started and not isinstance(recorded.event, SessionStarted):
        yield "before the start"
    match recorded.event:
        case SessionStarted():
            if thread.started:
                yield "a second start"
            thread.started = True
        case UserMessageAdded(output_schema=schema):
            thread.stopped = False
            if schema or thread.waits or thread.rejected > 1:
                thread.rejected = 0
            thread.waits = False
        case SessionContinued():
            thread.rejected, thread.waits = 0, False
        case LimitReached():
            thread.waits = True
        case TurnCancelled() | SessionCompleted():
            thread.stopped, thread.rejected = True, 0
            thread.is_cancelled = bool(thread.open_model_call)
            for call in thread.calls.values():
                if not call.attempts:
                    call.closed = call.closed or "the turn was stopped"
        case LlmCallStarted(purpose=purpose, repairs=repairs):
            if thread.rejected > 1:
                yield "after an output was sent back, and not mended"
            if purpose == "answer" and repairs != bool(thread.rejected):
                yield f"repairs: {repairs}, and {thread.rejected} answers were sent back"
            if thread.open_model_call:
                yield "while another call is open"
            if any(not call.closed for call in thread.calls.values()) and not thread.stopped:
                yield "while a round is open"
            if thread.stopped:
                yield "in a stopped turn"
            thread.open_model_call, thread.is_cancelled = recorded.id, False
        case LlmResponseReceived(llm_call_id=claim, tool_calls=calls, output=verdict):
            yield from _closed_model_call(thread, claim)
            thread.interruptions = 0
            if verdict and verdict.problem and not thread.is_cancelled:
                thread.rejected += 1
            elif not calls:
                thread.rejected = 0
            ids = [call_id(claim, i) for i in range(len(calls))]
            if [call.call_id for call in calls] != ids:
                yield "calls with ids of their own"
            thread.calls = {} if thread.is_cancelled else {id: _Call() for id in ids}
        case LlmCallFailed(llm_call_id=claim, kind=kind):
            yield from _closed_model_call(thread, claim)
            thread.interruptions = thread.interruptions + 1 if kind == "interrupted" else 0
            is_last = thread.interruptions >= _MOST_INTERRUPTIONS
            thread.waits = kind not in _ASKED_AGAIN or is_last
        case ContextCompacted(llm_call_id=claim):
            yield from _closed_model_call(thread, claim)
        case _:
            yield from _broken_call(thread, recorded)


def _closed_model_call(thread: _Thread, claim: str) -> Iterator[str]:
    if thread.open_model_call != claim:
        yield "answers no open call"
    thread.open_model_call = ""


def _broken_call(thread: _Thread, recorded: Recorded) -> Iterator[str]:
    event = recorded.event
    match event:
        case (
            ToolApprovalRequested(call_id=id)
            | ToolExecutionApproved(call_id=id)
            | ToolExecutionDenied(call_id=id)
            | ToolExecutionStarted(call_id=id)
            | ToolExecutionCompleted(call_id=id)
            | ToolExecutionFailed(call_id=id)
            | ToolOutcomeResolved(call_id=id)
        ):
            call = thread.calls.get(id)
        case _:
            return
    if call is None:
        if not isinstance(event, ToolOutcomeResolved):
            yield "of a call that nobody asked for, or of an earlier round"
        return
    if call.closed and not isinstance(event, ToolOutcomeResolved):
        yield f"after {call.closed}"
    match event:
        case ToolApprovalRequested():
            call.asked = True
        case ToolExecutionApproved():
            if not call.asked:
                yield "nobody asked for it"
            call.allowed = True
        case ToolExecutionStarted(attempt=attempt, idempotency_key=key):
            if thread.stopped:
                yield "in a stopped turn"
            if call.asked and not call.allowed:
                yield "before it was allowed"
            if attempt != call.attempts + 1 or attempt > _MOST_ATTEMPTS:
                yield f"attempt {attempt} after {call.attempts}"
            if key != (call.key or recorded.id):
                yield f"another key: {key}"
            call.attempts, call.key = attempt, key
        case ToolExecutionCompleted(attempt=attempt):
            if not 1 <= attempt <= call.attempts:
                yield f"of attempt {attempt}, and {call.attempts} were begun"
            call.closed = type(event).__name__
        case ToolExecutionFailed(attempt=attempt):
            if attempt != call.attempts:  # what became of a later one is not known yet
                yield f"of attempt {attempt}, and {call.attempts} were begun"
            call.closed = type(event).__name__
        case ToolExecutionDenied():
            if not call.asked:
                yield "nobody asked for it"
            call.closed = type(event).__name__
        case ToolOutcomeResolved():
            if call.resolved or call.closed != "ToolExecutionFailed":
                yield "of a call whose outcome is known"
            call.resolved = True
