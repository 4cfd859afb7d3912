"""Events to messages and back: strict out, tolerant in.

Out: strings that PostgreSQL cannot hold are cleaned (U+0000 and lone surrogates become U+FFFD) and
the event is marked `sanitised`. In: any row decodes, to an event or to an `UnknownEvent`.
"""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar, get_args

import orjson
from pydantic import ValidationError

from messagedb_agent.events.canonical import read
from messagedb_agent.events.chain import Row, hash_text
from messagedb_agent.events.metadata import Cause, Metadata, Travelling, read_metadata
from messagedb_agent.events.recorded import Recorded, UnknownEvent
from messagedb_agent.events.schema import RULES, SCHEMA_VERSION, Event
from messagedb_agent.events.upcasting import upcast
from messagedb_agent.events.values import Value
from messagedb_agent.events.words import READING
from messagedb_agent.records import record

V = TypeVar("V", bound=Value)

EVENT_TYPES: dict[str, type[Event]] = {cls.__name__: cls for cls in get_args(Event)}
"""Every event class by its type."""

_REPLACEMENT = "\ufffd"


@record
class Encoded:
    """An event as it is written.

    Attributes:
        event: what will stand in the log: the event given, its strings cleaned.
        data: its data, canonical JSON.
        sanitised: whether strings had to be cleaned.
    """

    event: Event
    data: bytes
    sanitised: bool


@record
class Sealed:
    """An event ready to be written.

    Attributes:
        event: what will stand in the log: the event given, its strings cleaned.
        id: the message's id.
        type: its type.
        data: its data, JSON text.
        metadata: its metadata with its hash, JSON text.
        hash: its place in the chain.
    """

    event: Event
    id: str
    type: str
    data: str
    metadata: str
    hash: bytes


@record
class Envelope:
    """What an event is sealed with.

    Attributes:
        cause: the message it follows; None for what comes from outside.
        travelling: correlation, reply address and properties.
        occurred_at_ms: milliseconds since 1970-01-01 UTC.
        writer: random name of the writing process.
    """

    cause: Cause | None
    travelling: Travelling
    occurred_at_ms: int
    writer: str


def seal(
    id: str,
    stream: str,
    position: int,
    event: Event,
    envelope: Envelope,
    previous: bytes,
    encoded: Encoded | None = None,
) -> Sealed:
    """Turn an event into the message that stands at `position`, chained to the one before it.

    Args:
        id: the message's id, chosen once and kept on every retry.
        stream: full name of the stream.
        position: where it will stand.
        event: what happened.
        envelope: cause, correlation, time and writer.
        previous: hash of the row before it.
        encoded: the event encoded, where that was done before.
    """
    encoded = encoded or encode(event)
    kind = type(event).__name__
    metadata, digest = sealed_metadata(
        id, stream, position, kind, encoded.data, envelope, previous, sanitised=encoded.sanitised
    )
    return Sealed(encoded.event, id, kind, encoded.data.decode(), metadata, digest)


def sealed_metadata(
    id: str,
    stream: str,
    position: int,
    kind: str,
    data: bytes,
    envelope: Envelope,
    previous: bytes,
    *,
    sanitised: bool = False,
) -> tuple[str, bytes]:
    """Return the metadata of a message, as JSON text, and the hash that stands in them.

    Args:
        id: the message's id.
        stream: full name of the stream.
        position: where it will stand.
        kind: its type.
        data: its data, canonical JSON.
        envelope: cause, correlation, time and writer.
        previous: hash of the row before it.
        sanitised: whether strings of the data had to be cleaned.
    """
    metadata = _metadata(envelope, sanitised)
    row = {
        "data": orjson.Fragment(data),
        "id": id,
        "metadata": metadata,
        "position": position,
        "streamName": stream,
        "type": kind,
    }
    digest = hashlib.sha256(previous + orjson.dumps(row, option=orjson.OPT_SORT_KEYS)).digest()
    metadata["localProperties"]["hash"] = hash_text(digest)
    if envelope.cause and envelope.cause.global_position is not None:
        metadata["causationMessageGlobalPosition"] = envelope.cause.global_position
    return orjson.dumps(metadata).decode(), digest


def _metadata(envelope: Envelope, sanitised: bool) -> dict[str, Any]:
    metadata: dict[str, Any] = {}
    if cause := envelope.cause:
        metadata["causationMessageStreamName"] = cause.stream
        metadata["causationMessagePosition"] = cause.position
    if envelope.travelling.correlation:
        metadata["correlationStreamName"] = envelope.travelling.correlation
    if envelope.travelling.reply_to:
        metadata["replyStreamName"] = envelope.travelling.reply_to
    if envelope.travelling.properties:
        metadata["properties"] = orjson.Fragment(envelope.travelling.properties)
    metadata["schemaVersion"] = str(SCHEMA_VERSION)
    metadata["localProperties"] = {
        "occurredAt": envelope.occurred_at_ms,
        "writer": envelope.writer,
    }
    if RULES > 1:
        metadata["localProperties"]["rules"] = RULES
    if sanitised:
        metadata["localProperties"]["sanitised"] = True
    return metadata


def encode(event: Event) -> Encoded:
    """Return an event's data as canonical JSON, and the event as these data say it."""
    said, data, sanitised = encoded_value(event)
    return Encoded(said, data, sanitised)


def encoded_value(value: V) -> tuple[V, bytes, bool]:
    """Return a value as its JSON says it, that JSON, and whether strings had to be cleaned."""
    data = value.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    try:
        text = orjson.dumps(data, option=orjson.OPT_SORT_KEYS)
        if b"\\u0000" not in text:
            return value, text, False
    except orjson.JSONEncodeError:
        pass
    mended = _mend(data)
    text = orjson.dumps(mended, option=orjson.OPT_SORT_KEYS)
    if mended == data:
        return value, text, False
    return type(value).model_validate(mended), text, True


def _mend(value: Any) -> Any:
    match value:
        case str():
            return clean_text(value)
        case list():
            return [_mend(item) for item in value]
        case dict():
            return {key: _mend(item) for key, item in value.items()}
        case _:
            return value


def clean_text(text: str) -> str:
    """Return text without what PostgreSQL cannot hold: U+0000 and lone surrogates."""
    text = text.replace("\0", _REPLACEMENT)
    if text.isascii() or not any("\ud800" <= char <= "\udfff" for char in text):
        return text
    return "".join(_REPLACEMENT if "\ud800" <= char <= "\udfff" else char for char in text)


@record
class Decoded:
    """A row of a thread, understood as far as it can be.

    Attributes:
        recorded: the event and its place in the log.
        metadata: what the row's metadata say.
    """

    recorded: Recorded
    metadata: Metadata


class TimedRow(Row, Protocol):
    """A row with the store's time of writing, UTC, without a zone."""

    @property
    def time(self) -> datetime: ...


def decode(row: TimedRow) -> Decoded:
    """Read any row; what is no event of ours becomes an `UnknownEvent`. Never raises.

    Args:
        row: a row as the store gives it, such as a `Message`.
    """
    metadata = read_metadata(row.metadata)
    event = _event(row, metadata)
    time_ms = happened_at_ms(row, metadata)
    return Decoded(Recorded(row.id, row.stream_name, row.position, event, time_ms), metadata)


def happened_at_ms(row: TimedRow, metadata: Metadata) -> int:
    """Return when a row says that it happened, in milliseconds since 1970-01-01 UTC.

    By the writer's clock; where that is not said, by the store's.
    """
    if metadata.occurred_at_ms is not None:
        return metadata.occurred_at_ms
    return int(row.time.replace(tzinfo=UTC).timestamp() * 1000)


def _event(row: Row, metadata: Metadata) -> Event | UnknownEvent:
    return understood(row, metadata, EVENT_TYPES)


def understood(row: Row, metadata: Metadata, types: Mapping[str, type[V]]) -> V | UnknownEvent:
    """Read what a row says, where it is of one of some types; never raises.

    Args:
        row: a row as the store gives it.
        metadata: what its metadata say.
        types: the class of each type that is known.
    """
    cls = types.get(row.type)
    newer = metadata.schema_version > SCHEMA_VERSION
    if cls is None or (newer and metadata.critical):
        reason = "unknown type" if cls is None else f"schema version {metadata.schema_version}"
        return UnknownEvent(row.type, reason, metadata.critical)
    try:
        data = read(row.data) if row.data is not None else {}
    except ValueError as error:
        return UnknownEvent(row.type, f"data cannot be read: {error}", metadata.critical)
    if not isinstance(data, dict):
        return UnknownEvent(row.type, "data is not an object", metadata.critical)
    try:
        data = upcast(row.type, metadata.schema_version, data)
        return cls.model_validate(data, extra="ignore", context=READING)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        return UnknownEvent(row.type, f"{where}: {first['msg']}", metadata.critical or newer)
