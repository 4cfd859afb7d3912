"""The arguments of a call: from the text a model wrote to a JSON object, or what is wrong."""

import json
from collections.abc import Iterable
from typing import Any

import pydantic

from messagedb_agent.errors import ToolError
from messagedb_agent.events.values import JsonText
from messagedb_agent.tools.running import shortened

MAX_COMPLAINTS = 5
"""Most faults named in one message."""

MAX_COMPLAINT_CHARS = 200
"""Longest text of one fault, in characters."""

_EXACT_INTEGERS = 2**53


def parse_arguments(text: JsonText) -> dict[str, Any]:
    """Return the JSON object that `text` is; nothing at all is the empty object.

    A number such as `5.0` is read as the integer it is: JSON Schema takes it for one, and
    providers that keep all numbers as floats write integers so.

    Raises:
        ToolError: no JSON, not an object, a key twice, or what UTF-8 cannot hold.
    """
    if not text.strip():
        return {}
    try:
        value = _DECODER.decode(text)
        if "\\u" in text or not text.isascii():  # only these write half of a surrogate pair
            json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise ToolError(
            f"the arguments are not JSON: {error.msg} at character {error.pos + 1}"
        ) from error
    except RecursionError as error:
        raise ToolError("the arguments are nested too deeply") from error
    except UnicodeEncodeError as error:
        raise ToolError("the arguments hold half of a surrogate pair, which is no text") from error
    except ValueError as error:  # Python's limit on the digits of an integer
        raise ToolError("the arguments hold a number that is too long") from error
    if not isinstance(value, dict):
        raise ToolError(f"the arguments must be a JSON object, not {_kind(value)}")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ToolError(f"the arguments have the key {shortened(twice, 60)!r} more than once")
    return value


def _number(text: str) -> int | float:
    value = float(text)
    if value.is_integer() and abs(value) < _EXACT_INTEGERS:
        return int(value)
    if value in (float("inf"), float("-inf")):
        raise ToolError(f"the arguments hold a number that is too large: {shortened(text, 60)}")
    return value


def _refuse_constant(text: str) -> None:
    raise ToolError(f"the arguments are not JSON: {text} is no JSON number")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_number, parse_constant=_refuse_constant
)


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case _:
            return "an array"


def complaint(error: pydantic.ValidationError, part: str = "argument") -> str:
    """Return what pydantic found, in short words for a model: which part, what is wrong.

    Args:
        error: what was found.
        part: what a part of the whole is called.
    """
    found = error.errors(include_url=False, include_context=False, include_input=False)
    words = {"missing": "is missing", "extra_forbidden": f"there is no such {part}"}
    return joined(
        (".".join(map(str, item["loc"])), words.get(item["type"], item["msg"])) for item in found
    )


def joined(faults: Iterable[tuple[str, str]]) -> str:
    """Return faults as one line.

    Args:
        faults: where it is, as a path (empty for the arguments as a whole), and what it is.
    """
    every = list(faults)
    said = [
        shortened(f"{shortened(path, 80)}: {what}" if path else what, MAX_COMPLAINT_CHARS)
        for path, what in every[:MAX_COMPLAINTS]
    ]
    if len(every) > MAX_COMPLAINTS:
        said.append(f"and {len(every) - MAX_COMPLAINTS} more")
    return "; ".join(said)
