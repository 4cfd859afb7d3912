"""What is remembered of a user: the events of a user's stream, and how they are read.

`spec.md`, section 3, is the authority for names and keys. They are no events of threads.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, get_args

from pydantic import AfterValidator

from messagedb_agent.errors import ValidationError
from messagedb_agent.events.canonical import MAX_DEPTH, depth
from messagedb_agent.events.codec import TimedRow, happened_at_ms, understood
from messagedb_agent.events.metadata import read_metadata
from messagedb_agent.events.recorded import Place, UnknownEvent
from messagedb_agent.events.values import Count, EventPlace, JsonText, Value

MAX_NAME_CHARS = 200
"""Most characters of a fact's key, and of its category."""

MAX_VALUE_BYTES = 16 * 1024
"""Most bytes of a fact's value as JSON: facts go into prompts."""

_UNWRITABLE = re.compile("[\x00\ud800-\udfff]")


def checked_name(text: str, field: str) -> str:
    """Return a key or a category, or refuse it.

    Raises:
        ValidationError: it is no text, empty, too long, not one line, or has a blank at an end.
    """
    if not isinstance(text, str):
        raise ValidationError(f"the {field} is no text: {text!r}", field=field)
    if not text.strip():
        raise ValidationError(f"the {field} is empty", field=field)
    if len(text) > MAX_NAME_CHARS:
        raise ValidationError(f"a {field} has {MAX_NAME_CHARS} characters at most", field=field)
    if text != text.strip() or not text.isprintable():
        why = "is not plain: one line, with no blank at its ends"
        raise ValidationError(f"{field} {text!r} {why}", field=field)
    return text


def value_text(value: Any) -> JsonText:
    """Return a fact's value as it is recorded: one JSON text, the same for the same value.

    Raises:
        ValidationError: JSON cannot hold it, PostgreSQL cannot, or it is too large or too deep.
    """
    try:
        text = json.dumps(
            value, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")
        )
    except (TypeError, ValueError, RecursionError) as error:
        raise ValidationError(f"value: JSON cannot hold it: {error}", field="value") from error
    return checked_value(text)


def checked_value(text: JsonText) -> JsonText:
    """Return a JSON text, or refuse it.

    Raises:
        ValidationError: it is no JSON, or too large, too deep, or not to be stored.
    """
    if len(text.encode(errors="surrogatepass")) > MAX_VALUE_BYTES:
        raise ValidationError(
            f"value: it has more than {MAX_VALUE_BYTES} bytes as JSON", field="value"
        )
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
        is_deep = depth(text) > MAX_DEPTH
    except (ValueError, RecursionError) as error:
        raise ValidationError(f"value: it is no JSON: {error}", field="value") from error
    if is_deep:
        raise ValidationError(f"value: it is nested deeper than {MAX_DEPTH}", field="value")
    if any(_UNWRITABLE.search(string) for string in _strings(value)):
        raise ValidationError("value: it holds U+0000 or half a surrogate pair", field="value")
    return text


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
    elif isinstance(value, dict):
        yield from value
        for item in value.values():
            yield from _strings(item)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def _name(text: str) -> str:
    return _in_pydantic(lambda: checked_name(text, "name"))


def _value(text: str) -> str:
    return _in_pydantic(lambda: checked_value(text))


def _in_pydantic(check: Callable[[], str]) -> str:
    try:
        return check()
    except ValidationError as error:
        raise ValueError(str(error)) from error


Name = Annotated[str, AfterValidator(_name)]
ValueText = Annotated[JsonText, AfterValidator(_value)]


class FactRemembered(Value):
    """Something is known of a user from here on, in place of what was known by that key.

    `taught_by` names the message that it was learned from; None where nobody said.
    """

    user: str
    key: Name
    value: ValueText
    category: Name | None = None
    taught_by: EventPlace | None = None
    by: str | None = None


class FactForgotten(Value):
    """What was known by a key is known no more; its history stays."""

    user: str
    key: Name
    by: str | None = None


class FactsExtracted(Value):
    """Messages of the user were looked through for facts, up to one of a stream, and with it.

    `llm_call_id` is the id of the `LlmCallStarted`, in a thread, by which a model was asked.
    """

    user: str
    stream_name: str
    position: Count
    llm_call_id: str


MemoryEvent = FactRemembered | FactForgotten | FactsExtracted

MEMORY_TYPES: dict[str, type[MemoryEvent]] = {cls.__name__: cls for cls in get_args(MemoryEvent)}
"""Every class of these events by its type."""


@dataclass(frozen=True, slots=True)
class Noted:
    """A row of a user's stream.

    Attributes:
        id: the message's id, a UUID as text.
        place: where it stands.
        event: what it says; what is none of ours is kept as it is.
        time_ms: when, in milliseconds since 1970-01-01 UTC, by the writer's clock where it says so.
    """

    id: str
    place: Place
    event: MemoryEvent | UnknownEvent
    time_ms: int


def decode_noted(row: TimedRow) -> Noted:
    """Read any row of a user's stream. Never raises."""
    metadata = read_metadata(row.metadata)
    event = understood(row, metadata, MEMORY_TYPES)
    place = Place(row.stream_name, row.position)
    return Noted(row.id, place, event, happened_at_ms(row, metadata))
