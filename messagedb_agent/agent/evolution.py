"""How events change the state; any event is accepted in any state."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from messagedb_agent.agent.bounds import MAX_INTERRUPTIONS, is_too_large
from messagedb_agent.agent.counting import TURN_PURPOSES, counts, rejection, valid_calls
from messagedb_agent.agent.state import (
    NO_RULE,
    NOT_STARTED,
    OpenModelCall,
    OpenToolCall,
    Stage,
    State,
    ThreadUse,
    ToolRule,
    TurnUse,
)
from messagedb_agent.agent.tagging import tagged
from messagedb_agent.changing import changed
from messagedb_agent.events.recorded import Recorded, UnknownEvent
from messagedb_agent.events.schema import (
    AgentRedefined,
    ContextCompacted,
    LimitReached,
    LlmCallFailed,
    LlmCallStarted,
    LlmResponseReceived,
    SessionArchived,
    SessionCompleted,
    SessionContinued,
    SessionDeleted,
    SessionStarted,
    SessionTagged,
    SessionTerminationRequested,
    SessionUnarchived,
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
from messagedb_agent.events.strategy import recorded as recorded_strategy
from messagedb_agent.events.values import (
    Attempt,
    Definition,
    Limits,
    ToolCall,
    Usage,
    spent,
)
from messagedb_agent.events.words import ToolFailureKind

_UNUSED = TurnUse()
_WORTH_A_SUMMARY = 4  # the part of the tokens allowed that must be new since the last summary


def evolve(state: State, recorded: Recorded) -> State:
    """Return the state after an event; the same where it does not count."""
    return evolve_counted(state, recorded) if counts(state, recorded) else state


def evolve_counted(state: State, recorded: Recorded) -> State:
    """Return the state after an event that counts, for those who have asked that already."""
    position = recorded.position
    match recorded.event:  # what a turn is made of first
        case UserMessageAdded(output_schema=asked):
            return _said(state, position, asked is not None)
        case LlmCallStarted(purpose=purpose, repairs=repairs):
            return _call_started(state, OpenModelCall(recorded.id, position, purpose, repairs))
        case LlmResponseReceived() as reply:
            return _replied(state, reply, position)
        case ToolExecutionStarted(call_id=call, attempt=attempt, idempotency_key=key):
            return state.with_call(
                call, stage=Stage.RUNNING, cause=position, attempt=attempt, key=key
            )
        case ToolExecutionCompleted(call_id=call, elapsed_ms=elapsed_ms):
            return _call_done(state, call, position, turn=_elapsed(state, elapsed_ms))
        case SessionStarted() as started:
            return _started(state, started, recorded)
        case AgentRedefined(definition=definition):
            return changed(
                state,
                rules=_rules(definition),
                limits=definition.limits,
                **_summarizing(state, definition),
            )
        case ContextCompacted() as summary:
            used = _used(state, summary.attempts, summary.usage, summary.cost_usd)
            return changed(
                state,
                **used,
                model_call=None,
                compaction_due=False,
                is_long=False,
                least_tokens=None,
            )
        case LlmCallFailed() as failure:
            return _call_failed(state, failure, position)
        case ToolApprovalRequested(call_id=call):
            return state.with_call(call, stage=Stage.ASKED, cause=position)
        case ToolExecutionApproved(call_id=call):
            return state.with_call(call, stage=Stage.READY, cause=position)
        case ToolExecutionFailed(call_id=call, kind=kind, elapsed_ms=elapsed_ms):
            unresolved = state.unresolved
            if _is_unknown(state, call, kind):
                unresolved = {**unresolved, call: state.calls[call].attempt}
            turn = _elapsed(state, elapsed_ms)
            return _call_done(state, call, position, turn=turn, unresolved=unresolved)
        case ToolExecutionDenied(call_id=call):
            return _call_done(state, call, position)
        case ToolOutcomeResolved(call_id=call):
            left = {id: times for id, times in state.unresolved.items() if id != call}
            return changed(state, unresolved=left)
        case LimitReached(limits=limits):
            return changed(state, stopped=tuple(limit.name for limit in limits))
        case SessionContinued(limits=limits):
            return _new_allowance(state, limits=raised(state.limits, limits), repairing=False)
        case TurnCancelled():
            return _dropped(state)
        case SessionTerminationRequested():
            return changed(state, terminating=position)
        case SessionCompleted():
            return changed(_dropped(state), ended=True, terminating=None)
        case SessionDeleted():
            return changed(state, deleted=True)
        case SessionTagged(added=added, removed=removed):
            return changed(state, tags=tagged(state.tags, added, removed))
        case SessionArchived():
            return changed(state, archived=True)
        case SessionUnarchived():
            return changed(state, archived=False)
        case UnknownEvent():
            return changed(state, blocked=True)
        case _:
            return state


def raised(limits: Limits, changes: Limits) -> Limits:
    """Return limits with those that `changes` names put in their place."""
    return limits.model_copy(update={name: new for name, new in changes if new is not None})


def _rules(definition: Definition) -> Mapping[str, ToolRule]:
    return {t.name: ToolRule(t.needs_approval, t.effect) for t in definition.tools}


def _summarizing(state: State, definition: Definition) -> dict[str, Any]:
    """Return what of the state says when the conversation is summarised for its length."""
    at = recorded_strategy(definition.context_strategy).summarizes_at
    return {"summarizes_at": at, "is_long": at is not None and state.is_long}


def _started(state: State, started: SessionStarted, recorded: Recorded) -> State:
    """Begin, or close what the prefix of a fork left open."""
    call = state.model_call
    lost_call = call is not None and call.purpose == "answer" and not call.cancelled
    lost_round = bool(state.calls) and not state.dropped
    owed = state.owed is not None or lost_call or lost_round
    return State(
        stream=recorded.stream,
        started=True,
        blocked=state.blocked,
        rules=_rules(started.definition),
        limits=started.definition.limits,
        owed=recorded.position if owed else None,
        repairing=state.repairing and owed,
        unresolved=state.unresolved,
        compaction_due=state.compaction_due,
        total=state.total,
        tags=state.tags if started.forked_from is None else (),
        archived=state.archived and started.forked_from is None,
        least_tokens=state.least_tokens,
        **_summarizing(state, started.definition),
    )


def _new_allowance(state: State, **changes: Any) -> State:
    return changed(
        state,
        failed=False,
        interruptions=0,
        overflowed=False,
        stopped=(),
        turn=_UNUSED,
        **changes,
    )


def _said(state: State, position: int, asks_output: bool) -> State:
    """Owe an answer. What is said on the way leaves the output of the turn, and its one repair."""
    changes: dict[str, Any] = {"terminating": None, "ended": False, "owed": position}
    if asks_output and state.model_call is not None:
        changes["model_call"] = changed(state.model_call, outdated=True)
    on_the_way = not asks_output and not state.failed and not state.stopped
    return _new_allowance(state, **changes, repairing=state.repairing and on_the_way)


def _call_started(state: State, call: OpenModelCall) -> State:
    if call.purpose not in TURN_PURPOSES:
        return changed(state, side_calls={**state.side_calls, call.id: call.purpose})
    turn = changed(state.turn, calls=state.turn.calls + 1)
    owed = None if call.purpose == "answer" else state.owed
    return changed(state, model_call=call, turn=turn, owed=owed)


def _without_side_call(state: State, claim: str, **changes: Any) -> State:
    left = {id: purpose for id, purpose in state.side_calls.items() if id != claim}
    return changed(state, side_calls=left, **changes)


def _replied(state: State, reply: LlmResponseReceived, position: int) -> State:
    used = _used(state, reply.attempts, reply.usage, reply.cost_usd)
    call = state.model_call
    if reply.llm_call_id in state.side_calls or call is None:
        return _without_side_call(state, reply.llm_call_id, **used)
    closed = {**used, "model_call": None, "failed": False, "interruptions": 0, "overflowed": False}
    if state.summarizes_at is not None and reply.usage is not None:
        closed |= _measured(state, state.summarizes_at, reply.usage)
    calls = valid_calls(reply)
    if rejection(state, reply) is not None:
        return changed(state, **closed | {"failed": call.repairs}, owed=position, repairing=True)
    if not calls:
        closed["repairing"] = state.repairing and call.cancelled
    if not calls or call.cancelled:
        return changed(state, **closed)
    opened = {c.call_id: _requested(state, c, position) for c in calls}
    turn = changed(used["turn"], rounds=state.turn.rounds + 1)
    return changed(state, **closed | {"calls": opened, "dropped": False, "turn": turn})


def _measured(state: State, at: int, usage: Usage) -> dict[str, Any]:
    """Return whether a call was so long that the conversation is to be summarised.

    Where a summary has not made it short enough, as prompt and tools alone are long, the next one
    is made only when there is something new to summarise.
    """
    tokens = usage.input_tokens + usage.output_tokens
    least = tokens if state.least_tokens is None else state.least_tokens
    is_long = tokens > at and tokens >= least + at // _WORTH_A_SUMMARY
    return {"is_long": is_long, "least_tokens": least}


def _requested(state: State, call: ToolCall, position: int) -> OpenToolCall:
    if call.problem is not None or is_too_large(call.name, call.arguments):
        stage = Stage.PROBLEM
    elif state.rules.get(call.name, NO_RULE).needs_approval:
        stage = Stage.NEEDS_APPROVAL
    else:
        stage = Stage.READY
    return OpenToolCall(call.name, stage, position)


def _call_failed(state: State, failure: LlmCallFailed, position: int) -> State:
    used = _used(state, failure.attempts, None, None)
    call = state.model_call
    if failure.llm_call_id in state.side_calls or call is None:
        return _without_side_call(state, failure.llm_call_id, **used)
    state = changed(state, model_call=None, **used)
    if call.cancelled or (call.purpose == "summary" and state.owed is None):
        return state
    state = changed(state, owed=position)
    match failure.kind:
        case "cancelled":
            return state
        case "interrupted":
            times = state.interruptions + 1
            return changed(state, interruptions=times, failed=times >= MAX_INTERRUPTIONS)
        case _ if call.purpose == "summary" and state.is_long and not state.compaction_due:
            return changed(state, is_long=False, least_tokens=None)  # it is asked without one
        case "context_overflow" if call.purpose == "answer" and not state.overflowed:
            return changed(state, overflowed=True, compaction_due=True)
        case "context_overflow":  # no summary can help: what is tried next is an answer
            return changed(state, failed=True, compaction_due=False)
        case _:
            return changed(state, failed=True)


def _is_unknown(state: State, call: str, kind: ToolFailureKind) -> bool:
    """Say whether a failed call may have taken effect: a timeout does not stop the world."""
    harmless = state.rules.get(state.calls[call].tool, NO_RULE).effect == "retry"
    return kind == "outcome_unknown" or (kind == "timed_out" and not harmless)


def _call_done(state: State, call: str, position: int, **changes: Any) -> State:
    """Close a call, and with the last one its round, which then owes an answer."""
    if any(c.stage is not Stage.DONE for id, c in state.calls.items() if id != call):
        calls = {**state.calls, call: changed(state.calls[call], stage=Stage.DONE)}
        return changed(state, calls=calls, **changes)
    owed = state.owed if state.dropped else position
    return changed(state, calls={}, dropped=False, owed=owed, **changes)


def _dropped(state: State) -> State:
    """Forget what was owed; calls not started never run, open claims no longer matter."""
    calls = {
        id: changed(call, stage=Stage.DONE)
        if call.stage in NOT_STARTED
        else changed(call, cancelled=call.stage is Stage.RUNNING)
        for id, call in state.calls.items()
    }
    open_round = any(call.stage is not Stage.DONE for call in calls.values())
    model_call = state.model_call and changed(state.model_call, cancelled=True)
    return changed(
        state,
        owed=None,
        model_call=model_call,
        calls=calls if open_round else {},
        dropped=open_round,
        failed=False,
        repairing=False,
        stopped=(),
    )


def _elapsed(state: State, elapsed_ms: int) -> TurnUse:
    return changed(state.turn, elapsed_ms=state.turn.elapsed_ms + elapsed_ms)


def _used(
    state: State, attempts: Sequence[Attempt], usage: Usage | None, cost_usd: Decimal | None
) -> dict[str, Any]:
    """Add up what a model call used: its answer and the tries before it.

    Returns:
        The fields of the state that change.
    """
    tokens = sum(u.input_tokens + u.output_tokens for u in spent(usage, attempts))
    total = ThreadUse(state.total.tokens + tokens, state.total.cost_usd + (cost_usd or 0))
    return {
        "turn": _elapsed(state, sum(a.elapsed_ms + a.waited_ms for a in attempts)),
        "total": total,
    }
