"""One byte form for every JSON value that PostgreSQL's jsonb can hold: what hashes are made of.

Structure and strings stand as RFC 8785 has them: no white space, keys sorted by their UTF-16 code
units, the shortest escapes. Numbers stand as jsonb prints them: for integers up to 2^53 that is
the same as RFC 8785, and for all others it keeps every digit, which a double would not. A text that
is nested deeper than 100 levels, which many parsers refuse, stands as one JSON string.
"""

import json
import re
from json.encoder import encode_basestring
from typing import Any, TypeAlias

import orjson

MAX_DEPTH = 100

_MANY_DIGITS = 19
_LAST = re.compile("[\ue000-\uffff]")  # by code units these come after all others
_BEYOND = re.compile("[\U00010000-\U0010ffff]")  # these two code units begin with U+D800 or later
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')


class Number:
    """A JSON number that stands as it stood in the text: no integer, or one of many digits."""

    __slots__ = ("digits",)

    def __init__(self, digits: str) -> None:
        self.digits = digits


Json: TypeAlias = "bool | str | int | Number | list[Json] | dict[str, Json] | None"


def depth(text: str) -> int:
    """Return how deeply objects and arrays are nested in a valid JSON text; 0 for a scalar."""
    deepest = level = 0
    for bracket in re.findall(r"[\[{\]}]", _STRING.sub("", text)):
        level += 1 if bracket in "[{" else -1
        deepest = max(deepest, level)
    return deepest


def _integer(digits: str) -> int | Number:
    return int(digits) if len(digits) < _MANY_DIGITS and digits != "-0" else Number(digits)


_AS_IT_STANDS = json.JSONDecoder(parse_int=_integer, parse_float=Number)


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
            text, parse_int=_integer, parse_float=Number, parse_constant=_refused_constant
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
    try:
        text = orjson.dumps(value, _as_it_stands, orjson.OPT_SORT_KEYS).decode()
    except orjson.JSONEncodeError:  # a lone surrogate
        return _piecewise(value)
    # By code units keys stand as by characters, unless both of these are among them.
    if text.isascii() or not (_LAST.search(text) and _BEYOND.search(text)):
        return text
    return _piecewise(value)


def _as_it_stands(number: object) -> orjson.Fragment:
    if not isinstance(number, Number):
        raise TypeError(f"{type(number).__name__} is no JSON value")
    return orjson.Fragment(number.digits)


def _piecewise(value: Json) -> str:
    match value:
        case str():
            return encode_basestring(value)
        case dict():
            pairs = (
                f"{encode_basestring(key)}:{_piecewise(value[key])}"
                for key in sorted(value, key=_by_code_units)
            )
            return f"{{{','.join(pairs)}}}"
        case list():
            return f"[{','.join(map(_piecewise, value))}]"
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case _:
            return value.digits


def _by_code_units(key: str) -> bytes:
    return key.encode("utf-16-be", "surrogatepass")
