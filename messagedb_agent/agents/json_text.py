"""JSON text of what callers give as Python values."""

import json
from collections.abc import Mapping
from reprlib import repr as short

import orjson

from messagedb_agent.errors import ValidationError


def json_text(value: object, field: str) -> str:
    """Return a mapping as the text of a JSON object.

    Args:
        value: what is to be recorded.
        field: what the caller calls it.

    Raises:
        ValidationError: it is no mapping, or JSON cannot hold it, or a number in it (`nan`, `inf`).
    """
    if not isinstance(value, Mapping):
        raise ValidationError(f"{field}: {short(value)} is no JSON object", field=field)
    try:
        json.dumps(value, allow_nan=False, default=str)  # for orjson such a number is null
        return orjson.dumps(value).decode()
    except (TypeError, ValueError, RecursionError) as error:
        raise ValidationError(f"{field}: {error}", field=field) from error
