"""What is wrong with a value by a JSON Schema, where that is not left to the library."""

from typing import Any

import pytest

from messagedb_agent.tools.schema import faults, validator_of

UNIQUE = {"type": "array", "uniqueItems": True}
TWICE = [("", "it holds an item more than once")]


@pytest.mark.parametrize(
    "items",
    [
        [1, 1.0],
        [{"a": 1, "b": [True]}, {"b": [True], "a": 1.0}],
        [[], {}, []],
        ["a", None, "a"],
        [[1, [0]], [1, [False]], [1, [0]]],
    ],
)
def test_an_item_that_stands_twice_is_told(items: list[Any]) -> None:
    assert faults(validator_of(UNIQUE), items) == TWICE
    assert faults(validator_of({**UNIQUE, "uniqueItems": False}), items) == []


@pytest.mark.parametrize(
    "items",
    [
        [1, True, "1", [1], {"1": 1}],
        [0, False, None, "", [], {}],
        [["array", [1]], [1], [[1]], {"a": [1]}, [["a", 1]]],
        [{"a": 1}, {"a": True}, {"a": "1"}],
    ],
)
def test_values_that_only_look_alike_are_others(items: list[Any]) -> None:
    assert faults(validator_of(UNIQUE), items) == []


def test_many_objects_are_compared_in_a_time_that_grows_with_their_number() -> None:
    items = [{"a": number} for number in range(20_000)]
    assert faults(validator_of(UNIQUE), items) == []
    assert faults(validator_of({"properties": {"a": UNIQUE}}), {"a": [*items, {"a": 7.0}]}) == [
        ("a", "it holds an item more than once")
    ]
