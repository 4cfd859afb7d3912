"""What a person says, as it is given to a command."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from messagedb_agent.cli.terminal import note
from messagedb_agent.errors import ValidationError
from messagedb_agent.store.encoding import MAX_MESSAGE_BYTES, UNSTORABLE

_SHOWN_CHARACTERS = 80


def message_text(given: str) -> str:
    """Return what the user says; `-` reads it from standard input.

    Raises:
        ValidationError: it is empty, or too large, or standard input cannot be read.
    """
    if given == "-":
        given = decoded(_read_input())
    if not given.strip():
        raise ValidationError("the message is empty", field="MESSAGE")
    if len(given.encode(errors="surrogatepass")) > MAX_MESSAGE_BYTES:
        raise ValidationError(
            f"the message is larger than 1 MiB ({MAX_MESSAGE_BYTES} bytes), the most that "
            "one message can hold",
            field="MESSAGE",
        )
    if UNSTORABLE.search(given):  # the engine replaces it, and marks the event
        note("the message holds bytes that are no text (NUL, or no UTF-8); each becomes U+FFFD")
    return given


def typed_again(given: str) -> str:
    """Return a message as a command that is printed names it: itself, where it is a short line."""
    is_option = given.startswith("-") and given != "-"
    is_plain = given.isprintable() and len(given) <= _SHOWN_CHARACTERS
    return given if is_plain and not is_option else "MESSAGE"


def _read_input() -> bytes:
    """Return what standard input holds; of what is too large, enough to tell that it is."""
    if sys.stdin is None:
        raise ValidationError("standard input is closed", field="MESSAGE")
    with readable():
        return sys.stdin.buffer.read(MAX_MESSAGE_BYTES + 2)


@contextmanager
def readable() -> Iterator[None]:
    """Refuse a standard input that cannot be read, such as a folder.

    Raises:
        ValidationError: it cannot.
    """
    try:
        yield
    except OSError as error:
        raise ValidationError(
            f"standard input cannot be read: {error.strerror}", field="MESSAGE"
        ) from error


def decoded(read: bytes) -> str:
    """Return what was read; a lone surrogate stands for each byte that is no UTF-8."""
    return read.decode("utf-8", "surrogateescape").removesuffix("\n")
