"""The states of a thread and where each came from.

An agent is one state of a thread, named by the id of the last event it includes. States are the
start and the end of each turn: the event after which the thread rests, because it waits for its
user, for a retry or for a higher limit, or is done. A turn begins with the first event that moves
a resting thread on; its state's parent is the state the thread rested in. A fork that was begun for
a turn has no start of its own: that turn begins with it, and comes from where it branched off.

Titles, tags and archiving, calls on the side and events that do not count move nothing on. An event
that moves a resting thread on and leaves it at rest (another definition, a raised limit, a note)
belongs to the turn that comes next, unless it ends the session.
"""

from dataclasses import dataclass, field
from typing import Literal

from messagedb_agent.agent.counting import counts
from messagedb_agent.agent.decider import decide
from messagedb_agent.agent.evolution import evolve_counted
from messagedb_agent.agent.state import State
from messagedb_agent.agent.steps import Done, Step, Wait
from messagedb_agent.changing import changed
from messagedb_agent.events.recorded import Recorded
from messagedb_agent.events.schema import (
    LlmCallFailed,
    LlmCallStarted,
    LlmResponseReceived,
    SessionArchived,
    SessionStarted,
    SessionTagged,
    SessionTitled,
    SessionUnarchived,
    ToolExecutionCompleted,
    ToolExecutionStarted,
    UserMessageAdded,
)
from messagedb_agent.projections.grown import Grown
from messagedb_agent.projections.projection import Projection

StateKind = Literal["start", "open", "answered", "cancelled", "failed", "limit", "ended", "deleted"]
"""What a state is: the start, in the middle of a turn, or how its turn ended."""


@dataclass(frozen=True)
class AgentState:
    """An agent: a state of a thread.

    Attributes:
        id: id of the last event it includes.
        parent_id: id of the state it came from: the one before its turn, or, for a fork's start,
            the event the fork branched off at, which may be in the middle of a turn; None for
            the start of a thread that is no fork.
        stream: full name of the stream that holds the event; for what a fork shares with its
            ancestors, theirs.
        position: the event's position there.
        turn: number of its turn in the history, from 1; a start has that of the turn before it.
        kind: what it is.
        opened_by: id of the event that began its turn; None for a start.
        time_ms: when the event happened, in milliseconds since 1970-01-01 UTC.
    """

    id: str
    parent_id: str | None
    stream: str
    position: int
    turn: int
    kind: StateKind
    opened_by: str | None = None
    time_ms: int = 0


@dataclass(frozen=True, slots=True)
class Lineage:
    """The fold.

    Attributes:
        state: what decisions are made on.
        states: the start and the ends of turns, oldest first, a fork's ancestors' before its own.
        current: the state by the newest event that moved the thread on, also in the middle of a
            turn; None before the start. An agent whose id it has stands at the head of its thread.
        step: what `decide` said then.
    """

    state: State = field(default_factory=State, repr=False)
    states: Grown[AgentState] = field(default_factory=Grown)
    current: AgentState | None = None
    step: Step = Wait("start")  # noqa: RUF009  # a frozen value without any content


def _evolve(before: Lineage, recorded: Recorded) -> Lineage:
    if not counts(before.state, recorded):
        return before
    return with_state(before, recorded, evolve_counted(before.state, recorded))


def with_state(before: Lineage, recorded: Recorded, state: State) -> Lineage:
    """Return the fold after an event that counts, for those who have folded the state already.

    Args:
        before: the fold before the event.
        recorded: the event.
        state: the state after it.
    """
    if isinstance(recorded.event, SessionStarted):
        start = _start(before, recorded, recorded.event)
        states = before.states if start.kind == "open" else before.states.plus(start)
        return Lineage(state, states, start, decide(state))
    if before.current is None or not _moves_on(before.state, recorded):
        return Lineage(state, before.states, before.current, before.step)
    step = decide(state)
    ends = _ends_turn(before, state, step)
    kind = _kind(before.state, recorded, state, step) if ends else "open"
    current = _moved(before.current, before.states, recorded, kind)
    return Lineage(state, before.states.plus(current) if ends else before.states, current, step)


lineage: Projection[Lineage] = Projection(Lineage(), _evolve)


def _start(before: Lineage, recorded: Recorded, started: SessionStarted) -> AgentState:
    opens = started.for_turn and started.forked_from is not None
    turn = before.current.turn if before.current else 0
    return AgentState(
        id=recorded.id,
        parent_id=started.forked_from.event_id if started.forked_from else None,
        stream=recorded.stream,
        position=recorded.position,
        turn=turn + 1 if opens else turn,
        kind="open" if opens else "start",
        opened_by=recorded.id if opens else None,
        time_ms=recorded.time_ms,
    )


def _moved(
    current: AgentState, states: Grown[AgentState], recorded: Recorded, kind: StateKind
) -> AgentState:
    """Return the next state of the turn under way, or the first of a new one.

    Args:
        current: the state before the event.
        states: those at rest, the newest of which a new turn comes from.
        recorded: the event.
        kind: what the state is after it.
    """
    begun: dict[str, str | int] = {}
    if current.kind != "open":
        turn = current.turn + 1
        begun = {"parent_id": states[-1].id, "turn": turn, "opened_by": recorded.id}
    return changed(
        current,
        id=recorded.id,
        stream=recorded.stream,
        position=recorded.position,
        kind=kind,
        time_ms=recorded.time_ms,
        **begun,
    )


def _moves_on(state: State, recorded: Recorded) -> bool:
    match recorded.event:  # what a turn is made of first
        case LlmCallStarted(purpose=purpose):
            return purpose in ("answer", "summary")
        case LlmResponseReceived(llm_call_id=claim) | LlmCallFailed(llm_call_id=claim):
            return claim not in state.side_calls
        case UserMessageAdded() | ToolExecutionStarted() | ToolExecutionCompleted():
            return True
        case SessionTitled() | SessionTagged() | SessionArchived() | SessionUnarchived():
            return False
        case _:
            return True


def _ends_turn(before: Lineage, after: State, step: Step) -> bool:
    """Say whether a thread has come to rest, or, from rest, to its end."""
    if not rests(before.step):
        return rests(step)
    deleted = after.deleted and not before.state.deleted
    return isinstance(step, Done) and (deleted or not isinstance(before.step, Done))


def rests(step: Step) -> bool:
    """Say whether a thread whose next step this is has no turn under way.

    A wait for an approval is a part of one.
    """
    return isinstance(step, Done) or (
        isinstance(step, Wait) and step.reason in ("user", "retry", "limit")
    )


def _kind(before: State, recorded: Recorded, after: State, step: Step) -> StateKind:
    """Say how a turn ended."""
    match step:
        case Done():
            return "deleted" if after.deleted else "ended"
        case Wait(reason="retry"):
            return "failed"
        case Wait(reason="limit"):
            return "limit"
        case _:
            dropped = before.model_call is not None and before.model_call.cancelled
            replied = isinstance(recorded.event, LlmResponseReceived) and not dropped
            return "answered" if replied else "cancelled"
