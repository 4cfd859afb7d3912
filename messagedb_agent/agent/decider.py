"""What an agent does next: the one place that decides it.

    state = fold(evolve, events)      step = decide(state)      events = accept(state, command)

| state (first row that fits) | decide says | claim or event |
|---|---|---|
| an event that must not be ignored is unknown | `Wait("upgrade")` | |
| not started | `Wait("start")` | |
| cancelled, terminating or ended, and claims still open | `Wait("effect")` | |
| ended, deleted | `Done` | |
| termination requested | `Complete` | `SessionCompleted` |
| calls that cannot run (a `problem`) | `RefuseCalls` | `ToolExecutionFailed` each |
| approval needed and not asked | `RequestApproval` | `ToolApprovalRequested` each |
| calls are ready, not too many run | `RunTools` | `ToolExecutionStarted` each |
| a claim is open | `Wait("effect")` | |
| calls wait for approval | `Wait("approval")` | |
| the last model call failed for good, or was interrupted too often | `Wait("retry")` | |
| stopped by a limit | `Wait("limit")` | |
| an answer is owed, a limit is reached | `Stop` | `LimitReached` |
| an answer is owed, compaction is due | `Compact` | `LlmCallStarted` (summary) |
| an answer is owed | `CallModel` | `LlmCallStarted` (answer) |
| otherwise | `Wait("user")` | |

An open claim reads as *wait*: its performer closes it, and where the performer is gone, who owns
the thread next (`abandoned`). A call that took no effect is claimed again (`not_done`). Compaction
is due after an overflow, and where the strategy says of a long conversation that it is; one for its
length that fails is left, and the answer asked for. How events change the state is in `evolution`.
"""

from dataclasses import dataclass, fields
from decimal import Decimal
from functools import cache
from reprlib import repr as short
from typing import Any, Literal, get_args

import pydantic

from messagedb_agent.agent.bounds import MAX_PARALLEL_CALLS, MAX_TOOL_ATTEMPTS, is_too_large
from messagedb_agent.agent.commands import (
    ApproveTool,
    Archive,
    Cancel,
    Command,
    Continue,
    Delete,
    DenyTool,
    During,
    End,
    Redefine,
    ResolveOutcome,
    Say,
    Start,
    Tag,
    Title,
    Unarchive,
)
from messagedb_agent.agent.evolution import raised
from messagedb_agent.agent.state import NO_RULE, OpenToolCall, Stage, State
from messagedb_agent.agent.steps import (
    CallModel,
    Compact,
    Complete,
    Done,
    RefuseCalls,
    RequestApproval,
    RunTools,
    Step,
    Stop,
    Wait,
)
from messagedb_agent.agent.tagging import check_text, checked_tags
from messagedb_agent.errors import Refused, TurnUnderWay, ValidationError
from messagedb_agent.events.refusal import refusal
from messagedb_agent.events.schema import (
    AgentRedefined,
    Event,
    SessionArchived,
    SessionContinued,
    SessionDeleted,
    SessionStarted,
    SessionTagged,
    SessionTerminationRequested,
    SessionTitled,
    SessionUnarchived,
    ToolExecutionApproved,
    ToolExecutionDenied,
    ToolOutcomeResolved,
    TurnCancelled,
    UserMessageAdded,
)
from messagedb_agent.events.values import Limits, ReachedLimit

_wait = cache(Wait)  # decisions are made at every event, and nearly all of them are to wait


def decide(state: State) -> Step:
    """Return what the agent does next, from `state` and nothing else."""
    if state.blocked:
        return _wait("upgrade")
    if not state.started:
        return _wait("start")
    if state.to_cancel:
        return _wait("effect")
    if state.ended or state.deleted:
        return Done()
    if state.terminating is not None:
        return Complete()
    if state.calls:
        return _next_of_round(state) or _next_of_turn(state)
    if state.model_call is not None:
        return _wait("effect")
    return _next_of_turn(state)


def _next_of_round(state: State) -> Step | None:
    stages = [call.stage for call in state.calls.values()]
    if Stage.PROBLEM in stages:
        return RefuseCalls(state.at(Stage.PROBLEM))
    if Stage.NEEDS_APPROVAL in stages:
        return RequestApproval(state.at(Stage.NEEDS_APPROVAL))
    free = MAX_PARALLEL_CALLS - stages.count(Stage.RUNNING)
    if Stage.READY in stages and free > 0:
        return RunTools(state.at(Stage.READY)[:free])
    if state.has_open_claims:
        return _wait("effect")
    if Stage.ASKED in stages:
        return _wait("approval")
    return None


def _next_of_turn(state: State) -> Step:
    if state.failed:
        return _wait("retry")
    if state.stopped:
        return _wait("limit")
    if state.owed is None:
        return _wait("user")
    if limits := (*_turn_limits(state), *thread_limits(state, state.limits)):
        return Stop(limits)
    due = state.compaction_due or state.is_long
    return Compact() if due else CallModel(state.repairing)


def _turn_limits(state: State) -> tuple[ReachedLimit, ...]:
    return _reached(
        ("callsPerTurn", state.limits.calls_per_turn, state.turn.calls),
        ("roundsPerTurn", state.limits.rounds_per_turn, state.turn.rounds),
        ("elapsedMsPerTurn", state.limits.elapsed_ms_per_turn, state.turn.elapsed_ms),
    )


def thread_limits(state: State, limits: Limits) -> tuple[ReachedLimit, ...]:
    """Return the limits of the session that are reached; a person must raise them."""
    return _reached(
        ("tokensPerThread", limits.tokens_per_thread, state.total.tokens),
        ("costUsdPerThread", limits.cost_usd_per_thread, state.total.cost_usd),
    )


def _reached(
    *uses: tuple[str, int | Decimal | None, int | Decimal],
) -> tuple[ReachedLimit, ...]:
    reached = [
        ReachedLimit(name=name, limit=_plain(limit), reached=_plain(used))
        for name, limit, used in uses
        if limit is not None and used >= limit
    ]
    return tuple(reached)


def _plain(number: int | Decimal) -> str:
    return format(number, "f") if isinstance(number, Decimal) else str(number)


def accept(state: State, command: Command) -> tuple[Event, ...]:
    """Return the events that a request from outside becomes; none where it is done already.

    Raises:
        Refused: the state does not allow it.
        ValidationError: the request itself is wrong.
    """
    try:
        return _accepted(state, command)
    except pydantic.ValidationError as error:  # a field of it, as no type checker was asked
        raise refusal(error) from error


def _accepted(state: State, command: Command) -> tuple[Event, ...]:
    if isinstance(command, Start):
        if state.started and command.forked_from is None:
            raise Refused("the thread has started already")
        return (SessionStarted(**_fields(command)),)
    if isinstance(command, Delete) and state.deleted and not state.blocked:
        return ()  # twice is once
    check_open(state)
    match command:
        case Redefine():
            return (AgentRedefined(**_fields(command)),)
        case Say():
            return _said(state, command)
        case Continue():
            return _continued(state, command)
        case ApproveTool(call_id=call, arguments=edited):
            _must_wait(state, call)
            if is_too_large(edited or ""):
                raise ValidationError("the arguments are too large", field="arguments")
            return (ToolExecutionApproved(**_fields(command)),)
        case DenyTool(call_id=call):
            _must_wait(state, call)
            return (ToolExecutionDenied(**_fields(command)),)
        case ResolveOutcome(call_id=call):
            if call not in state.unresolved:
                raise Refused(f"the outcome of call {call} is not unknown")
            return (ToolOutcomeResolved(**_fields(command)),)
        case Cancel():
            return (TurnCancelled(**_fields(command)),) if _is_cancellable(state) else ()
        case End():
            over = state.ended or state.terminating is not None
            return () if over else (SessionTerminationRequested(**_fields(command)),)
        case Title(title=title):
            check_text(title, "title")
            return (SessionTitled(**_fields(command)),)
        case Tag(added=added, removed=removed, by=by):
            new, gone = checked_tags(state.tags, added, removed)
            return (SessionTagged(added=new, removed=gone, by=by),) if new or gone else ()
        case Archive(by=by):
            return () if state.archived else (SessionArchived(by=by),)
        case Delete():
            return (SessionDeleted(**_fields(command)),)
        case Unarchive(by=by):
            return (SessionUnarchived(by=by),) if state.archived else ()


def check_open(state: State) -> None:
    """Refuse a thread in which nothing may be said.

    Raises:
        Refused: it holds an event that needs newer code, was never started, or is deleted.
    """
    if state.blocked:
        raise Refused("the thread holds an event that needs newer code")
    if not state.started:
        raise Refused("the thread has not started")
    if state.deleted:
        raise Refused("the thread is deleted")


def _fields(command: Command) -> dict[str, Any]:
    return {field.name: getattr(command, field.name) for field in fields(command)}


def _is_cancellable(state: State) -> bool:
    call = state.model_call
    under_way = call is not None and not call.cancelled
    return state.owed is not None or under_way or (bool(state.calls) and not state.dropped)


def is_under_way(state: State) -> bool:
    """Say whether a turn has begun and has neither come to its rest nor been cancelled.

    A turn that waits for an approval is under way; one that failed for good or that a limit
    stopped is not: a message goes on from there.
    """
    return _is_cancellable(state) and not state.failed and not state.stopped


def _said(state: State, command: Say) -> tuple[Event, ...]:
    check_text(command.text, "text", "message")
    if command.during not in get_args(During):
        raise ValidationError(f"during: {short(command.during)} is no such word", field="during")
    said = UserMessageAdded(text=command.text, user=command.user, output_schema=command.output)
    if command.during == "queue" or not is_under_way(state):
        return (said,)
    if command.during == "reject":
        raise TurnUnderWay("a turn is under way in this thread")
    return (TurnCancelled(by=command.user, reason="interrupted by a message"), said)


def _continued(state: State, command: Continue) -> tuple[Event, ...]:
    given: object = command.limits
    if not isinstance(given, Limits):
        raise ValidationError(f"limits: {short(given)} is none", field="limits")
    limits = raised(state.limits, given)
    if not (state.failed or state.stopped or limits != state.limits):
        return ()
    if reached := thread_limits(state, limits):
        names = ", ".join(f"{r.name} ({r.reached} of {r.limit})" for r in reached)
        raise Refused(f"a limit of the session must be raised first: {names}")
    return (SessionContinued(limits=command.limits, by=command.by),)


def _must_wait(state: State, call: str) -> None:
    if call not in state.at(Stage.ASKED):
        raise Refused(f"call {call} does not wait for approval")


@dataclass(frozen=True, slots=True)
class CloseModelCall:
    """The performer is gone: `LlmCallFailed` of this kind."""

    claim_id: str
    kind: Literal["interrupted", "cancelled"]


@dataclass(frozen=True, slots=True)
class CloseToolCall:
    """The performer is gone: `ToolExecutionFailed` of this kind."""

    call_id: str
    kind: Literal["cancelled", "outcome_unknown", "raised"]


@dataclass(frozen=True, slots=True)
class RunAgain:
    """The performer is gone: claim the call again, with the same idempotency key."""

    call_id: str


@dataclass(frozen=True, slots=True)
class AskTool:
    """The performer is gone: ask the tool what happened."""

    call_id: str


Closing = CloseModelCall | CloseToolCall | RunAgain | AskTool


def abandoned(state: State) -> tuple[Closing, ...]:
    """Say what the new owner of a thread does with each claim that its last owner left open."""
    closings: list[Closing] = []
    if call := state.model_call:
        kind: Literal["interrupted", "cancelled"] = (
            "cancelled" if state.to_cancel else "interrupted"
        )
        closings.append(CloseModelCall(call.id, kind))
    closings += [_left_open(state, id, state.calls[id]) for id in state.at(Stage.RUNNING)]
    return tuple(closings)


def _left_open(state: State, call_id: str, call: OpenToolCall) -> Closing:
    effect = state.rules.get(call.tool, NO_RULE).effect
    match effect:
        case "check":
            return AskTool(call_id)
        case "retry" if state.to_cancel:
            return CloseToolCall(call_id, "cancelled")
        case "retry" | "keyed" if call.attempt < MAX_TOOL_ATTEMPTS and not state.to_cancel:
            return RunAgain(call_id)
        case _:
            return CloseToolCall(call_id, "outcome_unknown")


def not_done(state: State, call_id: str, attempt: int) -> CloseToolCall | RunAgain | None:
    """Say what becomes of an attempt of a call that certainly took no effect.

    Returns:
        None where the call is closed by now, or another attempt was begun.
    """
    call = state.calls.get(call_id)
    if call is None or call.stage is not Stage.RUNNING or call.attempt != attempt:
        return None
    if state.to_cancel:
        return CloseToolCall(call_id, "cancelled")
    if attempt >= MAX_TOOL_ATTEMPTS:
        return CloseToolCall(call_id, "raised")
    return RunAgain(call_id)
