"""Outcomes: the facts that close a claim or a call."""

from messagedb_agent.events.recorded import UnknownEvent
from messagedb_agent.events.schema import (
    ContextCompacted,
    Event,
    LlmCallFailed,
    LlmResponseReceived,
    ToolExecutionCompleted,
    ToolExecutionDenied,
    ToolExecutionFailed,
)

_NOBODY_WAITED = ("cancelled", "outcome_unknown")


def answered(event: Event | UnknownEvent) -> str | None:
    """Return what an outcome answers, the id of a claim or of a call; None for other events."""
    match event:
        case (
            ToolExecutionCompleted(call_id=key)
            | ToolExecutionFailed(call_id=key)
            | ToolExecutionDenied(call_id=key)
        ):
            return key
        case (
            LlmResponseReceived(llm_call_id=key)
            | LlmCallFailed(llm_call_id=key)
            | ContextCompacted(llm_call_id=key)
        ):
            return key
        case _:
            return None


def is_known(event: Event) -> bool:
    """Say whether an outcome tells what happened, and not only that nobody waited for it."""
    match event:
        case ToolExecutionFailed(kind=kind) | LlmCallFailed(kind=kind):
            return kind not in _NOBODY_WAITED
        case _:
            return True
