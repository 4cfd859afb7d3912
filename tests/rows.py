"""Rows as a store gives them back, without a store."""

from dataclasses import dataclass, replace
from datetime import datetime

from messagedb_agent.events.codec import Sealed
from messagedb_agent.store.jsonb import normalised

TIME = datetime(2026, 1, 2, 3, 4, 5, 678_000)  # noqa: DTZ001 - a store's times carry no zone
TIME_MS = 1_767_323_045_678


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a thread."""

    id: str = "00000000-0000-7000-8000-000000000001"
    stream_name: str = "agent:v0-thread"
    type: str = "UserMessageAdded"
    position: int = 0
    data: str | None = None
    metadata: str | None = None
    time: datetime = TIME

    def but(self, **changes: object) -> "Row":
        """Return the row with changes."""
        return replace(self, **changes)  # type: ignore[arg-type]  # the caller names fields


def stored(sealed: Sealed, stream: str, position: int) -> Row:
    """Return a sealed event as PostgreSQL's jsonb gives it back."""
    return Row(
        id=sealed.id,
        stream_name=stream,
        type=sealed.type,
        position=position,
        data=normalised(sealed.data),
        metadata=normalised(sealed.metadata),
    )
