"""JSON Schemas: what is wrong with a value, without ever fetching what a schema refers to."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any


def validator_of(schema: Mapping[str, Any]) -> Any:
    """Return what checks values against a schema; `Any`, as its library has no types.

    It raises what `jsonschema` raises where the schema is none.
    """
    # Imported when first needed: it costs a sixth of a second, and many agents never need it.
    validators = import_module("jsonschema").validators
    registry = import_module("referencing").Registry()
    kind = validators.validator_for(schema, default=validators.Draft202012Validator)
    kind.check_schema(schema)
    kind = validators.extend(kind, {"uniqueItems": _unique_items})
    return kind(schema, registry=registry)


def faults(validator: Any, value: Any) -> Sequence[tuple[str, str]]:
    """Return what is wrong with a value: where, as a path, and what.

    It raises what `jsonschema` and `referencing` raise where the schema cannot be used.
    """
    found = sorted(validator.iter_errors(value), key=_path)
    return [(_path(error), str(error.message)) for error in found]


def _unique_items(validator: Any, wanted: Any, value: Any, _schema: Any) -> Iterator[Any]:
    """Check `uniqueItems`: its library compares each object with each, 2,000 of them for 10 s."""
    if wanted and validator.is_type(value, "array"):
        keys = [_key(item) for item in value]
        if len(set(keys)) < len(keys):
            yield import_module("jsonschema").ValidationError("it holds an item more than once")


def _key(value: Any) -> Hashable:
    """Return what is equal for equal JSON values, `1` and `1.0` included, and for no others."""
    match value:
        case dict():
            return "object", frozenset((name, _key(part)) for name, part in value.items())
        case list():
            return "array", tuple(map(_key, value))
        case bool():
            return "boolean", value
        case _:
            plain: Hashable = value
            return plain


def _path(error: Any) -> str:
    return ".".join(map(str, error.absolute_path))
