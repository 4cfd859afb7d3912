"""JSON text as PostgreSQL's jsonb gives it back.

Keys are unique (the last one wins) and ordered by length in bytes, then by bytes; numbers are
exact and without exponent; there is a blank after each `,` and `:`.

Source: PostgreSQL 18, `jsonb_util.c` (order of keys), `numeric.c` (numbers), and output compared
with the server by test.
"""

import json
from decimal import Decimal
from typing import TypeAlias

import orjson

Json: TypeAlias = "dict[str, Json] | list[Json] | str | Decimal | bool | None"

_MAX_DIGITS = 131_072  # before the decimal point, of PostgreSQL's numeric
_MAX_SCALE = 16_383  # after it


class NumberOutOfRange(ValueError):
    """A number with more digits than PostgreSQL's numeric holds."""


def parse(text: str) -> Json:
    """Parse JSON text with every digit of every number.

    Raises:
        ValueError: not JSON.
        RecursionError: nested too deep for Python's parser.
    """
    value: Json = json.loads(text, parse_float=Decimal, parse_int=Decimal)
    return value


def normalised(text: str) -> str:
    """Return JSON text as it comes back after it was stored as jsonb.

    Raises:
        NumberOutOfRange: a number that jsonb cannot hold.
    """
    return render(parse(text))


def render(value: Json) -> str:
    """Return a parsed JSON value as jsonb prints it."""
    match value:
        case dict():
            keyed = sorted((len(key.encode()), key.encode(), key) for key in value)
            inner = ", ".join(f"{_quoted(key)}: {render(value[key])}" for _, _, key in keyed)
            return "{" + inner + "}"
        case list():
            return "[" + ", ".join(map(render, value)) + "]"
        case str():
            return _quoted(value)
        case Decimal():
            return _number(value)
        case _:
            return {True: "true", False: "false", None: "null"}[value]


def is_equal(one: Json, other: Json) -> bool:
    """Say whether two values are equal as jsonb: 1.0 is 1, and true is not."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(is_equal(one[k], other[k]) for k in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(is_equal, one, other))
    return type(one) is type(other) and one == other


def _quoted(text: str) -> str:
    return orjson.dumps(text).decode()


def _number(value: Decimal) -> str:
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int):
        raise NumberOutOfRange("JSON has neither NaN nor infinities")
    scale = max(0, -exponent)
    if scale > _MAX_SCALE or (value and value.adjusted() >= _MAX_DIGITS):
        raise NumberOutOfRange("a number has more digits than PostgreSQL's numeric holds")
    if not value:  # numeric knows neither -0 nor an exponent of zero
        return "0." + "0" * scale if scale else "0"
    return format(value, "f")
