"""Whether a claim is what `decide` says where it stands: the rule, asked of a log."""

from messagedb_agent.agent.decider import decide
from messagedb_agent.agent.state import Stage, State
from messagedb_agent.agent.steps import (
    CallModel,
    Compact,
    RefuseCalls,
    RequestApproval,
    RunTools,
    Step,
    Stop,
)
from messagedb_agent.events.recorded import Recorded
from messagedb_agent.events.schema import (
    LimitReached,
    LlmCallStarted,
    ToolApprovalRequested,
    ToolExecutionFailed,
    ToolExecutionStarted,
)


def step_instead(state: State, recorded: Recorded) -> Step | None:
    """Return what `decide` says where an event claims something else; None where it is followed.

    Claims are written on the state that they were decided on, in one conditional append, so the
    state before one is what it must follow from. Facts and what people say follow from no step, and
    neither do attempts after a take-over. A summary may be made wherever an answer is owed, and a
    session completed at any time: when that is worth while is no rule that a log can be held to.

    Args:
        state: the state before the event.
        recorded: an event that this engine has written.
    """
    if state.blocked or not _is_step(state, recorded):
        return None  # behind what older code must not pass, newer code goes on
    step = decide(state)
    if isinstance(step, Compact) and not state.compaction_due:
        step = CallModel(state.repairing)
    return None if _is_followed(step, recorded) else step


def _is_step(state: State, recorded: Recorded) -> bool:
    match recorded.event:
        case LlmCallStarted(purpose="answer" | "summary"):
            return True
        case ToolExecutionStarted(call_id=id):
            return _stage(state, id) is not Stage.RUNNING
        case ToolExecutionFailed(call_id=id):
            return _stage(state, id) is Stage.PROBLEM
        case ToolApprovalRequested() | LimitReached():
            return True
        case _:
            return False


def _is_followed(step: Step, recorded: Recorded) -> bool:
    match recorded.event, step:
        case LlmCallStarted(purpose="answer", repairs=repairs), CallModel():
            return repairs == step.repairs
        case LlmCallStarted(purpose="summary"), Compact() | CallModel():
            return True
        case (
            (ToolExecutionStarted(call_id=id), RunTools(call_ids=ids))
            | (ToolExecutionFailed(call_id=id), RefuseCalls(call_ids=ids))
            | (ToolApprovalRequested(call_id=id), RequestApproval(call_ids=ids))
        ):
            return id in ids
        case LimitReached(limits=reached), Stop(limits=limits):
            return reached == limits
        case _:
            return False


def _stage(state: State, call_id: str) -> Stage | None:
    call = state.calls.get(call_id)
    return call.stage if call else None
