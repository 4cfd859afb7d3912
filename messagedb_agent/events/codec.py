"""Events to messages and back: strict out, tolerant in.

Out: strings that PostgreSQL cannot hold are cleaned (U+0000 and lone surrogates become U+FFFD) and
the event is marked `sanitised`. In: any row decodes, to an event or to an `UnknownEvent`.
"""

import hashlib
from datetime import UTC, datetime
from typing import Any, Protocol, get_args

import orjson
from pydantic import ValidationError

from messagedb_agent.events.canonical import read
from messagedb_agent.events.chain import Row, hash_text
from messagedb_agent.events.metadata import Cause, Metadata, Travelling, read_metadata
from messagedb_agent.events.recorded import Recorded, UnknownEvent
from messagedb_agent.events.schema import RULES, SCHEMA_VERSION, Event
from messagedb_agent.events.upcasting import upcast
from messagedb_agent.events.words import READING
from messagedb_agent.records import record

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
    metadata = _metadata(envelope, encoded.sanitised)
    kind = type(event).__name__
    row = {
        "data": orjson.Fragment(encoded.data),
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
    written = orjson.dumps(metadata).decode()
    return Sealed(encoded.event, id, kind, encoded.data.decode(), written, digest)


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
    data = event.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    try:
        text = orjson.dumps(data, option=orjson.OPT_SORT_KEYS)
        if b"\\u0000" not in text:
            return Encoded(event, text, sanitised=False)
    except orjson.JSONEncodeError:
        pass
    mended = _mend(data)
    text = orjson.dumps(mended, option=orjson.OPT_SORT_KEYS)
    if mended == data:
        return Encoded(event, text, sanitised=False)
    return Encoded(type(event).model_validate(mended), text, sanitised=True)


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
    time_ms = metadata.occurred_at_ms
    if time_ms is None:
        time_ms = int(row.time.replace(tzinfo=UTC).timestamp() * 1000)
    event = _event(row, metadata)
    return Decoded(Recorded(row.id, row.stream_name, row.position, event, time_ms), metadata)


def _event(row: Row, metadata: Metadata) -> Event | UnknownEvent:
    cls = EVENT_TYPES.get(row.type)
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
