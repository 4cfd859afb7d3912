"""What a person is shown of a thread: everything said, done, allowed and gone wrong, in order.

A tool call stands where it was asked for, with what came of it by now. Left out are events that
only say that work goes on (a model is asked, a tool starts), model calls on the side, and the
failure of a cancelled model call, as the cancel itself is shown. Of what does not count, only
messages that are no events of ours are shown, by name and with the reason.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from messagedb_agent.agent.counting import counts, rejection, valid_calls
from messagedb_agent.agent.evolution import evolve_counted
from messagedb_agent.agent.state import State
from messagedb_agent.changing import changed
from messagedb_agent.events.codec import EVENT_TYPES
from messagedb_agent.events.recorded import Recorded, UnknownEvent
from messagedb_agent.events.schema import (
    AgentRedefined,
    ContextCompacted,
    Event,
    LimitReached,
    LlmCallFailed,
    LlmResponseReceived,
    SessionArchived,
    SessionCompleted,
    SessionContinued,
    SessionDeleted,
    SessionStarted,
    SessionTagged,
    SessionTerminationRequested,
    SessionTitled,
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
from messagedb_agent.events.values import Definition, EventPlace, Limits, Revision, ToolCall
from messagedb_agent.projections.dropped import given_results, left_out
from messagedb_agent.projections.grown import Grown
from messagedb_agent.projections.items import CallOutcome, Item, ItemKind, OutcomeSource, ShownCall
from messagedb_agent.projections.projection import Projection


@dataclass(frozen=True)
class Transcript:
    """The fold.

    Attributes:
        state: what decisions are made on.
        definition: the agent in force; None before the start.
        settled: items that will not change any more.
        open_calls: the tool calls of the open round, by call id.
        later: what came after them.
    """

    state: State = field(default_factory=State, repr=False)
    definition: Definition | None = None
    settled: Grown[Item] = field(default_factory=Grown)
    open_calls: Mapping[str, Item] = field(default_factory=dict)
    later: Grown[Item] = field(default_factory=Grown)

    def __iter__(self) -> Iterator[Item]:
        """Give the items in order."""
        yield from self.settled
        yield from self.open_calls.values()
        yield from self.later


def _evolve(before: Transcript, recorded: Recorded) -> Transcript:
    event = recorded.event
    if isinstance(event, UnknownEvent):
        return _unknown(before, event, recorded)
    if not counts(before.state, recorded):
        return before
    after = changed(before, state=evolve_counted(before.state, recorded))
    match event:
        case SessionStarted():
            return _started(_dropped(after, before, recorded, event), event, recorded)
        case AgentRedefined(definition=definition, for_turn=for_turn):
            text = _changes(before.definition, definition) + (", for this turn" if for_turn else "")
            after = changed(after, definition=definition)
            return _said(after, recorded, "redefined", text)
        case LlmResponseReceived(llm_call_id=claim) if claim not in before.state.side_calls:
            after = _replied(after, event, recorded)
            problem = rejection(before.state, event)
            return after if problem is None else _said(after, recorded, "rejected", problem)
        case LlmCallFailed(kind=kind, message=message):
            call = before.state.model_call
            if call is None or call.id != event.llm_call_id or call.cancelled:
                return after
            return _said(after, recorded, "failure", f"{kind}: {message}")
        case TurnCancelled(by=by, reason=reason):
            after = _said(_dropped(after, before, recorded), recorded, "cancelled", reason, by=by)
        case SessionCompleted(ending=ending, reason=reason):
            text = f"{ending}: {reason}" if reason else ending
            after = _said(_dropped(after, before, recorded), recorded, "ended", text)
        case _:
            after = _with_call(_other(after, event, recorded), event)
    return _settled(after)


transcript: Projection[Transcript] = Projection(Transcript(), _evolve)


def _other(after: Transcript, event: Event, recorded: Recorded) -> Transcript:
    """Show what is one item and no more."""
    match event:
        case UserMessageAdded(text=text, user=user):
            return _said(after, recorded, "user", text, by=user)
        case ToolApprovalRequested(call_id=call, tool_name=tool, arguments=arguments):
            return _said(after, recorded, "approval_asked", f"{tool} {arguments}", call_id=call)
        case ToolExecutionApproved(call_id=call, by=by, reason=reason, arguments=changed_to):
            about = {"call_id": call, "by": by, "arguments": changed_to}
            return _said(after, recorded, "approved", reason, **about)
        case ToolExecutionDenied(call_id=call, by=by, reason=reason):
            return _said(after, recorded, "denied", reason, call_id=call, by=by)
        case ToolOutcomeResolved(call_id=call, status=status, text=text, by=by):
            return _said(after, recorded, "note", f"{status}: {text}", call_id=call, by=by)
        case ContextCompacted(summary=summary):
            return _said(after, recorded, "summary", summary)
        case LimitReached(limits=limits):
            text = ", ".join(f"{r.name} ({r.reached} of {r.limit})" for r in limits)
            return _said(after, recorded, "limit", text)
        case SessionContinued(limits=limits, by=by):
            return _said(after, recorded, "continued", _raised(limits), by=by)
        case SessionTerminationRequested(by=by, reason=reason):
            return _said(after, recorded, "ending", reason, by=by)
        case SessionTitled(title=title, by=by):
            return _said(after, recorded, "title", title, by=by)
        case SessionTagged(added=added, removed=removed, by=by):
            text = " ".join([*(f"+{tag}" for tag in added), *(f"-{tag}" for tag in removed)])
            return _said(after, recorded, "tags", text, by=by)
        case SessionArchived(by=by):
            return _said(after, recorded, "archived", by=by)
        case SessionUnarchived(by=by):
            return _said(after, recorded, "unarchived", by=by)
        case SessionDeleted(by=by, reason=reason):
            return _said(after, recorded, "deleted", reason, by=by)
        case _:
            return after


def _with_call(after: Transcript, event: Event) -> Transcript:
    """Say of an open call how far it has come."""
    match event:
        case ToolApprovalRequested(call_id=id):
            return _called(after, id, outcome="asked")
        case ToolExecutionApproved(call_id=id, arguments=None):
            return _called(after, id, outcome="allowed")
        case ToolExecutionApproved(call_id=id, arguments=arguments):
            return _called(after, id, outcome="allowed", arguments=arguments)
        case ToolExecutionStarted(call_id=id, arguments=arguments):
            return _called(after, id, outcome="running", arguments=arguments)
        case ToolExecutionCompleted(call_id=id, result=text, elapsed_ms=ms) as done:
            source = "given" if done.given_by is not None else _source(done.taken_from)
            took = ms if source == "tool" else None
            changes = {"result": text, "elapsed_ms": took, "source": source}
            return _called(after, id, outcome="completed", **changes)
        case ToolExecutionFailed(call_id=id, kind=kind, message=message) as failed:
            outcome: CallOutcome = "unknown" if id in after.state.unknown else "failed"
            source = _source(failed.taken_from)
            ran = failed.elapsed_ms if failed.attempt and source == "tool" else None
            changes = {"result": f"{kind}: {message}", "elapsed_ms": ran, "source": source}
            return _called(after, id, outcome=outcome, **changes)
        case ToolExecutionDenied(call_id=id, reason=reason):
            return _called(after, id, outcome="denied", result=reason or "")
        case _:
            return after


def _item(recorded: Recorded, kind: ItemKind, text: str | None = None, **more: Any) -> Item:
    place = (recorded.stream, recorded.position, recorded.time_ms)
    return Item(*place, kind=kind, text=text or "", **more)


def _said(
    after: Transcript, recorded: Recorded, kind: ItemKind, text: str | None = None, **more: Any
) -> Transcript:
    """Show an item at the end."""
    item = _item(recorded, kind, text, **more)
    if after.open_calls:
        return changed(after, later=after.later.plus(item))
    return changed(after, settled=after.settled.plus(item))


def _unknown(before: Transcript, event: UnknownEvent, recorded: Recorded) -> Transcript:
    kind: ItemKind = "unreadable" if event.type in EVENT_TYPES else "foreign"
    after = before
    if counts(before.state, recorded):
        after = changed(before, state=evolve_counted(before.state, recorded))
    return _said(after, recorded, kind, f"{event.type}: {event.reason}")


def _started(after: Transcript, started: SessionStarted, recorded: Recorded) -> Transcript:
    before = after.definition and after.definition.revision
    after = _settled(changed(after, definition=started.definition))
    if (fork := started.forked_from) is not None:
        after = _said(after, recorded, "fork", f"{fork.stream_name}/{fork.position}")
    revision = started.definition.revision
    if revision is None or revision == before:
        return after
    return _said(after, recorded, "defined", _revision(revision))


def _revision(revision: Revision) -> str:
    """Name a revision as a person does."""
    return f"{revision.stream_name.partition('-')[2]}, revision {revision.position}"


def _replied(after: Transcript, reply: LlmResponseReceived, recorded: Recorded) -> Transcript:
    if reply.reasoning and reply.reasoning.strip():
        after = _said(after, recorded, "reasoning", reply.reasoning)
    if reply.text.strip():
        after = _said(after, recorded, "assistant", reply.text)
    calls = {}
    for call in valid_calls(reply):
        cancelled = call.call_id not in after.state.calls
        calls[call.call_id] = _item(
            recorded, "tool", call=_shown(call, "not_run" if cancelled else "requested")
        )
    return _settled(changed(after, open_calls=calls))


def _shown(call: ToolCall, outcome: CallOutcome) -> ShownCall:
    return ShownCall(call.call_id, call.name, call.arguments, outcome)


def _source(taken_from: EventPlace | None) -> OutcomeSource:
    """Say what an outcome came from; what a fork's start holds was given with it."""
    if taken_from is None:
        return "tool"
    return "given" if taken_from.position == 0 else "record"


def _called(after: Transcript, call_id: str, **changes: Any) -> Transcript:
    item = after.open_calls.get(call_id)
    if item is None or item.call is None:
        return after
    item = changed(item, call=changed(item.call, **changes))
    return changed(after, open_calls={**after.open_calls, call_id: item})


def _dropped(
    after: Transcript, before: Transcript, recorded: Recorded, start: SessionStarted | None = None
) -> Transcript:
    """Say of the calls that an event drops that they never ran, or what a fork was given."""
    results = given_results(start) if start else {}
    recorded_ids = start.forked_from.recorded if start and start.forked_from else ()
    for call in left_out(before.state, recorded):
        if call in results:
            source = "record" if call in recorded_ids else "given"
            changes = {"result": results[call], "source": source}
            after = _called(after, call, outcome="completed", **changes)
        else:
            after = _called(after, call, outcome="not_run")
    return after


def _settled(after: Transcript) -> Transcript:
    """Let a round rest once nothing of it can change."""
    if after.state.calls or not after.open_calls:
        return after
    settled = after.settled.plus(*after.open_calls.values(), *after.later)
    return changed(after, settled=settled, open_calls={}, later=Grown())


def _raised(limits: Limits) -> str:
    given = limits.model_dump(mode="json", by_alias=True, exclude_none=True)
    return ", ".join(f"{name} {value}" for name, value in given.items())


def _changes(old: Definition | None, new: Definition) -> str:
    """Name what is another than before, model and named definition with what they are now."""
    names = [n for n in Definition.model_fields if getattr(old, n, None) != getattr(new, n)]
    shown = {"model": f"model {new.model}", "name": f"name {new.name}"}
    if new.revision is not None:
        shown["revision"] = f"definition {_revision(new.revision)}"
    return ", ".join(shown.get(name, name.replace("_", " ")) for name in names)
