"""What was said in a thread, message by message, each with what it cost.

It is the whole conversation, in the order in which a model is shown it: a summary takes nothing
away here. Results stand right behind the reply that asked for them. At the end stands what the
model is not shown yet: a round that is open, and what was said meanwhile.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Literal

from messagedb_agent.events.recorded import Place, Recorded, utc_time
from messagedb_agent.events.request import AskedCall, AssistantReply, RequestMessage, ToolAnswer
from messagedb_agent.events.schema import ContextCompacted, LlmResponseReceived, UserMessageAdded
from messagedb_agent.events.values import Usage
from messagedb_agent.projections.conversation import Conversation, Entry, conversation

Role = Literal["user", "assistant", "tool", "note"]
"""Who speaks. `note`: what really happened to a call of unknown outcome, said to the model in the
user's place."""


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """A message of a conversation.

    Attributes:
        role: who speaks.
        text: what was said; of a tool, what it gave, or why it gave nothing.
        tool_calls: the calls that a reply asked for.
        call_id: the call that a tool's message answers; None for others.
        user: who said it, where that is recorded.
        input_tokens: input tokens of the model call, cached ones included; None where none were
            counted, as for whatever no model has said.
        output_tokens: its output tokens, reasoning included; likewise.
        cost_usd: US dollars of the model call; None where the price is not known, and likewise.
        event_id: id of the event that said it.
        created_at: when, UTC, with a zone.
        usage: tokens of the model call by kind; None where none were counted.
    """

    role: Role
    text: str
    tool_calls: tuple[AskedCall, ...] = ()
    call_id: str | None = None
    user: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: Decimal | None = None
    event_id: str = ""
    created_at: datetime | None = None
    usage: Usage | None = field(default=None, repr=False)


def messages(history: Iterable[Recorded]) -> tuple[ChatMessage, ...]:
    """Return what was said in a history.

    Args:
        history: all its events in order, a fork's ancestors' first.
    """
    shown, events = conversation.initial, dict[Place, Recorded]()
    summarised: list[Entry] = []
    for recorded in history:
        before, shown = shown, conversation.evolve(shown, recorded)
        events[recorded.place] = recorded
        if isinstance(recorded.event, ContextCompacted) and shown is not before:
            kept = {entry.source for entry in shown.entries}
            summarised += [entry for entry in before.entries if entry.source not in kept]
    said = [(e.message, events[e.source]) for e in (*summarised, *shown.entries)]
    said += _open(shown)
    return tuple(
        _message(message, source)
        for message, source in said
        if not isinstance(source.event, ContextCompacted)
    )


def _open(shown: Conversation) -> Iterator[tuple[RequestMessage, Recorded]]:
    """Yield what stands behind the conversation: the open round as far as it is, and what waits."""
    if waiting := shown.round:
        asked = tuple(AskedCall(c.call_id, c.name, c.arguments) for c in waiting.calls)
        yield AssistantReply(waiting.text, asked), waiting.reply
        for call in asked:
            if call.call_id in waiting.outcomes:
                text, source = waiting.outcomes[call.call_id]
                yield ToolAnswer(call.call_id, call.name, text), source
    yield from shown.held


def _message(message: RequestMessage, source: Recorded) -> ChatMessage:
    event, at = source.event, utc_time(source.time_ms)
    if isinstance(message, ToolAnswer):
        call = message.call_id
        return ChatMessage("tool", message.text, call_id=call, event_id=source.id, created_at=at)
    if isinstance(event, LlmResponseReceived) and isinstance(message, AssistantReply):
        return ChatMessage(
            "assistant",
            message.text,
            tool_calls=message.calls,
            input_tokens=event.usage.input_tokens if event.usage else None,
            output_tokens=event.usage.output_tokens if event.usage else None,
            cost_usd=event.cost_usd,
            event_id=source.id,
            created_at=at,
            usage=event.usage,
        )
    said = event if isinstance(event, UserMessageAdded) else None
    role: Role = "user" if said else "note"
    user, text = (said.user, said.text) if said else (None, message.text)
    return ChatMessage(role, text, user=user, event_id=source.id, created_at=at)
