"""What stands beside an event: cause, correlation and properties, in Message DB's own keys."""

import re
from dataclasses import field
from typing import Any

from messagedb_agent.events.canonical import canonical_text, parse, read
from messagedb_agent.records import record

MAX_TRAVELLING_CHARS = 4_096
"""Where properties are too large to travel from an event to its effects."""

MAX_NAME_CHARS = 500
"""Where a stream name in metadata is too long to travel: Message DB indexes one of them."""

_LONG_NUMBER = re.compile(r"\d{300}")


@record
class Cause:
    """The message that another one follows.

    Attributes:
        stream: full name of its stream.
        position: its position there.
        global_position: its position in the store; None for a cause in the same append.
    """

    stream: str
    position: int
    global_position: int | None = None


@record
class Travelling:
    """What every event caused by another takes over from it.

    Attributes:
        correlation: stream name that the thread's starter wants to find its results by.
        reply_to: stream name to reply to.
        properties: a canonical JSON object as text; None where there is none.
    """

    correlation: str | None = None
    reply_to: str | None = None
    properties: str | None = None


@record
class Metadata:
    """Metadata of one message, read.

    Attributes:
        schema_version: version of the event's shape; 1 where the writer names none.
        travelling: what its effects take over.
        cause: what it follows, where that is said.
        occurred_at_ms: milliseconds since 1970-01-01 UTC by the writer's clock.
        writer: random name of the writing process.
        hash: its place in the chain, as text; None in foreign messages.
        rules: number of the rules by which its writer decides; 1 where it names none.
        critical: whether code that does not know the event must not go on.
    """

    schema_version: int = 1
    travelling: Travelling = field(default_factory=Travelling)
    cause: Cause | None = None
    occurred_at_ms: int | None = None
    writer: str | None = None
    hash: str | None = None
    rules: int = 1
    critical: bool = False


NO_METADATA = Metadata()
_END_OF_TIME_MS = 253_402_300_800_000  # the year 10,000, which no calendar of Python's reaches


def read_metadata(text: str | None) -> Metadata:
    """Read the metadata of any message; what is not understood is as good as absent."""
    if text is None:
        return NO_METADATA
    try:
        raw = read(text)
    except ValueError:
        return NO_METADATA
    if not isinstance(raw, dict):
        return NO_METADATA
    local = raw.get("localProperties")
    if not isinstance(local, dict):
        local = {}
    properties = raw.get("properties")
    return Metadata(
        schema_version=_version(raw.get("schemaVersion")),
        travelling=Travelling(
            correlation=_name(raw.get("correlationStreamName")),
            reply_to=_name(raw.get("replyStreamName")),
            properties=_properties(text) if properties and isinstance(properties, dict) else None,
        ),
        cause=_cause(raw),
        occurred_at_ms=_time(local.get("occurredAt")),
        writer=_text(local.get("writer")),
        hash=_text(local.get("hash")),
        rules=1 if (rules := _integer(local.get("rules"))) is None else rules,
        critical=local.get("critical") is True,
    )


def _cause(raw: dict[str, Any]) -> Cause | None:
    stream = _text(raw.get("causationMessageStreamName"))
    position = _integer(raw.get("causationMessagePosition"))
    if stream is None or position is None:
        return None
    return Cause(stream, position, _integer(raw.get("causationMessageGlobalPosition")))


def _properties(metadata: str) -> str | None:
    """Return the properties with every digit of their numbers: they are written again as such.

    What is too large, or holds what not every reader can, does not travel: a foreign cause must not
    keep its effects from being written.
    """
    value = parse(metadata)
    if not isinstance(value, dict):
        return None
    text = canonical_text(value["properties"])
    return text if len(text) <= MAX_TRAVELLING_CHARS and not _LONG_NUMBER.search(text) else None


def _name(value: object) -> str | None:
    name = _text(value)
    return name if name and len(name) <= MAX_NAME_CHARS else None


def _version(value: object) -> int:
    return int(value) if isinstance(value, str) and value.isdecimal() and len(value) < 6 else 1


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _time(value: object) -> int | None:
    moment = _integer(value)
    return moment if moment is not None and 0 <= moment < _END_OF_TIME_MS else None


def _integer(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
