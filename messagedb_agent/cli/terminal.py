"""What is written to the person: the answer to standard output, all else to standard error."""

import os
import re
from collections.abc import AsyncIterator
from typing import TextIO

from messagedb_agent.cli.streams import answers, flush_before_notes, forget, notes

# What a terminal would obey: control characters but for line break and tab, separators of lines
# and paragraphs, and the format characters that turn text round, swap or annotate it. Joiners and
# tags stay, which scripts and emoji are made of.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ufff9-\ufffb]"
)
_STYLES = {"bold": 1, "dim": 2}


def harmless(text: str) -> str:
    """Return text in which what a terminal would obey is written out as an escape sequence."""
    return _UNSAFE.sub(lambda found: _written_out(found.group()), text.replace("\r\n", "\n"))


def _written_out(char: str) -> str:
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def one_line(text: str) -> str:
    """Return text as one harmless line."""
    return harmless(" ".join(text.split()))


def is_terminal(stream: TextIO) -> bool:
    """Say whether somebody watches a stream."""
    return stream.isatty()


def out(text: str, *, flush: bool = False) -> None:
    """Write text and a line break to standard output; harmless on a terminal, exact in a pipe.

    For what programs read: ids and JSON. What people read of a log is harmless wherever it goes,
    as a pipe may well end on a terminal.
    """
    write(harmless(text) if is_terminal(answers()) else text, flush=flush)


def write(text: str, *, flush: bool = False) -> None:
    """Write text that is harmless already, and a line break, to standard output."""
    answers().write(text + "\n")
    if flush:
        answers().flush()


async def write_array(values: AsyncIterator[str]) -> None:
    """Write JSON values as an array to standard output, a line each, as they come."""
    held = None
    async for value in values:
        out("[" if held is None else f"{held},")
        held = value
    out("[]" if held is None else f"{held}]")


def styled(text: str, style: str) -> str:
    """Return harmless text, in a style for a terminal.

    Args:
        text: what to write, to standard output.
        style: `bold` or `dim`.
    """
    if not is_terminal(answers()) or os.environ.get("NO_COLOR"):
        return harmless(text)
    return f"\x1b[{_STYLES[style]}m{harmless(text)}\x1b[0m"


def note(text: str) -> None:
    """Write one line for the person to standard error."""
    tell(one_line(text) + "\n")


def tell(text: str) -> None:
    """Write text to standard error as it is.

    Nobody is told where that cannot be written to: there is no other place to say so.
    """
    flush_before_notes()
    try:
        notes().write(text)
        notes().flush()
    except (OSError, ValueError):
        forget(notes())
