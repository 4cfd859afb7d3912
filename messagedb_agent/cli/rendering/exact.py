"""Arguments as a person is to judge them: on one line, and all of what would run."""

import re

# A JSON string, or white space between values.
_PIECES = re.compile(r'("(?:[^"\\]|\\.)*"?)|(\s+)', re.DOTALL)
_SPACES = re.compile("(?<= ) ")


def compact(arguments: str) -> str:
    """Return JSON text on one line; its strings are as they were."""
    return _PIECES.sub(lambda piece: piece[1] or " ", arguments).strip()


def exactly(arguments: str) -> str:
    """Return JSON text on one line in which nothing hides.

    What cannot be seen, and each space behind another, stands as JSON's own escape: who reads it
    reads what runs, and it is the same value.
    """
    shown = _SPACES.sub(r"\\u0020", compact(arguments))
    return "".join(char if char.isprintable() else escaped(char) for char in shown)


def escaped(char: str) -> str:
    """Return a character as JSON's own escape."""
    units = char.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[i : i + 4]}" for i in range(0, len(units), 4))
