"""JSON Schemas: what is wrong with a value, without ever fetching what a schema refers to."""

from collections.abc import Mapping, Sequence
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
    return kind(schema, registry=registry)


def faults(validator: Any, value: Any) -> Sequence[tuple[str, str]]:
    """Return what is wrong with a value: where, as a path, and what.

    It raises what `jsonschema` and `referencing` raise where the schema cannot be used.
    """
    found = sorted(validator.iter_errors(value), key=_path)
    return [(_path(error), str(error.message)) for error in found]


def _path(error: Any) -> str:
    return ".".join(map(str, error.absolute_path))
