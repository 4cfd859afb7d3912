"""A plain value that fits a schema, as far as types, choices and bounds go."""

import json
from typing import Any

import jsonschema
import pytest

from messagedb_agent.events.request import Request, UserText
from messagedb_agent.llm.offline import OfflineModel
from messagedb_agent.llm.offline_value import plain_value


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string"},
        {"type": "string", "minLength": 9},
        {"type": "string", "maxLength": 2},
        {"type": "string", "format": "date"},
        {"type": "integer", "minimum": 3},
        {"type": "integer", "maximum": -3},
        {"type": "integer", "exclusiveMinimum": 0, "multipleOf": 5},
        {"type": "number", "exclusiveMaximum": 0.5},
        {"type": "boolean"},
        {"type": "null"},
        {"type": ["integer", "null"]},
        {"enum": ["red", "blue"]},
        {"const": 7},
        {"type": "array", "items": {"type": "integer"}, "minItems": 2},
        {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}]},
        {"anyOf": [{"$ref": "#/$defs/Odd"}, {"type": "integer"}], "$defs": {"Odd": False}},
        {
            "type": "object",
            "properties": {"a": {"$ref": "#/$defs/A"}, "b": {"type": "string"}},
            "required": ["a"],
            "additionalProperties": False,
            "$defs": {"A": {"type": "object", "properties": {}, "required": []}},
        },
        {},
    ],
    ids=str,
)
def test_it_fits(schema: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator(schema).validate(plain_value(schema))


async def test_a_schema_that_leads_in_a_circle_comes_to_an_end() -> None:
    schema = {"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}}
    assert plain_value(schema) is None


@pytest.mark.parametrize(
    "schema",
    ["{", "[]", "null", '{"type": "object", "properties": 7, "required": ["a"]}', "[" * 9_000],
)
async def test_no_schema_makes_the_offline_model_fail(schema: str) -> None:
    request = Request("offline", "", (UserText("hello"), UserText("...")), output_schema=schema)
    assert (await OfflineModel().complete(request)).text


async def test_it_answers_with_the_value_in_place_of_what_it_would_say() -> None:
    schema = json.dumps({"type": "object", "properties": {"n": {"type": "integer"}}})
    request = Request("offline", "", (UserText("hello"), UserText("...")), output_schema=schema)
    assert (await OfflineModel().complete(request)).text == "{}"
