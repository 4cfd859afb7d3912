"""Closing what a dead worker left open. Only the owner of the thread may do it."""

from messagedb_agent.agent.decider import (
    AskTool,
    CloseModelCall,
    CloseToolCall,
    RunAgain,
    abandoned,
)
from messagedb_agent.engine.batch import Batch
from messagedb_agent.engine.plan import Effect, start_tool
from messagedb_agent.events.schema import LlmCallFailed, ToolExecutionFailed
from messagedb_agent.events.words import ToolFailureKind

_WHY: dict[ToolFailureKind, str] = {
    "cancelled": "the turn was stopped after the worker had died",
    "outcome_unknown": "the worker died while the tool ran; it may or may not have taken effect",
}


def close_abandoned(batch: Batch) -> tuple[Effect, ...]:
    """Close or take over each claim that was left open.

    Returns:
        Tool calls that are claimed again and are to be performed once the batch is appended.
    """
    effects: list[Effect] = []
    for closing in abandoned(batch.shown.state):
        match closing:
            case CloseModelCall():
                _close_model_call(batch, closing)
            case CloseToolCall(call_id=call, kind=kind):
                _close_tool_call(batch, call, kind)
            case AskTool(call_id=call):
                _close_tool_call(batch, call, "outcome_unknown")
            case RunAgain(call_id=call):
                effects.append(start_tool(batch, call))
    return tuple(effects)


def _close_model_call(batch: Batch, closing: CloseModelCall) -> None:
    call = batch.shown.state.model_call
    failed = LlmCallFailed(
        llm_call_id=closing.claim_id,
        kind=closing.kind,
        message="the worker died while the model was asked",
    )
    batch.close(failed, closing.claim_id, call.position if call else None)


def _close_tool_call(batch: Batch, call_id: str, kind: ToolFailureKind) -> None:
    call = batch.shown.state.calls[call_id]
    failed = ToolExecutionFailed(
        call_id=call_id, attempt=call.attempt, kind=kind, message=_WHY[kind], elapsed_ms=0
    )
    batch.close(failed, call_id, call.cause)
