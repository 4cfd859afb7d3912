"""The one byte form of JSON values."""

import json

import pytest

from messagedb_agent.events.canonical import (
    MAX_DEPTH,
    canonical_text,
    depth,
    is_object,
    parse,
    read,
)


def canonical(text: str) -> str:
    return canonical_text(parse(text))


def test_keys_are_sorted_by_their_utf_16_code_units() -> None:
    # U+FB33 is above the surrogates that U+1F600 is made of, and below U+1F600 itself.
    text = '{"\ufb33": 1, "\U0001f600": 2, "\u20ac": 3, "\\r": 4, "1": 5, "\u0080": 6, "ö": 7}'
    expected = '{"\\r":4,"1":5,"\u0080":6,"ö":7,"\u20ac":3,"\U0001f600":2,"\ufb33":1}'
    assert canonical(text) == expected


def test_strings_stand_with_the_shortest_escapes() -> None:
    text = json.dumps('\x00\x08\t\n\x0b\x0c\r\x1f\x20"\\/\x7f\u2028\U0001f600€')
    assert canonical(text) == (
        '"\\u0000\\b\\t\\n\\u000b\\f\\r\\u001f \\"\\\\/\x7f\u2028\U0001f600€"'
    )


def test_there_is_no_white_space() -> None:
    assert canonical(' { "b" : [ 1 , true ] , "a" : null } ') == '{"a":null,"b":[1,true]}'


@pytest.mark.parametrize(
    "number",
    [
        "0",
        "-0",
        "-1",
        "9007199254740993",
        "9" * 19,
        "1" + "0" * 400,
        "1e5",
        "0.10",
        "1.0",
        "-0.000001",
        "0." + "0" * 399,
    ],
)
def test_numbers_stand_with_every_digit(number: str) -> None:
    assert canonical(f'[{number}, {{"n": {number}}}]') == f'[{number},{{"n":{number}}}]'


def test_a_digit_more_is_another_value() -> None:
    assert canonical("[0.1]") != canonical("[0.10]")
    assert canonical("[9007199254740992]") != canonical("[9007199254740993]")


@pytest.mark.parametrize("scalar", ["null", "true", "false", '"text"', "[]", "{}"])
def test_scalars_and_empty_values_stand_as_they_are(scalar: str) -> None:
    assert canonical(scalar) == scalar


def nested(levels: int) -> str:
    return "[" * levels + "1" + "]" * levels


def test_a_value_is_kept_up_to_the_deepest_level() -> None:
    assert canonical(nested(MAX_DEPTH)) == nested(MAX_DEPTH)


@pytest.mark.parametrize("levels", [MAX_DEPTH + 1, 5_000])
def test_a_value_that_is_too_deep_stands_as_one_string(levels: int) -> None:
    assert canonical(nested(levels)) == json.dumps(nested(levels))


def test_depth_counts_brackets_and_not_those_in_strings() -> None:
    assert depth('"[[["') == 0
    assert depth('{"a\\"[": ["{{", {}], "b": "\\\\"}') == 3
    assert canonical(json.dumps({"a": "[" * 500})) == '{"a":"' + "[" * 500 + '"}'


def test_reading_takes_a_number_beyond_floats_as_absent_and_keeps_the_rest() -> None:
    beyond = "1" + "0" * 400
    assert read(f'{{"a": {beyond}, "b": [{beyond}.5, 2, 0.5]}}') == {"a": None, "b": [None, 2, 0.5]}


@pytest.mark.parametrize("text", ["", "{", "nonsense", "[" * 5_000 + "]" * 5_000, '"\\ud800"x'])
def test_reading_refuses_what_is_no_json_in_one_way(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{}", True),
        (' {"a": 1e400, "b": [18446744073709551616]}', True),
        ('{"a": "\\u00e9\\u0000"}', True),
        ('{"a":' + nested(MAX_DEPTH - 1) + "}", True),
        ('{"a":' + nested(MAX_DEPTH) + "}", False),
        ('{"a": "' + "[" * 500 + '"}', True),
        ("[]", False),
        ('"{}"', False),
        ('{"a": NaN}', False),
        ('{"a": -Infinity}', False),
        ('{"a": "\\ud800"}', False),
        ('{"a": "\ud800"}', False),
        ('{"a": 01}', False),
        ("\ufeff{}", False),
        ("{} {}", False),
        ("", False),
    ],
)
def test_an_object_is_what_every_reader_can_hold(text: str, expected: bool) -> None:
    assert is_object(text) is expected
