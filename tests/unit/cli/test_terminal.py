"""What reaches a terminal cannot command it."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messagedb_agent.cli.terminal import harmless, one_line


@given(st.text())
def test_no_control_character_is_left(text: str) -> None:
    left = {char for char in harmless(text) if unicodedata.category(char) == "Cc"}
    assert left <= {"\n", "\t"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("\x9b31m", "\\x9b31m"),
        ("a\rb", "a\\x0db"),
        ("a\r\nb", "a\nb"),
        ("a\x08\x7f\x07", "a\\x08\\x7f\\x07"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("tab\tand\nline, ä, 日本, 🙂", "tab\tand\nline, ä, 日本, 🙂"),
    ],
)
def test_what_a_terminal_would_obey_is_written_out(text: str, shown: str) -> None:
    assert harmless(text) == shown


def test_a_note_is_one_line() -> None:
    assert one_line("error:\n  two\r\n lines\x1b") == "error: two lines\\x1b"
