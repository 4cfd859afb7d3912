"""What messages hold: the questions that Message DB's server answers by SQL, as pure functions."""

from collections.abc import Mapping
from typing import Any

from messagedb_agent.errors import RefusedPayload
from messagedb_agent.store import jsonb
from messagedb_agent.store.message import Message, NewMessage
from messagedb_agent.store.store import Beginning, Holding, Question

_ABSENT = object()  # no value of JSON


def normalised(message: NewMessage) -> NewMessage:
    """Return a message as a server keeps it, whose type `jsonb` orders keys and respells numbers.

    Raises:
        RefusedPayload: a number is outside of what the server takes.
    """
    try:
        return NewMessage(
            id=message.id,
            type=message.type,
            data=None if message.data is None else jsonb.normalised(message.data),
            metadata=None if message.metadata is None else jsonb.normalised(message.metadata),
        )
    except jsonb.NumberOutOfRange as error:
        raise RefusedPayload(str(error), field="data") from error


def has_text(message: Message) -> bool:
    """Say whether it holds a text that is more than white space."""
    text = values_of(message).get("text")
    return isinstance(text, str) and bool(text.strip(" \t\n\r"))


def is_answered(asked: Message, later: Message, question: Question) -> bool:
    """Say whether a later message of the same stream answers a question, or ends all of them."""
    if later.type in question.ends and holds(later, question.ends_holding):
        return True
    if later.type not in question.answers:
        return False
    one, other = (values_of(message).get(question.key, _ABSENT) for message in (asked, later))
    return _ABSENT not in (one, other) and jsonb.is_equal(one, other)


def holds(message: Message, holding: Holding | None) -> bool:
    """Say whether a message's data hold a text in an array; None holds of any."""
    if holding is None:
        return True
    array = values_of(message).get(holding.key)
    return isinstance(array, list) and holding.text in array


def begins(first: Message, beginning: Beginning) -> bool:
    """Say whether a message is such a beginning, wherever it stands."""
    value: Any = values_of(first) if first.type == beginning.type else None
    for key in beginning.path:
        value = value.get(key) if isinstance(value, dict) else None
    return isinstance(value, str) and value in beginning.texts


def values_of(message: Message) -> Mapping[str, Any]:
    data = None if message.data is None else jsonb.parse(message.data)
    return data if isinstance(data, dict) else {}


def is_same(standing: Message, message: NewMessage) -> bool:
    """Say whether what stands is what is to be written, however its JSON is spelled."""
    return (
        standing.id == message.id
        and standing.type == message.type
        and _is_same_json(standing.data, message.data)
        and _is_same_json(standing.metadata, message.metadata)
    )


def _is_same_json(one: str | None, other: str | None) -> bool:
    if one is None or other is None:
        return one is other
    return one == other or jsonb.is_equal(jsonb.parse(one), jsonb.parse(other))
