"""A value that fits a JSON Schema, made without asking anybody: the offline model's output.

It is the plainest one: the first of several choices, nothing that may be left out, no more than
has to be. A schema that asks for more than types, choices and bounds (a pattern, a sum) may not be
met by it.
"""

import json
from collections.abc import Mapping
from typing import Any

_DEEPEST = 50


def plain_value(schema: Mapping[str, Any]) -> Any:
    """Return a plain value that fits a schema, as far as this module understands it."""
    return _value(schema, schema, 0)


def _value(schema: object, root: Mapping[str, Any], depth: int) -> Any:
    if not isinstance(schema, Mapping) or depth > _DEEPEST:
        return None
    for name in ("const", "default"):
        if name in schema:
            return schema[name]
    if choices := _items(schema.get("enum")) or _items(schema.get("examples")):
        return choices[0]
    if isinstance(ref := schema.get("$ref"), str):
        return _value(_found(ref, root), root, depth + 1)
    for name in ("anyOf", "oneOf", "allOf"):
        if options := _items(schema.get(name)):
            return _value(min(options, key=_refers), root, depth + 1)
    return _of_type(schema, root, depth)


def _of_type(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> Any:
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) and kind else kind
    match kind:
        case "string":
            return _FORMATS.get(schema.get("format", ""), "text")[: schema.get("maxLength")].ljust(
                schema.get("minLength", 0), "."
            )
        case "integer" | "number":
            return _number(schema, whole=kind == "integer")
        case "boolean":
            return False
        case "array":
            first = _items(schema.get("prefixItems"))
            rest = max(0, schema.get("minItems", 0) - len(first))
            every = [*first, *[schema.get("items")] * rest]
            return [_value(item, root, depth + 1) for item in every]
        case "object" | None if kind or "properties" in schema:
            known = schema.get("properties", {})
            return {
                name: _value(known.get(name), root, depth + 1)
                for name in _items(schema.get("required"))
            }
        case _:
            return None


_FORMATS = {
    "date": "2026-01-01",
    "date-time": "2026-01-01T00:00:00Z",
    "duration": "P1D",
    "email": "someone@example.com",
    "time": "00:00:00Z",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


def _number(schema: Mapping[str, Any], *, whole: bool) -> int | float:
    step = schema.get("multipleOf", 1)
    low, above = schema.get("minimum"), schema.get("exclusiveMinimum")
    high, below = schema.get("maximum"), schema.get("exclusiveMaximum")
    if low is None and above is not None:
        low = above + step
    if high is None and below is not None:
        high = below - step
    value = 0 if low is None else max(0, low)
    value = value if high is None else min(value, high)
    if value % step:
        value += step - value % step
    return int(value) if whole else value


def _found(ref: str, root: Mapping[str, Any]) -> object:
    found: object = root
    for part in ref.removeprefix("#").split("/")[1:]:
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _items(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _refers(schema: object) -> bool:
    """Put what refers to other parts last: it may refer to itself."""
    return "$ref" in json.dumps(schema, default=str)
