"""Ids: UUIDs that grow with time, ids derived from what they answer, and ids that people give.

All ids are text, lower case with dashes, as Message DB gives them back.
"""

import hashlib
import os
import re
import threading
import uuid
from reprlib import repr as short
from typing import Protocol

from messagedb_agent.clock import Clock
from messagedb_agent.errors import ValidationError

_UUID = re.compile("[0-9a-f]{32}")
_TIME = re.compile("[0-9A-Fa-f]{12}")


class Ids(Protocol):
    """Makes new ids."""

    def new(self) -> str:
        """Return an id never returned before."""
        ...


class TimeOrderedIds:
    """UUIDs of version 7: 48 bits of milliseconds, then a counter, then random bits.

    Ids of one maker grow strictly, also within a millisecond and when the clock steps back.

    Source: RFC 9562, section 5.7, with the counter of section 6.2, method 1.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._last_ms = 0
        self._counter = 0

    def new(self) -> str:
        with self._lock:
            now = self._clock.now_ms()
            if now > self._last_ms:
                self._last_ms, self._counter = now, 0
            else:
                self._counter += 1
                if self._counter > 0xFFF:
                    self._last_ms, self._counter = self._last_ms + 1, 0
            ms, counter = self._last_ms, self._counter
        random = int.from_bytes(os.urandom(8)) & ((1 << 62) - 1)
        return _dashed(f"{ms << 80 | 0x7 << 76 | counter << 64 | 0b10 << 62 | random:032x}")


def _dashed(digits: str) -> str:
    """Return 32 hexadecimal digits as a UUID is written."""
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def thread_id() -> str:
    """Return a new random thread id, a UUID of version 4."""
    return str(uuid.uuid4())


def derived_id(scope: str, key: str, role: str) -> str:
    """Return the one id that a message of this role may have in answer to `key`.

    The id of an outcome follows from what it answers, so that the store itself allows one.
    It is a UUID of version 8 whose first 48 bits are those of `key` where that begins with
    12 hexadecimal digits (dashes aside), so that it grows with time as its cause does; the rest
    is SHA-256 of scope, key and role, joined by line feeds.

    Args:
        scope: the stream that the message stands in.
        key: id of the claim, or of the tool call.
        role: `outcome`, `resolution`, `start` or `thread`.
    """
    digest = hashlib.sha256(f"{scope}\n{key}\n{role}".encode()).hexdigest()
    head = _TIME.match(key.replace("-", ""))
    time_bits = head[0].lower() if head else digest[52:]
    variant = "89ab"[int(digest[4], 16) & 0b11]
    return _dashed(f"{time_bits}8{digest[1:4]}{variant}{digest[5:20]}")


def call_id(claim_id: str, index: int) -> str:
    """Return our id of the tool call at `index` of the reply to a claim."""
    return f"{claim_id.replace('-', '')}_{index}"


def normalised_id(given: object, field: str = "message_id") -> str:
    """Return a UUID that somebody gave, as text or not, as lower case with dashes.

    Args:
        given: what was given.
        field: what the caller calls it.

    Raises:
        ValidationError: it is no UUID.
    """
    text = str(given) if isinstance(given, str | uuid.UUID) else ""
    hex_digits = text.strip().lower().replace("-", "")
    if not _UUID.fullmatch(hex_digits):
        raise ValidationError(f"{short(given)} is not a UUID", field=field)
    return str(uuid.UUID(hex=hex_digits))
