"""What may be written: the one check before any message goes to a store."""

import json
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from uuid import UUID

import orjson

from messagedb_agent.errors import RefusedPayload
from messagedb_agent.store.message import NewMessage

MAX_MESSAGE_BYTES = 1024 * 1024
MAX_DEPTH = 100
MAX_TYPE_CHARACTERS = 255

_UUID = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
"""What PostgreSQL cannot hold in a text: U+0000 and lone surrogates."""
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
# U+0000 written as an escape, and not a backslash that is itself escaped before the letter u.
_ESCAPED_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


def check_message(message: NewMessage, *, max_bytes: int = MAX_MESSAGE_BYTES) -> None:
    """Refuse a message that PostgreSQL's jsonb cannot hold, or that is too large or too deep.

    Args:
        message: what is to be written.
        max_bytes: the most that data and metadata may hold together, in UTF-8.

    Raises:
        RefusedPayload: `field` names what is at fault, such as `data.answer[0]`.

    Source: PostgreSQL refuses U+0000 (22P05), lone surrogates and NaN (22P02) in jsonb.
    """
    _check_size(message, max_bytes)
    _check_id(message.id)
    _check_type(message.type)
    if message.data is not None:
        _check_json("data", message.data)
    if message.metadata is not None:
        _check_json("metadata", message.metadata)


def _check_size(message: NewMessage, max_bytes: int) -> None:
    data, metadata = message.data or "", message.metadata or ""
    size = len(data) + len(metadata)  # never more than the bytes, and known without a copy
    if size <= max_bytes < size * 4:
        size = sum(len(text.encode(errors="surrogatepass")) for text in (data, metadata))
    if size > max_bytes:
        raise RefusedPayload(
            f"a message of {size} bytes with its metadata; {max_bytes} are allowed", field="data"
        )


def _check_id(id: str) -> None:
    if not _UUID.fullmatch(id):
        raise RefusedPayload(f"message id {id[:60]!a} is no lower-case UUID", field="id")


def _check_type(type: str) -> None:
    if not _is_type(type):
        raise RefusedPayload(
            f"message type {type[:60]!a} is not 1 to {MAX_TYPE_CHARACTERS} printable characters",
            field="type",
        )


@lru_cache
def _is_type(type: str) -> bool:
    return 0 < len(type) <= MAX_TYPE_CHARACTERS and not _CONTROL.search(type)


def _check_json(name: str, text: str) -> None:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise RefusedPayload(f"{name}: {error.msg}", field=_where(name, text)) from error
    if not isinstance(value, dict):
        raise RefusedPayload(f"{name} is not a JSON object", field=name)
    if "\\u0000" in text and _ESCAPED_NUL.search(text):
        raise RefusedPayload(f"{name} holds U+0000", field=_where(name, text))
    if len(text) > 2 * MAX_DEPTH and _is_too_deep(text, value):
        raise RefusedPayload(f"{name} is nested deeper than {MAX_DEPTH}", field=name)


def _is_too_deep(text: str, value: object) -> bool:
    if text.count("{") + text.count("[") <= MAX_DEPTH:
        return False
    level: list[object] = [value]
    for _ in range(MAX_DEPTH):
        level = [child for parent in level for child in _containers(parent)]
        if not level:
            return False
    return True


def _containers(parent: object) -> Iterator[object]:
    children: Iterable[object] = ()
    if isinstance(parent, dict):
        children = parent.values()
    elif isinstance(parent, list):
        children = parent
    return (child for child in children if isinstance(child, dict | list))


def _where(name: str, text: str) -> str:
    """Return the path of the first value at fault; `name` where it cannot be told."""
    try:
        value = json.loads(text)  # takes what orjson refuses: NaN, surrogates
        return next(_faults(name, value), name)
    except (ValueError, RecursionError):
        return name


def _faults(path: str, value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for key, child in value.items():
            if UNSTORABLE.search(key):
                yield path
            yield from _faults(f"{path}.{key}", child)
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from _faults(f"{path}[{index}]", child)
    elif isinstance(value, str):
        if UNSTORABLE.search(value):
            yield path
    elif isinstance(value, float) and value - value != 0:  # NaN and the infinities
        yield path


def uuid_text(text: str) -> str | None:
    """Return a UUID in the form in which the store gives ids back; None where it is none."""
    try:
        return str(UUID(text))
    except ValueError:
        return None
