"""How the newest turn stands: what was answered, what failed, what is waited for."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from messagedb_agent.agent.counting import counts, rejection, valid_calls
from messagedb_agent.agent.evolution import evolve_counted
from messagedb_agent.agent.state import Stage, State
from messagedb_agent.changing import changed
from messagedb_agent.events.recorded import Recorded
from messagedb_agent.events.schema import (
    LimitReached,
    LlmCallFailed,
    LlmCallStarted,
    LlmResponseReceived,
    SessionContinued,
    SessionStarted,
    ToolApprovalRequested,
    ToolExecutionCompleted,
    ToolExecutionStarted,
    TurnCancelled,
    UserMessageAdded,
)
from messagedb_agent.events.values import ReachedLimit
from messagedb_agent.events.words import TurnFailureKind
from messagedb_agent.projections.projection import Projection


@dataclass(frozen=True)
class Outcome:
    """The fold.

    Attributes:
        state: what decisions are made on.
        answer: the newest reply's text since the user spoke last; None where there is none.
        output: the answer, where it is the output that was asked for, as JSON text.
        failure: kind and message of the newest failed model call of the turn; or why its newest
            answer is not the output that was asked for.
        limits: the limits that stopped the turn.
        asked: calls of the open round that a person was asked about, by call id.
        cancelled: what stopped the run since the user spoke last; None where nothing did.
    """

    state: State = field(default_factory=State, repr=False)
    answer: str | None = None
    output: str | None = None
    failure: tuple[TurnFailureKind, str] | None = None
    limits: tuple[ReachedLimit, ...] = ()
    asked: Mapping[str, ToolApprovalRequested] = field(default_factory=dict)
    cancelled: TurnCancelled | None = None

    @property
    def waiting(self) -> tuple[ToolApprovalRequested, ...]:
        """The calls that wait for a person."""
        return tuple(self.asked[id] for id in self.state.at(Stage.ASKED) if id in self.asked)


def _evolve(before: Outcome, recorded: Recorded) -> Outcome:
    if not counts(before.state, recorded):
        return before
    return with_state(before, recorded, evolve_counted(before.state, recorded))


def with_state(before: Outcome, recorded: Recorded, state: State) -> Outcome:
    """Return the fold after an event that counts, for those who have folded the state already.

    Args:
        before: the fold before the event.
        recorded: the event.
        state: the state after it.
    """
    side = before.state.side_calls
    match recorded.event:  # what a turn is made of first
        case LlmCallStarted() | ToolExecutionStarted() | ToolExecutionCompleted():
            return changed(before, state=state)
        case UserMessageAdded():
            return Outcome(state, asked=before.asked)
        case LlmResponseReceived(llm_call_id=claim, text=text) as reply if claim not in side:
            problem = rejection(before.state, reply)
            failure = None if problem is None else ("bad_output", problem)
            said, output = text or before.answer, _output(reply)
            return changed(before, state=state, answer=said, output=output, failure=failure)
        case SessionContinued():
            return changed(before, state=state, failure=None, limits=(), cancelled=None)
        case SessionStarted():
            return changed(before, state=state, cancelled=None)
        case TurnCancelled() as stop:
            return changed(before, state=state, cancelled=stop)
        case LlmCallFailed(llm_call_id=claim, kind=kind, message=message) if claim not in side:
            return changed(before, state=state, failure=(kind, message))
        case LimitReached(limits=limits):
            return changed(before, state=state, limits=limits)
        case ToolApprovalRequested(call_id=call) as request:
            open_calls = {id: a for id, a in before.asked.items() if id in state.calls}
            return changed(before, state=state, asked={**open_calls, call: request})
        case _:
            return changed(before, state=state)


def _output(reply: LlmResponseReceived) -> str | None:
    fits = reply.output is not None and reply.output.problem is None and not valid_calls(reply)
    return reply.text if fits else None


outcome: Projection[Outcome] = Projection(Outcome(), _evolve)
