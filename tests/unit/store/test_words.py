"""What a word is, what is sought, and what stands around it."""

import pytest

from messagedb_agent.agents.searching import snippet
from messagedb_agent.errors import ValidationError
from messagedb_agent.store.words import (
    MAX_SOUGHT,
    Query,
    as_any_tsquery,
    as_tsquery,
    as_tsvector,
    places_of,
    plain,
    query_of,
    words_of,
)


def test_a_word_is_a_run_of_letters_and_digits_in_any_case() -> None:
    text = "Straße_42 \uff21\uff22\uff23 naïve nai\u0308ve don't 字 \U0001f600 a\u0000b"
    words = ["strasse", "42", "abc", "naïve", "naïve", "don", "t", "字", "a", "b"]
    assert list(words_of(text)) == words


def test_words_are_the_same_however_they_are_told() -> None:
    for text in ("The QUICK_fox's 42nd; x" * 3, "word " * 20_000, "Y" * 200, "", "Ünder The_hill"):
        assert list(words_of(text)) == [word for word, _, _ in places_of(plain(text))]


@pytest.mark.parametrize(
    ("text", "phrases"),
    [
        ("Red  fox", (("red",), ("fox",))),
        ('"Red fox" red', (("red", "fox"), ("red",))),
        ("get_current_time", (("get", "current", "time"),)),
        ('"red fox', (("red",), ("fox",))),
        ('red" fox" "" "!"', (("red",), ("fox",))),
        ("red red", (("red",),)),
    ],
)
def test_what_is_typed_is_sought_word_by_word_or_in_a_row(
    text: str, phrases: tuple[tuple[str, ...], ...]
) -> None:
    assert query_of(text) == Query(phrases)


@pytest.mark.parametrize("text", ["", " ", '""', "!? & |", "\x00", "\u0301"])
def test_a_text_without_a_word_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="no word") as refused:
        query_of(text)
    assert refused.value.field == "text"


def test_more_words_than_anybody_seeks_are_refused_and_one_long_word_is_not() -> None:
    assert len(query_of(" ".join(map(str, range(MAX_SOUGHT)))).words) == MAX_SOUGHT
    for text in ("word " * 2_000, "w-" * 5_000, " ".join(map(str, range(MAX_SOUGHT + 1)))):
        with pytest.raises(ValidationError, match="at most"):
            query_of(text)
    assert len(query_of("x" * 10_000).words[0]) == 64


def test_nothing_that_is_typed_is_an_operator_of_postgresql() -> None:
    query = query_of("it's & ! (red|fox):* <-> \\")
    assert as_tsquery(query) == "('it' <-> 's') & ('red' <-> 'fox')"
    assert as_any_tsquery(query) == "'it' | 's' | 'red' | 'fox'"
    assert as_tsvector("Red 'fox' red") == "'red':1,3 'fox':2"


def test_a_snippet_is_one_line_around_what_was_found() -> None:
    assert snippet("a red\n\tfox", query_of("fox")) == "a red fox"
    text = "x " * 500 + "the red fox " + "y " * 500
    found = snippet(text, query_of('"red fox"'))
    assert found.startswith("…")
    assert found.endswith("…")
    assert "the red fox" in found
    assert len(found) <= 202
    assert snippet("nothing of it", query_of("fox")) == "nothing of it"
