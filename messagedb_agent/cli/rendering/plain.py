"""Folds as plain JSON values, with keys spelled as everywhere else in the log's JSON."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import fields, is_dataclass
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel
from pydantic.alias_generators import to_camel

from messagedb_agent.events.request import AssistantReply, RequestMessage, ToolAnswer, UserText

if TYPE_CHECKING:
    from messagedb_agent.projections.conversation import Conversation


def plain(value: Any) -> Any:
    """Return a fold's value as JSON knows it: objects, arrays, text and numbers."""
    match value:
        case BaseModel():
            return value.model_dump(mode="json", by_alias=True, exclude_none=True)
        case Enum():
            return value.value
        case Decimal():
            return format(value, "f")
        case Mapping():
            return {str(key): plain(item) for key, item in value.items()}
        case Set():
            return sorted(map(plain, value))
        case str() | bytes():
            return value
        case Sequence():
            return [plain(item) for item in value]
        case _ if is_dataclass(value):
            return {to_camel(f.name): plain(getattr(value, f.name)) for f in fields(value)}
        case _:
            return value


def conversation_values(shown: "Conversation") -> Sequence[Mapping[str, Any]]:
    """Return what the model is shown: the prompt first, then message by message."""
    prompt = shown.definition.told if shown.definition else ""
    first = [{"role": "system", "text": prompt}] if prompt else []
    return [*first, *(message_values(entry.message) for entry in shown.entries)]


def message_values(message: RequestMessage) -> Mapping[str, Any]:
    """Return a message of the conversation."""
    match message:
        case UserText(text=text):
            return {"role": "user", "text": text}
        case ToolAnswer(call_id=call_id, name=name, text=text):
            return {"role": "tool", "callId": call_id, "name": name, "text": text}
        case AssistantReply(text=text, calls=calls):
            return {"role": "assistant", "text": text, "calls": plain(calls)}
