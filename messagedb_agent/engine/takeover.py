"""Closing what a dead worker left open. Only the owner of the thread may do it."""

from collections.abc import Callable, Iterable

from messagedb_agent.agent.bounds import MAX_TOOL_ATTEMPTS
from messagedb_agent.agent.decider import (
    AskTool,
    CloseModelCall,
    CloseToolCall,
    RunAgain,
    abandoned,
    not_done,
)
from messagedb_agent.agent.state import State
from messagedb_agent.engine.batch import Batch
from messagedb_agent.engine.ended import Ended, Undone
from messagedb_agent.engine.plan import Effect, ReconcileCall, start_tool
from messagedb_agent.events.schema import LlmCallFailed, ToolExecutionFailed
from messagedb_agent.events.words import ToolFailureKind

_ABANDONED: dict[ToolFailureKind, str] = {
    "cancelled": "the turn was stopped after the worker had died",
    "outcome_unknown": "the worker died while the tool ran; it may or may not have taken effect",
}
_NOT_DONE: dict[ToolFailureKind, str] = {
    "cancelled": "the turn was stopped, and the call has taken no effect",
    "raised": f"given up after {MAX_TOOL_ATTEMPTS} attempts, none of which took effect",
}


def lacking(state: State, has_tool: Callable[[str], bool]) -> tuple[str, ...]:
    """Return the names of tools that are needed to take a thread over, and are not here.

    Nothing runs again in a stopped turn: it needs none.
    """
    if state.blocked or state.to_cancel:
        return ()
    open_calls = (
        state.calls[closing.call_id].tool
        for closing in abandoned(state)
        if isinstance(closing, RunAgain | AskTool)
    )
    return tuple(dict.fromkeys(name for name in open_calls if not has_tool(name)))


def close_abandoned(batch: Batch) -> tuple[Effect, ...]:
    """Close or take over each claim that was left open.

    Returns:
        Tool calls that are claimed again, and tools that are to be asked, once the batch is
        appended.
    """
    effects: list[Effect] = []
    for closing in abandoned(batch.shown.state):
        match closing:
            case CloseModelCall():
                _close_model_call(batch, closing)
            case CloseToolCall(call_id=call, kind=kind):
                _close_tool_call(batch, call, kind, _ABANDONED[kind])
            case AskTool(call_id=call):
                effects.append(_asking(batch.shown.state, call))
            case RunAgain(call_id=call):
                effects.append(start_tool(batch, call))
    return tuple(effects)


def begin_again(batch: Batch, ended: Iterable[Ended]) -> tuple[Effect, ...]:
    """Claim calls again that took no effect, or close them where there were attempts enough.

    Returns:
        Tool calls that are to be performed once the batch is appended.
    """
    effects: list[Effect] = []
    for one in (one for one in ended if isinstance(one, Undone)):
        match not_done(batch.shown.state, one.call_id, one.attempt):
            case CloseToolCall(call_id=call, kind=kind):
                _close_tool_call(batch, call, kind, _NOT_DONE[kind])
            case RunAgain(call_id=call):
                effects.append(start_tool(batch, call))
            case None:
                pass
    return tuple(effects)


def _asking(state: State, call_id: str) -> ReconcileCall:
    call = state.calls[call_id]
    return ReconcileCall(call_id, call.cause, call.tool, call.attempt, call.key)


def _close_model_call(batch: Batch, closing: CloseModelCall) -> None:
    call = batch.shown.state.model_call
    failed = LlmCallFailed(
        llm_call_id=closing.claim_id,
        kind=closing.kind,
        message="the worker died while the model was asked",
    )
    batch.close(failed, closing.claim_id, call.position if call else None)


def _close_tool_call(batch: Batch, call_id: str, kind: ToolFailureKind, why: str) -> None:
    call = batch.shown.state.calls[call_id]
    failed = ToolExecutionFailed(
        call_id=call_id, attempt=call.attempt, kind=kind, message=why, elapsed_ms=0
    )
    batch.close(failed, call_id, call.cause)
