"""One byte form for every JSON value that PostgreSQL's jsonb can hold: what hashes are made of.

Structure and strings stand as RFC 8785 has them: no white space, keys sorted by their UTF-16 code
units, the shortest escapes. Numbers stand as jsonb prints them: for integers up to 2^53 that is
the same as RFC 8785, and for all others it keeps every digit, which a double would not. A text that
is nested deeper than 100 levels, which many parsers refuse, stands as one JSON string.
"""

import json
import re
from collections.abc import Collection
from json.encoder import encode_basestring
from typing import Any, TypeAlias

import orjson

MAX_DEPTH = 100

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')


class Number(str):
    """A JSON number as its digits stand in the text."""

    __slots__ = ()


Json: TypeAlias = "bool | str | Number | list[Json] | dict[str, Json] | None"


def depth(text: str) -> int:
    """Return how deeply objects and arrays are nested in a valid JSON text; 0 for a scalar."""
    deepest = level = 0
    for bracket in re.findall(r"[\[{\]}]", _STRING.sub("", text)):
        level += 1 if bracket in "[{" else -1
        deepest = max(deepest, level)
    return deepest


_AS_IT_STANDS = json.JSONDecoder(parse_int=Number, parse_float=Number)


def parse(text: str) -> Json:
    """Parse a JSON text with its numbers kept as they stand; a text too deep as one string."""
    if text.count("[") + text.count("{") > MAX_DEPTH and depth(text) > MAX_DEPTH:
        return text
    value: Json = _AS_IT_STANDS.decode(text)
    return value


def is_object(text: str) -> bool:
    """Say whether a text is a JSON object that any reader can hold.

    No more than 100 levels deep, without NaN and infinities, without lone surrogates.
    """
    if text.count("[") + text.count("{") <= MAX_DEPTH:  # enough for nearly all
        try:
            return isinstance(orjson.loads(text), dict)
        except orjson.JSONDecodeError:
            pass  # also for numbers that only few readers can hold
    try:
        value = json.loads(
            text, parse_int=Number, parse_float=Number, parse_constant=_refused_constant
        )
        canonical_text(value).encode()
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and depth(text) <= MAX_DEPTH


def _refused_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def read(text: str) -> Any:
    """Return a JSON text as Python values; a number beyond Python's floats reads as None.

    Raises:
        ValueError: not JSON, or nested too deep to be read.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        pass
    try:
        return json.loads(text, parse_float=_number, parse_int=_number)
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def _number(digits: str) -> int | float | None:
    try:
        value = orjson.loads(digits)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, int | float) else None


def canonical_text(value: Json) -> str:
    """Return the one text of a parsed value."""
    if isinstance(value, str):  # what most values are
        return str(value) if isinstance(value, Number) else encode_basestring(value)
    if isinstance(value, dict):
        pairs = (f"{encode_basestring(key)}:{canonical_text(value[key])}" for key in _sorted(value))
        return f"{{{','.join(pairs)}}}"
    if isinstance(value, list):
        return f"[{','.join(map(canonical_text, value))}]"
    if value is None:
        return "null"
    return "true" if value else "false"


def _sorted(keys: Collection[str]) -> list[str]:
    if "".join(keys).isascii():  # by code units they stand as by characters
        return sorted(keys)
    return sorted(keys, key=_by_code_units)


def _by_code_units(key: str) -> bytes:
    return key.encode("utf-16-be", "surrogatepass")
