"""What a thread did to the world: its tool calls with policy, attempts, key and outcome."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from messagedb_agent.agent.counting import counts, valid_calls
from messagedb_agent.agent.evolution import evolve_counted
from messagedb_agent.agent.state import State, ToolRule
from messagedb_agent.changing import changed
from messagedb_agent.events.recorded import Recorded
from messagedb_agent.events.schema import (
    LlmResponseReceived,
    SessionCompleted,
    SessionStarted,
    ToolApprovalRequested,
    ToolExecutionApproved,
    ToolExecutionCompleted,
    ToolExecutionDenied,
    ToolExecutionFailed,
    ToolExecutionStarted,
    ToolOutcomeResolved,
    TurnCancelled,
)
from messagedb_agent.events.words import EffectPolicy, ResolvedStatus
from messagedb_agent.projections.dropped import given_results, left_out
from messagedb_agent.projections.items import CallOutcome
from messagedb_agent.projections.projection import Projection
from messagedb_agent.projections.rounds import Rounds

CallEvent = (
    ToolApprovalRequested
    | ToolExecutionApproved
    | ToolExecutionDenied
    | ToolExecutionStarted
    | ToolExecutionCompleted
    | ToolExecutionFailed
)


@dataclass(frozen=True)
class Resolution:
    """What really became of a call of unknown outcome, as somebody has said since.

    Attributes:
        status: whether it took effect.
        text: the result, or the reason.
        by: who said so; None for the late process itself, and where it is not recorded.
    """

    status: ResolvedStatus
    text: str
    by: str | None = None


@dataclass(frozen=True)
class ToolEffect:
    """A tool call, and what became of it by now.

    Attributes:
        call_id: our id of the call.
        tool: the tool's name, as the model wrote it.
        arguments: the arguments it runs with: the model's, or those a person put in their place.
        policy: what a take-over does with it, as the definition in force at its newest start says.
        position: position of the reply that asked for it.
        attempts: how often it was started.
        key: its idempotency key; empty before it was started.
        outcome: how far it has come; `unknown` also where it was resolved since.
        text: the result, or why there is none; empty before that.
        resolution: what really became of a call of unknown outcome; None where nobody has said.
    """

    call_id: str
    tool: str
    arguments: str
    policy: EffectPolicy
    position: int
    attempts: int = 0
    key: str = ""
    outcome: CallOutcome = "requested"
    text: str = ""
    resolution: Resolution | None = None


@dataclass(frozen=True)
class Effects(Rounds[ToolEffect]):
    """The fold.

    Attributes:
        resolutions: what became of calls of unknown outcome, by call id.
    """

    resolutions: Mapping[str, Resolution] = field(default_factory=dict)

    def __iter__(self) -> Iterator[ToolEffect]:
        """Give every tool call, in the order in which they were asked for."""
        for call in self.asked_for:
            resolution = self.resolutions.get(call.call_id)
            yield changed(call, resolution=resolution) if resolution else call

    @property
    def unresolved(self) -> tuple[ToolEffect, ...]:
        """The calls of which nobody knows whether they have taken effect."""
        return tuple(call for call in self if call.call_id in self.state.unknown)


def _evolve(before: Effects, recorded: Recorded) -> Effects:
    if not counts(before.state, recorded):
        return before
    side = before.state.side_calls
    after = changed(before, state=evolve_counted(before.state, recorded))
    match recorded.event:
        case SessionStarted() as started:
            after = _dropped(after, before.state, recorded, given_results(started))
        case TurnCancelled() | SessionCompleted():
            after = _dropped(after, before.state, recorded, {})
        case LlmResponseReceived(llm_call_id=claim) as reply if claim not in side:
            after = _asked_for(after, reply, recorded)
        case ToolOutcomeResolved(call_id=call, status=status, text=text, by=by):
            resolutions = {**after.resolutions, call: Resolution(status, text, by)}
            after = changed(after, resolutions=resolutions)
        case (
            ToolApprovalRequested()
            | ToolExecutionApproved()
            | ToolExecutionDenied()
            | ToolExecutionStarted()
            | ToolExecutionCompleted()
            | ToolExecutionFailed()
        ) as event:
            after = after.with_call(event.call_id, **_news(after.state, event))
        case _:
            return after
    return after.with_closed_round()


def _news(state: State, event: CallEvent) -> dict[str, Any]:
    """Return what an event changes of its call."""
    match event:
        case ToolApprovalRequested():
            return {"outcome": "asked"}
        case ToolExecutionApproved(arguments=None):
            return {"outcome": "allowed"}
        case ToolExecutionApproved(arguments=arguments):
            return {"outcome": "allowed", "arguments": arguments}
        case ToolExecutionDenied(reason=reason):
            return {"outcome": "denied", "text": reason or ""}
        case ToolExecutionStarted(tool_name=name, arguments=arguments, attempt=n) as start:
            began = {"outcome": "running", "arguments": arguments, "attempts": n}
            return {**began, "key": start.idempotency_key, "policy": _policy(state, name)}
        case ToolExecutionCompleted(result=result):
            return {"outcome": "completed", "text": result}
        case ToolExecutionFailed(call_id=call, kind=kind, message=message):
            outcome = "unknown" if call in state.unknown else "failed"
            return {"outcome": outcome, "text": f"{kind}: {message}"}


effects: Projection[Effects] = Projection(Effects(), _evolve)


def _policy(state: State, tool: str) -> EffectPolicy:
    return state.rules.get(tool, ToolRule()).effect


def _asked_for(after: Effects, reply: LlmResponseReceived, recorded: Recorded) -> Effects:
    calls = {}
    for call in valid_calls(reply):
        # A turn that was cancelled meanwhile never runs them.
        outcome: CallOutcome = "requested" if call.call_id in after.state.calls else "not_run"
        calls[call.call_id] = ToolEffect(
            call_id=call.call_id,
            tool=call.name,
            arguments=call.arguments,
            policy=_policy(after.state, call.name),
            position=recorded.position,
            outcome=outcome,
        )
    return changed(after, open_calls=calls)


def _dropped(
    after: Effects, before: State, recorded: Recorded, results: Mapping[str, str]
) -> Effects:
    for call in left_out(before, recorded):
        if call in results:
            after = after.with_call(call, outcome="completed", text=results[call])
        else:
            after = after.with_call(call, outcome="not_run")
    return after
