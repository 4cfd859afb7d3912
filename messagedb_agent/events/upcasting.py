"""Old JSON to current JSON: one pure function per event type and schema version.

A published event never changes its meaning. When a shape changes, `SCHEMA_VERSION` grows by one and
an entry here brings the shape before it to the next.
"""

from collections.abc import Callable, Mapping
from typing import Any

from messagedb_agent.events.schema import SCHEMA_VERSION

Upcaster = Callable[[dict[str, Any]], dict[str, Any]]
"""Brings the data of one version to the next; must not change what it is given."""

UPCASTERS: Mapping[tuple[str, int], Upcaster] = {}
"""By event type and the schema version that the data have."""


def upcast(
    type: str,
    version: int,
    data: dict[str, Any],
    *,
    upcasters: Mapping[tuple[str, int], Upcaster] = UPCASTERS,
    current: int = SCHEMA_VERSION,
) -> dict[str, Any]:
    """Return data of any earlier schema version in the current shape.

    Args:
        type: the event's type.
        version: schema version that the data were written in.
        data: the event's data, JSON keys as stored.
        upcasters: functions by type and version; a version without one is unchanged.
        current: the version to arrive at.
    """
    for step in range(version, current):
        if upcaster := upcasters.get((type, step)):
            data = upcaster(data)
    return data
