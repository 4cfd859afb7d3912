"""What the model is shown of a thread. Version 1; every published version stays in the code.

Results stand right after the reply that asked for them, in its order. What is said while a model
call or a round is open stands after it. An unfinished round and an empty reply are left out; a
call that was dropped is answered *not run*; nothing of the model's is shown before a user
has spoken. So no prefix of any stream folds to a conversation that a provider would refuse.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from messagedb_agent.agent.counting import counts, rejection, valid_calls
from messagedb_agent.agent.evolution import evolve_counted
from messagedb_agent.agent.state import State
from messagedb_agent.changing import changed
from messagedb_agent.events.canonical import is_object
from messagedb_agent.events.chain import GENESIS
from messagedb_agent.events.recorded import Place, Recorded
from messagedb_agent.events.request import (
    AskedCall,
    AssistantReply,
    RequestMessage,
    ToolAnswer,
    UserText,
)
from messagedb_agent.events.schema import (
    AgentRedefined,
    ContextCompacted,
    LlmCallFailed,
    LlmCallStarted,
    LlmResponseReceived,
    SessionCompleted,
    SessionStarted,
    ToolExecutionApproved,
    ToolExecutionCompleted,
    ToolExecutionDenied,
    ToolExecutionFailed,
    ToolExecutionStarted,
    ToolOutcomeResolved,
    TurnCancelled,
    UserMessageAdded,
)
from messagedb_agent.events.values import Definition, JsonText, MessageRange, ToolCall
from messagedb_agent.projections.digest import message_digest, settings_digest
from messagedb_agent.projections.dropped import given_results
from messagedb_agent.projections.grown import Grown
from messagedb_agent.projections.projection import Projection

REJECTED = "[Note: that is not the output that was asked for: {problem}. Answer once more.]"
NOT_RUN = "Not run: the turn was stopped before this call."
SUMMARY_PREFIX = "Summary of the conversation so far:\n\n"


@dataclass(frozen=True)
class Entry:
    """A message of the conversation.

    Attributes:
        message: what is shown.
        source: place of the event it came from.
        closed: place of the event that put it into the conversation.
        digest: the chain over the conversation up to and with it.
    """

    message: RequestMessage
    source: Place
    closed: Place
    digest: bytes


@dataclass(frozen=True)
class Round:
    """A reply with tool calls whose outcomes are not all there.

    Attributes:
        reply: the reply's event.
        calls: its calls that count.
        arguments: arguments that a person put in place of the model's, by call id.
        outcomes: what is known of calls by now: text and where it came from, by call id.
    """

    reply: Recorded
    text: str
    provider_blocks: str | None
    calls: tuple[ToolCall, ...]
    arguments: Mapping[str, str] = field(default_factory=dict)
    outcomes: Mapping[str, tuple[str, Recorded]] = field(default_factory=dict)

    def call(self, call_id: str) -> ToolCall:
        """Return a call with the arguments it runs with."""
        call = next(c for c in self.calls if c.call_id == call_id)
        edited = self.arguments.get(call_id)
        return call if edited is None else call.model_copy(update={"arguments": edited})


@dataclass(frozen=True)
class AskedOutput:
    """An output that is asked for until an answer is it.

    Attributes:
        position: of the message that asks for it, in the thread's own stream; a fork's start where
            the fork goes on with it.
        schema: JSON Schema of the one JSON value that the answer must be.
    """

    position: int
    schema: JsonText


@dataclass(frozen=True)
class Conversation:
    """The fold: the decider's state, the agent in force, and what the model is shown.

    Attributes:
        state: what decisions are made on.
        definition: the agent in force; None before the start.
        lasting: the agent that comes back with the next message; None where the one in force stays.
        settings: digest of what that asks its model with, beside the conversation.
        entries: what is shown, oldest first.
        round: the open round.
        held: what was said while a call or a round is open.
        left_out: the messages that the newest request for an answer left out.
        output: what the next answer must be; None where it is free.
    """

    state: State = field(default_factory=State, repr=False)
    definition: Definition | None = None
    lasting: Definition | None = None
    settings: bytes = b""
    entries: Grown[Entry] = field(default_factory=Grown)
    round: Round | None = None
    held: tuple[tuple[UserText, Recorded], ...] = ()
    left_out: tuple[MessageRange, ...] = ()
    output: AskedOutput | None = None


def _evolve(before: Conversation, recorded: Recorded) -> Conversation:
    if not counts(before.state, recorded):
        return before
    side = before.state.side_calls
    after = changed(before, state=evolve_counted(before.state, recorded))
    match recorded.event:  # what a turn is made of first
        case LlmCallStarted(purpose="answer", left_out=out) if out != before.left_out:
            return changed(after, left_out=out)
        case LlmCallStarted() | ToolExecutionStarted():
            return after
        case UserMessageAdded(text=text) as said:
            after = _asked(before, after, said, recorded.position)
            return _heard(after, text if text.strip() else "(empty message)", recorded)
        case LlmResponseReceived(llm_call_id=claim) as reply if claim not in side:
            return _replied(before, after, reply, recorded)
        case ToolExecutionCompleted(call_id=call, result=result):
            return _answered(after, call, _or_no_output(result), recorded)
        case SessionStarted(definition=definition) as started:
            after = _goes_on_with_output(after, recorded.position)
            closed = _close_round(after, recorded, given_results(started))
            closed = changed(closed, lasting=None) if closed.lasting else closed
            return _release(_defined(closed, definition), recorded)
        case AgentRedefined(definition=definition, for_turn=for_turn):
            lasting = (before.lasting or before.definition) if for_turn else None
            return _defined(changed(after, lasting=lasting), definition)
        case ToolOutcomeResolved() as resolved:
            return _heard(after, _note(resolved), recorded)
        case LlmCallFailed(llm_call_id=claim) if claim not in side:
            return _release(after, recorded)
        case ContextCompacted(summary=summary, through_position=through):
            return _release(_compacted(after, summary, through, recorded), recorded)
        case ToolExecutionApproved(call_id=call, arguments=str() as arguments) if after.round:
            edited = {**after.round.arguments, call: arguments}
            return changed(after, round=changed(after.round, arguments=edited))
        case ToolExecutionFailed(call_id=call, kind=kind, message=message):
            return _answered(after, call, f"Error ({kind}): {message}", recorded)
        case ToolExecutionDenied(call_id=call, reason=reason):
            why = f": {reason}" if reason else "."
            return _answered(after, call, f"The user did not allow this call{why}", recorded)
        case TurnCancelled() | SessionCompleted():
            after = changed(after, output=None) if after.output else after
            if after.round and not after.state.calls:
                return _release(_close_round(after, recorded), recorded)
            return after
        case _:
            return after


conversation: Projection[Conversation] = Projection(Conversation(), _evolve)


def _defined(after: Conversation, definition: Definition) -> Conversation:
    before, settings = after.definition, settings_digest(definition)
    if before is None or before.context_strategy == definition.context_strategy:
        return changed(after, definition=definition, settings=settings)
    return changed(after, definition=definition, settings=settings, left_out=())


def _is_busy(state: State) -> bool:
    return state.model_call is not None or bool(state.calls)


def _note(resolved: ToolOutcomeResolved) -> str:
    return f"[Note: call {resolved.call_id} has {resolved.status} after all: {resolved.text}]"


def _heard(after: Conversation, text: str, recorded: Recorded) -> Conversation:
    if _is_busy(after.state):
        return changed(after, held=(*after.held, (UserText(text), recorded)))
    return _show(after, recorded, (UserText(text), recorded))


def _asked(
    before: Conversation, after: Conversation, said: UserMessageAdded, position: int
) -> Conversation:
    """Note what the answer must be: what is said on the way leaves that as it is."""
    if said.output_schema is not None:
        return changed(after, output=AskedOutput(position, said.output_schema))
    begins_anew = before.state.failed or bool(before.state.stopped)
    return changed(after, output=None) if begins_anew and before.output else after


def _goes_on_with_output(after: Conversation, position: int) -> Conversation:
    """Keep what the answer must be where a fork, or a late start, owes one."""
    if after.output is None:
        return after
    owes = after.state.owed is not None
    return changed(after, output=changed(after.output, position=position) if owes else None)


def _is_given(before: Conversation) -> bool:
    """Say whether the open call was to be answered by the output that is asked for."""
    call, asked = before.state.model_call, before.output
    return call is not None and asked is not None and asked.position < call.position


def _replied(
    before: Conversation, after: Conversation, reply: LlmResponseReceived, recorded: Recorded
) -> Conversation:
    calls = valid_calls(reply)
    if calls:
        text = reply.text if reply.text.strip() else ""  # providers refuse a text of blanks
        opened = changed(after, round=Round(recorded, text, reply.provider_blocks, calls))
        if after.state.calls:
            return opened
        return _release(_close_round(opened, recorded), recorded)  # it was cancelled meanwhile
    if reply.text.strip() and after.entries:
        message = AssistantReply(reply.text, provider_blocks=reply.provider_blocks)
        after = _show(after, recorded, (message, recorded))
    if (problem := rejection(before.state, reply)) is not None:
        note = UserText(REJECTED.format(problem=problem))
        after = _show(after, recorded, (note, recorded))
    elif _is_given(before):
        after = changed(after, output=None)
    return _release(after, recorded)


def _answered(after: Conversation, call_id: str, text: str, recorded: Recorded) -> Conversation:
    if after.round is None:
        return after
    if (edited := after.round.arguments.get(call_id)) is not None:
        text = f"(Run with arguments changed by the user: {edited})\n{text}"
    outcomes = {**after.round.outcomes, call_id: (text, recorded)}
    answered = changed(after.round, outcomes=outcomes)
    if after.state.calls:
        return changed(after, round=answered)
    return _release(_close_round(after, recorded, of=answered), recorded)


def _close_round(
    after: Conversation,
    recorded: Recorded,
    results: Mapping[str, str] | None = None,
    *,
    of: Round | None = None,
) -> Conversation:
    """Show a round: the reply, and every call answered, with *not run* where nothing is known.

    Args:
        after: the conversation.
        recorded: the event that closes the round.
        results: results that are given to calls without outcome.
        of: the round; the open one by default.
    """
    closing = of or after.round
    if closing is None:
        return after
    if not after.entries:
        return changed(after, round=None)
    asked = tuple(
        AskedCall(call.call_id, _shown_name(call.name), _shown_arguments(call.arguments))
        for call in closing.calls
    )
    reply = AssistantReply(closing.text, asked, closing.provider_blocks)
    shown: list[tuple[RequestMessage, Recorded]] = [(reply, closing.reply)]
    for call in asked:
        given = (results or {}).get(call.call_id)
        default = NOT_RUN if given is None else _or_no_output(given)
        text, source = closing.outcomes.get(call.call_id, (default, recorded))
        shown.append((ToolAnswer(call.call_id, call.name, text), source))
    return _show(after, recorded, *shown, round=None)


def _release(after: Conversation, recorded: Recorded) -> Conversation:
    """Show what was held back, if nothing is open any more."""
    if not after.held or _is_busy(after.state):
        return after
    return _show(after, recorded, *after.held, held=())


def _show(
    after: Conversation,
    closed: Recorded,
    *messages: tuple[RequestMessage, Recorded],
    **changes: Any,
) -> Conversation:
    digest = after.entries[-1].digest if after.entries else GENESIS
    shown, place = [], closed.place
    for message, source in messages:
        digest = message_digest(digest, message)
        shown.append(Entry(message, place if source is closed else source.place, place, digest))
    return changed(after, entries=after.entries.plus(*shown), **changes)


def _compacted(after: Conversation, summary: str, through: int, recorded: Recorded) -> Conversation:
    """Put a summary in the place of all that was closed through a position of this stream."""
    bound = Place(recorded.stream, min(through, recorded.position))
    message = UserText(SUMMARY_PREFIX + summary)
    # It stands where what it stands for stood: entries are in the order they were closed.
    shown = [Entry(message, recorded.place, bound, message_digest(GENESIS, message))]
    for entry in after.entries:
        if _is_after(entry.closed, bound):
            digest = message_digest(shown[-1].digest, entry.message)
            shown.append(changed(entry, digest=digest))
    return changed(after, entries=Grown(shown), left_out=())


def _is_after(place: Place, bound: Place) -> bool:
    """Compare places of a fork: all of its parent's are before all of its own."""
    return place.stream == bound.stream and place.position > bound.position


def _or_no_output(result: str) -> str:
    return result if result.strip() else "(no output)"


def _shown_name(name: str) -> str:
    """Return a tool's name as providers take it, whatever the model wrote."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)[:64] or "unknown"


def _shown_arguments(arguments: str) -> str:
    """Return arguments as providers take them: an object, `{}` where the model wrote none."""
    return arguments if is_object(arguments) else "{}"
