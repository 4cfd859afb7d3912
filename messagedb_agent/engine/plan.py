"""From steps to claims: what `decide` says, written down before anything is done."""

from messagedb_agent.agent.commands import Cancel
from messagedb_agent.agent.decider import accept, decide
from messagedb_agent.agent.state import NO_RULE
from messagedb_agent.agent.steps import (
    CallModel,
    Compact,
    Complete,
    Done,
    RefuseCalls,
    RequestApproval,
    RunTools,
    Stop,
    Wait,
)
from messagedb_agent.engine.batch import Batch, Draft
from messagedb_agent.events.request import Request
from messagedb_agent.events.schema import (
    LimitReached,
    LlmCallStarted,
    SessionCompleted,
    ToolApprovalRequested,
    ToolExecutionFailed,
    ToolExecutionStarted,
)
from messagedb_agent.events.values import MAX_FAILURE_CHARS, ToolCall
from messagedb_agent.events.words import EffectPolicy, Purpose
from messagedb_agent.projections.requests import FoldedRequest, next_request, next_summary
from messagedb_agent.records import record


@record
class AskModel:
    """A claimed model call.

    Attributes:
        claim_id: id of its `LlmCallStarted`.
        position: position of that event.
        purpose: `answer` or `summary`.
        request: what to ask.
        through: for a summary, the last event it stands for; None where there is nothing to
            summarise.
    """

    claim_id: str
    position: int
    purpose: Purpose
    request: Request
    through: int | None


@record
class RunTool:
    """A claimed tool call.

    Attributes:
        call_id: our id of the call.
        position: position of its `ToolExecutionStarted`.
        tool_name: the tool's name.
        arguments: arguments to run with, JSON text.
        attempt: 1, or more after a take-over.
        idempotency_key: the same in every attempt.
        policy: what a take-over does with the call, as the definition in force says.
    """

    call_id: str
    position: int
    tool_name: str
    arguments: str
    attempt: int
    idempotency_key: str
    policy: EffectPolicy


@record
class ReconcileCall:
    """A claimed tool call whose worker died, and whose tool can say what became of it.

    Attributes:
        call_id: our id of the call.
        position: position of its newest `ToolExecutionStarted`.
        tool_name: the tool's name.
        attempt: which attempt it was.
        idempotency_key: the key of the call.
    """

    call_id: str
    position: int
    tool_name: str
    attempt: int
    idempotency_key: str


Effect = AskModel | RunTool | ReconcileCall


def plan(batch: Batch) -> tuple[Effect, ...]:
    """Add what follows, step by step, until a wait, the end or an open claim.

    Returns:
        The effects that were claimed; to be performed once the batch is appended.
    """
    effects: list[Effect] = []
    while True:
        state = batch.shown.state
        match decide(state):
            case Wait() | Done():
                return tuple(effects)
            case Complete():
                batch.claim(SessionCompleted(ending="user"), state.terminating)
            case RefuseCalls(call_ids=ids):
                for id in ids:
                    _refuse(batch, id)
            case RequestApproval(call_ids=ids):
                for id in ids:
                    _request_approval(batch, id)
            case RunTools(call_ids=ids):
                effects += [start_tool(batch, id) for id in ids]
            case Stop(limits=limits):
                batch.claim(LimitReached(limits=limits), state.owed)
            case Compact():
                effects.append(_start_call(batch, "summary", next_summary(batch.shown)))
            case CallModel(repairs=repairs):
                folded = _answer_request(batch)
                effects.append(_start_call(batch, "answer", folded, repairs=repairs))


def stop_unrecorded(batch: Batch) -> None:
    """Stop the turn behind a call that the record of the thread does not know.

    It stands in one append with the call's outcome, so that nobody asks the model in between.
    """
    for recorded, _ in tuple(batch.folded):
        event = recorded.event
        if isinstance(event, ToolExecutionFailed) and event.kind == "not_recorded":
            for stop in accept(batch.shown.state, Cancel(reason=event.message)):
                batch.claim(stop, recorded.position)


def start_tool(batch: Batch, call_id: str) -> RunTool:
    """Claim a tool call: its first attempt, or the next with the same idempotency key."""
    call = _call(batch, call_id)
    state = batch.shown.state.calls[call_id]
    id = batch.new_id()
    event = ToolExecutionStarted(
        call_id=call_id,
        tool_name=call.name,
        arguments=call.arguments,
        attempt=state.attempt + 1,
        idempotency_key=state.key or id,
    )
    recorded = batch.add(Draft(id, event, state.cause))
    return RunTool(
        call_id,
        recorded.position,
        event.tool_name,
        event.arguments,
        event.attempt,
        event.idempotency_key,
        batch.shown.state.rules.get(call.name, NO_RULE).effect,
    )


def _refuse(batch: Batch, call_id: str) -> None:
    call = _call(batch, call_id)
    failure = ToolExecutionFailed(
        call_id=call_id,
        attempt=0,
        kind=call.problem or "bad_arguments",
        message=(call.problem_message or "the call cannot run")[:MAX_FAILURE_CHARS],
        elapsed_ms=0,
    )
    batch.close(failure, call_id, batch.shown.state.calls[call_id].cause)


def _request_approval(batch: Batch, call_id: str) -> None:
    call = _call(batch, call_id)
    asked = ToolApprovalRequested(call_id=call_id, tool_name=call.name, arguments=call.arguments)
    batch.claim(asked, batch.shown.state.calls[call_id].cause)


def _answer_request(batch: Batch) -> FoldedRequest:
    definition = batch.shown.definition
    model = definition.model if definition else ""
    return next_request(batch.shown, lambda text: batch.tokens(model, text))


def _start_call(
    batch: Batch, purpose: Purpose, folded: FoldedRequest, *, repairs: bool = False
) -> AskModel:
    state = batch.shown.state
    started = LlmCallStarted(
        purpose=purpose,
        model=folded.request.model,
        parameters=folded.request.parameters,
        attempt=state.interruptions + 1,
        repairs=repairs,
        context_position=batch.head.version,
        projection_name=folded.projection,
        projection_version=folded.version,
        left_out=folded.left_out,
        request_digest=folded.digest,
    )
    recorded = batch.claim(started, state.owed)
    return AskModel(recorded.id, recorded.position, purpose, folded.request, folded.through)


def _call(batch: Batch, call_id: str) -> ToolCall:
    if batch.shown.round is None:
        raise ValueError(f"no round is open for call {call_id}")
    return batch.shown.round.call(call_id)
