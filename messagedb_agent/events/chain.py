"""The hash chain of a stream: every row's hash covers the row and the hash before it.

    h(n) = SHA-256(h(n-1) + canonical(row n))        h(-1) = 32 zero bytes

A row is {data, id, metadata, position, streamName, type}; NULL data and NULL metadata are {}.
Left out of the metadata are the hash itself and `causationMessageGlobalPosition`, which
is not known when an event is caused by one of its own append. For a fork, h(-1) is the parent's
hash at the fork position. `time` and the global position are not covered.
"""

import base64
import hashlib
from binascii import b2a_base64
from typing import Protocol

from messagedb_agent.events.canonical import Json, canonical_text, parse

GENESIS = bytes(32)
"""What stands before position 0 of a thread that is no fork."""

_URL_SAFE = bytes.maketrans(b"+/", b"-_")


class Row(Protocol):
    """A message as a store gives it back; data and metadata as JSON text or None."""

    @property
    def id(self) -> str: ...
    @property
    def stream_name(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def position(self) -> int: ...
    @property
    def data(self) -> str | None: ...
    @property
    def metadata(self) -> str | None: ...


def row_hash(previous: bytes, row: Row) -> bytes:
    """Return the hash of any row, ours or foreign, after the hash of the row before it."""
    members: dict[str, Json] = {
        "data": parse(row.data) if row.data is not None else {},
        "id": row.id,
        "metadata": _covered(parse(row.metadata) if row.metadata is not None else {}),
        "position": row.position,
        "streamName": row.stream_name,
        "type": row.type,
    }
    return hashlib.sha256(previous + canonical_text(members).encode()).digest()


def chained(previous: bytes, row: Row, said: str | None) -> bytes:
    """Return a row's place in the chain: what its writer says, or its own hash for foreign rows.

    Args:
        previous: hash of the row before it.
        row: the row.
        said: the hash that its metadata name; None where they name none.
    """
    if said is not None:
        try:
            return hash_bytes(said)
        except ValueError:
            pass
    return row_hash(previous, row)


def _covered(metadata: Json) -> Json:
    if not isinstance(metadata, dict):
        return metadata
    kept = {k: v for k, v in metadata.items() if k != "causationMessageGlobalPosition"}
    local = kept.get("localProperties")
    if isinstance(local, dict):
        kept["localProperties"] = {k: v for k, v in local.items() if k != "hash"}
    return kept


def hash_text(digest: bytes) -> str:
    """Return a hash as it is written: base64url without padding, 43 characters."""
    return b2a_base64(digest, newline=False).translate(_URL_SAFE, b"=").decode()


def hash_bytes(text: str) -> bytes:
    """Return the bytes of a written hash.

    Raises:
        ValueError: it is none.
    """
    digest = base64.urlsafe_b64decode(text + "=")
    if len(digest) != len(GENESIS) or hash_text(digest) != text:  # decoding skips over rubbish
        raise ValueError(f"not a hash: {text!r}")
    return digest
