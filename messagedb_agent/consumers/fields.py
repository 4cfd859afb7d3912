"""What a consumer's own messages say, read though anybody may have written into their streams."""

from collections.abc import Mapping
from typing import Any

import orjson


def fields_of(data: str | None) -> Mapping[str, Any]:
    """Return the data of a message; empty where they are no JSON object that we can read."""
    try:
        read = orjson.loads(data or "{}")
    except orjson.JSONDecodeError:  # jsonb holds more than every reader does
        return {}
    return read if isinstance(read, dict) else {}


def whole_number(fields: Mapping[str, Any], key: str, default: int) -> int:
    """Return a whole number; the default for whatever else stands there."""
    value = fields.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else default
