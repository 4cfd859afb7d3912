"""What models write as arguments is read as JSON, or refused in words a model can use."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messagedb_agent.errors import ToolError
from messagedb_agent.tools.arguments import joined, parse_arguments


@pytest.mark.parametrize("text", ["", " ", "\n\t", "{}", " { } "])
def test_nothing_is_the_empty_object(text: str) -> None:
    assert parse_arguments(text) == {}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[1]", "must be a JSON object, not an array"),
        ("null", "must be a JSON object, not null"),
        ("true", "must be a JSON object, not a boolean"),
        ("3", "must be a JSON object, not a number"),
        ('"{}"', "must be a JSON object, not a string"),
        ('{"a": ', "not JSON: Expecting value at character 7"),
        ("{'a': 1}", "not JSON"),
        ('{"a": 1} {"b": 2}', "not JSON"),
        ('{"a": 1, "a": 1}', "the key 'a' more than once"),
        ('{"x": {"b": 1, "b": 2}}', "the key 'b' more than once"),
        ('{"a": NaN}', "NaN is no JSON number"),
        ('{"a": -Infinity}', "-Infinity is no JSON number"),
        ('{"a": 1e999}', "too large: 1e999"),
        ('{"a": ' + "1" * 5_000 + "}", "too long"),
        ('{"a": ' * 100_000, "nested too deeply"),
        ('{"a": "\\ud800"}', "surrogate"),
        ('{"a": "\ud800"}', "surrogate"),
        ('{"' + "k" * 9_000 + '": 1, "' + "k" * 9_000 + '": 1}', "more than once"),
        ("{" * 10_000_000, "not JSON"),
    ],
)
def test_what_is_no_object_is_refused_in_short(text: str, reason: str) -> None:
    with pytest.raises(ToolError) as caught:
        parse_arguments(text)
    assert reason in str(caught.value)
    assert len(str(caught.value)) < 200


def test_a_whole_number_with_a_point_is_an_integer() -> None:
    parsed = parse_arguments('{"a": 5.0, "b": -0.0, "c": 5.5, "d": 1e3, "e": 1e300}')
    assert json.dumps(parsed) == '{"a": 5, "b": 0, "c": 5.5, "d": 1000, "e": 1e+300}'


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("ab\x00", max_size=3), inner)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.text("abc", max_size=3), _json, max_size=3))
@settings(deadline=None, max_examples=50)
def test_every_object_reads_back_equal(value: dict[str, Any]) -> None:
    assert parse_arguments(json.dumps(value)) == value


@given(st.text('{}[]":,0123456789.eE-+truefalsn\\u ', max_size=40))
@settings(deadline=None)
def test_any_text_is_an_object_or_refused(text: str) -> None:
    assert isinstance(_parsed(text), dict | str)


def _parsed(text: str) -> dict[str, Any] | str:
    try:
        return parse_arguments(text)
    except ToolError as error:
        return str(error)


def test_many_faults_are_counted_and_each_is_bounded() -> None:
    said = joined((f"p{index}", "x" * 10_000) for index in range(100))
    assert said.endswith("; and 95 more")
    assert len(said) < 1_100
