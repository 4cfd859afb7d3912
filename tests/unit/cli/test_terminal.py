"""What reaches a terminal cannot command it."""

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messagedb_agent.cli.terminal import harmless, one_line


@given(st.text())
def test_no_control_character_is_left(text: str) -> None:
    left = {char for char in harmless(text) if unicodedata.category(char) == "Cc"}
    assert left <= {"\n", "\t"}


def test_nothing_that_turns_text_round_or_breaks_a_line_is_left() -> None:
    turning = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    every = [chr(code) for code in range(sys.maxunicode + 1)]
    marks = ["\u061c", "\u200e", "\u200f"]
    unsafe = [c for c in every if unicodedata.bidirectional(c) in turning] + marks
    unsafe += [c for c in every if unicodedata.category(c) in ("Zl", "Zp")]
    assert len(unsafe) == 14
    assert [char for char in unsafe if harmless(char) == char] == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("\x9b31m", "\\x9b31m"),
        ("a\rb", "a\\x0db"),
        ("a\r\nb", "a\nb"),
        ("a\x08\x7f\x07", "a\\x08\\x7f\\x07"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\u061c\u2028\u2029\u206e", "\\u061c\\u2028\\u2029\\u206e"),
        ("joined \u200d\u200c", "joined \u200d\u200c"),
        ("tab\tand\nline, ä, 日本, 🙂", "tab\tand\nline, ä, 日本, 🙂"),
    ],
)
def test_what_a_terminal_would_obey_is_written_out(text: str, shown: str) -> None:
    assert harmless(text) == shown


def test_a_note_is_one_line() -> None:
    assert one_line("error:\n  two\r\n lines\x1b") == "error: two lines\\x1b"
