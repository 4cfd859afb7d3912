"""JSON text of what callers give as Python values."""

import json
from collections.abc import Mapping
from typing import Any

import orjson

from messagedb_agent.errors import ValidationError


def json_text(value: Mapping[str, Any], field: str) -> str:
    """Return a mapping as JSON text.

    Args:
        value: what is to be recorded.
        field: what the caller calls it.

    Raises:
        ValidationError: JSON cannot hold it, or a number in it (`nan`, `inf`).
    """
    try:
        json.dumps(value, allow_nan=False, default=str)  # for orjson such a number is null
        return orjson.dumps(value).decode()
    except (TypeError, ValueError, RecursionError) as error:
        raise ValidationError(f"{field}: {error}", field=field) from error
