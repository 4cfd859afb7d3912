"""Anchors: how far chains had come at a time, to be kept elsewhere, and signed.

An anchor is a file of canonical JSON lines: a header with format, version, category and time; a
line {hash, position, streamName} for the last row of each thread, and of each stream beside threads
(users' memory, definitions), in order of the names; and an end with the number of heads and the
SHA-256 of all lines before it, and with a key their HMAC-SHA256 too. The hash of a head covers all
rows up to it, those of other writers and a fork's ancestors' included.

A file with heads of threads alone is of version 1, which is all that earlier code reads.
"""

import hashlib
import hmac
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from messagedb_agent.errors import ConfigurationError, IntegrityError, ValidationError
from messagedb_agent.events.canonical import Json, canonical_text, read
from messagedb_agent.events.chain import hash_bytes, hash_text

FORMAT = "messagedb-agent anchor"
VERSION = 2
_OF_THREADS = 1  # version of a file with heads of threads alone
KEY_SETTING = "ANCHOR_KEY"
"""The setting that holds the key."""


@dataclass(frozen=True, slots=True)
class Head:
    """The last row of a stream, and the hash that covers all up to it.

    Attributes:
        stream: full name of the stream: a thread's, a user's or a definition's.
        position: position of its last row.
        hash: the row's hash, computed again, base64url without padding.
    """

    stream: str
    position: int
    hash: str


@dataclass(frozen=True, slots=True)
class Anchor:
    """The heads of threads, and of what stands beside them, at a time.

    Attributes:
        category: category of the threads, such as `agent:v0`.
        made_at: when, ISO 8601, UTC; by the clock of who made it.
        heads: the heads by the stream's name.
        is_signed: whether the file carried a signature, which was checked.
    """

    category: str
    made_at: str
    heads: Mapping[str, Head]
    is_signed: bool = False


def anchor_text(category: str, made_at: str, heads: Iterable[Head], key: str | None) -> str:
    """Return an anchor as it stands in a file.

    Args:
        category: category of the threads.
        made_at: when, ISO 8601, UTC.
        heads: the heads, in any order.
        key: what it is signed with; None leaves it unsigned.
    """
    ordered = sorted(heads, key=lambda head: head.stream)
    of_threads = all(head.stream.startswith(f"{category}-") for head in ordered)
    header: dict[str, Json] = {
        "category": category,
        "format": FORMAT,
        "formatVersion": _OF_THREADS if of_threads else VERSION,
        "madeAt": made_at,
    }
    lines: list[dict[str, Json]] = [
        {"hash": head.hash, "position": head.position, "streamName": head.stream}
        for head in ordered
    ]
    body = "".join(f"{canonical_text(line)}\n" for line in [header, *lines])
    end: dict[str, Json] = {"heads": len(lines), "sha256": _digest(body.encode())}
    if key is not None:
        end["hmacSha256"] = _signature(body.encode(), key)
    return f"{body}{canonical_text(end)}\n"


def read_anchor(
    text: bytes, category: str, key: str | None, *, beside: Collection[str] = ()
) -> Anchor:
    """Read an anchor, and check that it is whole, of this category and signed with this key.

    Args:
        text: the file.
        category: the category it must be of.
        key: what it must be signed with; None where there is no key.
        beside: categories that stand beside threads, of which it may have heads too.

    Raises:
        ValidationError: it is no anchor, of another version or category, or cut off.
        ConfigurationError: it is signed, and there is no key to check that with.
        IntegrityError: it was changed, is signed with another key, or is unsigned despite a key.
    """
    body, newline, last = text.removesuffix(b"\n").rpartition(b"\n")
    header, *lines = (body + newline).splitlines() or [last]
    _check_header(_object(header, 1), category)
    end = _object(last, len(lines) + 2) if text.endswith(b"\n") else {}
    if "sha256" not in end:
        raise _refused("it is cut off: its last line is missing")
    _check_end(end, body + newline, key)
    of_threads = _object(header, 1).get("formatVersion") == _OF_THREADS
    categories = (category,) if of_threads else (category, *beside)
    heads = [_head(_object(line, n), n, categories) for n, line in enumerate(lines, 2)]
    by_stream = {head.stream: head for head in heads}
    if not len(by_stream) == len(heads) == end.get("heads"):
        raise _refused("the number of its heads is another than its last line says")
    made_at = str(_object(header, 1).get("madeAt", ""))
    return Anchor(category, made_at, by_stream, "hmacSha256" in end)


def _check_header(header: Mapping[str, Any], category: str) -> None:
    if header.get("format") != FORMAT:
        raise _refused("it is no anchor")
    if (version := header.get("formatVersion")) not in (_OF_THREADS, VERSION):
        raise _refused(
            f"it is of version {version!r}; this program reads {_OF_THREADS} and {VERSION}"
        )
    if header.get("category") != category:
        raise _refused(f"it is of the category {header.get('category')!r}, not {category!r}")


def _check_end(end: Mapping[str, Any], body: bytes, key: str | None) -> None:
    signature = end.get("hmacSha256")
    if signature is not None and key is None:
        raise ConfigurationError(
            f"the anchor is signed; set {KEY_SETTING} to the key it was signed with",
            field=KEY_SETTING,
        )
    if signature is None and key is not None:
        raise IntegrityError(
            f"the anchor is not signed, though {KEY_SETTING} is set: it may be anybody's"
        )
    if not _is_same(end["sha256"], _digest(body)):
        raise IntegrityError("the anchor was changed since it was made")
    if key is not None and not _is_same(signature, _signature(body, key)):
        raise IntegrityError(f"the anchor was not signed with this {KEY_SETTING}, or was changed")


def _is_same(written: object, computed: str) -> bool:
    return hmac.compare_digest(str(written).encode(), computed.encode())


def _digest(body: bytes) -> str:
    return hash_text(hashlib.sha256(body).digest())


def _signature(body: bytes, key: str) -> str:
    return hash_text(hmac.digest(key.encode(), body, "sha256"))


def _head(line: Mapping[str, Any], number: int, categories: Collection[str]) -> Head:
    try:
        position, name, written = line["position"], line["streamName"], line["hash"]
        hash_bytes(written)
        of, hyphen, _ = name.partition("-")
        is_head = type(position) is int and position >= 0 and bool(hyphen) and of in categories
    except (AttributeError, KeyError, TypeError, ValueError):
        is_head = False
    if not is_head:
        raise _refused(f"line {number} is no head of a thread, nor of what stands beside it")
    return Head(name, position, written)


def _object(line: bytes, number: int) -> Mapping[str, Any]:
    try:
        value = read(line.decode())
    except ValueError as error:
        raise _refused(f"line {number} is no JSON") from error
    if not isinstance(value, dict):
        raise _refused(f"line {number} is no JSON object")
    return value


def _refused(why: str) -> ValidationError:
    return ValidationError(f"the anchor cannot be used: {why}", field="anchor")
