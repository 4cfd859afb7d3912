"""Which events count.

An event that does not count (a fact that answers no open claim, a second approval, a start of an
unknown call) changes nothing, in the decider and in every projection, because they all ask here.
What must be written again, a call's arguments in place of the model's and a start's key, must fit.
"""

from messagedb_agent.agent.bounds import is_too_large
from messagedb_agent.agent.state import Stage, State
from messagedb_agent.events.recorded import Recorded, UnknownEvent
from messagedb_agent.events.schema import (
    AgentRedefined,
    ContextCompacted,
    LimitReached,
    LlmCallFailed,
    LlmCallStarted,
    LlmResponseReceived,
    SessionContinued,
    SessionStarted,
    SessionTerminationRequested,
    ToolApprovalRequested,
    ToolExecutionApproved,
    ToolExecutionCompleted,
    ToolExecutionDenied,
    ToolExecutionFailed,
    ToolExecutionStarted,
    ToolOutcomeResolved,
    UserMessageAdded,
)
from messagedb_agent.events.values import ToolCall
from messagedb_agent.ids import call_id

TURN_PURPOSES = frozenset({"answer", "summary"})
"""What model calls are for that are part of the turn; all others stand beside it."""


def counts(state: State, recorded: Recorded) -> bool:
    """Say whether an event means anything in this state."""
    match recorded.event:  # what a turn is made of first: it is asked of every event
        case UserMessageAdded():
            return True
        case LlmCallStarted(purpose=purpose):
            busy = state.model_call is not None or bool(state.calls)
            idle_answer = purpose == "answer" and state.owed is None  # nobody asked for one
            return state.started and not (purpose in TURN_PURPOSES and (busy or idle_answer))
        case LlmResponseReceived(llm_call_id=claim):
            return _answers(state, claim, "answer") or claim in state.side_calls
        case ToolExecutionStarted(call_id=call, attempt=attempt, idempotency_key=key):
            open_call = state.calls.get(call)
            return (
                open_call is not None
                and not is_too_large(key)
                and (
                    open_call.stage is Stage.READY
                    or (open_call.stage is Stage.RUNNING and attempt > open_call.attempt)
                )
            )
        case ToolExecutionCompleted(call_id=call):
            return _stage(state, call) is Stage.RUNNING
        case SessionStarted(forked_from=fork):
            first = recorded.position == 0 and recorded.stream != state.stream
            return not state.started or (fork is not None and first)
        case ContextCompacted(llm_call_id=claim):
            return _answers(state, claim, "summary")
        case LlmCallFailed(llm_call_id=claim):
            return _answers(state, claim, "answer", "summary") or claim in state.side_calls
        case ToolApprovalRequested(call_id=call):
            return _stage(state, call) is Stage.NEEDS_APPROVAL
        case ToolExecutionApproved(call_id=call, arguments=edited):
            return _stage(state, call) is Stage.ASKED and not is_too_large(edited or "")
        case ToolExecutionDenied(call_id=call):
            return _stage(state, call) is Stage.ASKED
        case ToolExecutionFailed(call_id=call):
            return _stage(state, call) in {Stage.RUNNING, Stage.PROBLEM}
        case ToolOutcomeResolved(call_id=call):
            return call in state.unresolved
        case LimitReached():
            return state.owed is not None
        case SessionTerminationRequested():
            return state.started and not state.ended
        case SessionContinued() | AgentRedefined():
            return state.started
        case UnknownEvent(critical=critical):
            return critical
        case _:
            return True


def valid_calls(reply: LlmResponseReceived) -> tuple[ToolCall, ...]:
    """Return the calls of a reply that carry the id which follows from their place."""
    if not reply.tool_calls:
        return ()
    claim = reply.llm_call_id
    return tuple(c for i, c in enumerate(reply.tool_calls) if c.call_id == call_id(claim, i))


def rejection(before: State, reply: LlmResponseReceived) -> str | None:
    """Return why a reply is not the output that is waited for; None where it may stand.

    A reply with calls is no answer yet, and one to a call that was cancelled, or that another
    output was asked for since, is not waited for.

    Args:
        before: the state before the reply.
        reply: a reply that counts.
    """
    call = before.model_call
    if call is None or call.id != reply.llm_call_id or call.cancelled or call.outdated:
        return None
    return reply.output.problem if reply.output and not valid_calls(reply) else None


def _stage(state: State, call: str) -> Stage | None:
    open_call = state.calls.get(call)
    return open_call.stage if open_call else None


def _answers(state: State, claim: str, *purposes: str) -> bool:
    call = state.model_call
    return call is not None and call.id == claim and call.purpose in purposes
