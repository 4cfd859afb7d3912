"""Outputs: an answer that must be one JSON value, of a type that the caller names.

A model is told of it by a JSON Schema, which is recorded. Whoever asks holds the answer against the
type itself, with its validators; who takes a thread on for others knows the schema alone.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import isinf
from types import UnionType
from typing import Any, Generic, TypeVar

import pydantic
from pydantic import TypeAdapter

from messagedb_agent.errors import ValidationError
from messagedb_agent.events.values import JsonText
from messagedb_agent.tools.arguments import complaint, joined
from messagedb_agent.tools.schema import faults, validator_of

T = TypeVar("T")

OutputType = type[T] | TypeAdapter[T] | UnionType | Mapping[str, Any]
"""What an output may be asked for as: a pydantic model, a dataclass, a `TypedDict` (before Python
3.12 that of `typing_extensions`), `list[int]` or any other type that pydantic can check, a
`TypeAdapter` of one, or a JSON Schema."""

_VALUE = "value"


class Unfit(ValueError):
    """An answer is not what was asked for; the text says why, for the model."""


@dataclass(frozen=True)
class Wanted(Generic[T]):
    """What an answer is asked to be.

    Attributes:
        schema: JSON Schema of the answer, always an object: providers take no other. What is none
            stands in it under `value`.
        is_wrapped: whether it does.
        check: returns the value that JSON text is, or raises `Unfit`.
    """

    schema: JsonText
    is_wrapped: bool
    check: Callable[[JsonText], T]

    def value(self, answer: JsonText) -> T:
        """Return the value that an answer is.

        Raises:
            Unfit: it is none of this type.
        """
        value = read_json(answer)
        if not self.is_wrapped:
            return self.check(answer)
        if not isinstance(value, dict) or value.keys() != {_VALUE}:
            raise Unfit(f"it must be an object with the key {_VALUE!r} alone")
        return self.check(json.dumps(value[_VALUE]))


def wanted(output: OutputType[T]) -> Wanted[T]:
    """Return what an answer must be to be of a type.

    Args:
        output: the type; see `OutputType`.

    Raises:
        ValidationError: no JSON Schema can be made of it, or it is none; `field` is `output`.
    """
    if isinstance(output, Mapping):
        return _by_schema(output)
    try:
        kind: Any = output  # of any form, for which there is no type yet
        adapter: TypeAdapter[T] = kind if isinstance(kind, TypeAdapter) else TypeAdapter(kind)
        schema = adapter.json_schema()
    except Exception as error:  # what the caller gives may be no type at all
        raise _refused(_first_line(error)) from error

    def check(text: JsonText) -> T:
        try:
            return adapter.validate_json(text)
        except pydantic.ValidationError as error:
            raise Unfit(complaint(error, "field")) from error

    return Wanted(*_as_object(schema), check)


def _by_schema(schema: Mapping[str, Any]) -> Wanted[Any]:
    try:
        text = json.dumps(schema, allow_nan=False)
        _validator(text)
    except Exception as error:  # what the caller gives may be no schema at all
        raise _refused(f"it is no JSON Schema: {_first_line(error)}") from error
    return Wanted(*_as_object(schema), lambda given: _checked(text, read_json(given)))


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def _refused(why: str) -> ValidationError:
    return ValidationError(f"output: {why}", field="output")


def _as_object(schema: Mapping[str, Any]) -> tuple[JsonText, bool]:
    """Return a schema of an object as text, and whether another one had to be put into one."""
    wrapped = schema.get("type") != "object"
    if wrapped:
        value = {name: part for name, part in schema.items() if name != "$defs"}
        shared = {"$defs": schema["$defs"]} if "$defs" in schema else {}
        properties = {"properties": {_VALUE: value}, "required": [_VALUE]}
        schema = {"type": "object", **properties, "additionalProperties": False, **shared}
    try:
        return json.dumps(schema, ensure_ascii=False, allow_nan=False), wrapped
    except ValueError as error:  # as where a default is no number
        raise _refused(f"its JSON Schema is no JSON: {error}") from error


def judge(asker: Wanted[Any] | None) -> Callable[[JsonText, str, bool], str | None]:
    """Return what says why an answer is not the output that a schema asks for; None where it is.

    Args:
        asker: what is asked for by whoever takes the thread on; any other output is held against
            its schema.
    """

    def problem(schema: JsonText, answer: str, is_cut: bool) -> str | None:
        try:
            if asker is not None and asker.schema == schema:
                asker.value(answer)
            else:
                _checked(schema, read_json(answer))
        except Unfit as unfit:
            return "it was cut off before its end" if is_cut else str(unfit)
        return None

    return problem


def _checked(schema: JsonText, value: Any) -> Any:
    try:
        found = faults(_validator(schema), value)
    except Exception as error:  # the schema is somebody else's
        raise Unfit(f"its schema cannot be used: {_first_line(error)}") from error
    if found:
        raise Unfit(joined(found))
    return value


@lru_cache(maxsize=64)
def _validator(schema: JsonText) -> Any:
    return validator_of(json.loads(schema))


def read_json(answer: str) -> Any:
    """Return the one JSON value that an answer is.

    Raises:
        Unfit: it is none, or has other text around it.
    """
    text = answer.strip()
    if not text:
        raise Unfit("it is empty")
    try:
        value, end = _DECODER.raw_decode(text)
    except json.JSONDecodeError as error:
        if text.startswith("```"):
            raise Unfit("it stands in a code fence") from error
        raise Unfit(f"it is not JSON: {error.msg} at character {error.pos + 1}") from error
    except Unfit:
        raise
    except RecursionError as error:
        raise Unfit("it is nested too deeply") from error
    except ValueError as error:  # Python's limit on the digits of an integer
        raise Unfit("it holds a number that is too long") from error
    if end < len(text):
        raise Unfit("there is other text after the JSON value")
    return value


def _refuse_constant(name: str) -> None:
    raise Unfit(f"it is not JSON: {name} is no JSON number")


def _finite(digits: str) -> float:
    value = float(digits)
    if isinf(value):
        raise Unfit("it holds a number that is too large")
    return value


_DECODER = json.JSONDecoder(parse_float=_finite, parse_constant=_refuse_constant)
