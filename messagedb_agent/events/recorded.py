"""An event where it stands in the log, and what stands there and is none of ours."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple, TypeGuard

from messagedb_agent.events.schema import Event


@dataclass(frozen=True, slots=True)
class UnknownEvent:
    """A message in a thread that is no event of ours, kept as it stands.

    Attributes:
        type: the message's type.
        reason: why it is none: an unknown type, or what its data lack.
        critical: its writer says that it must not be ignored: the thread waits for newer code.
    """

    type: str
    reason: str
    critical: bool = False


class Place(NamedTuple):
    """Where an event stands.

    Attributes:
        stream: full name of the stream.
        position: its position there, from 0.
    """

    stream: str
    position: int


def is_whole(given: object) -> TypeGuard[int]:
    """Say whether something is a whole number, as positions are."""
    return isinstance(given, int) and not isinstance(given, bool)


def utc_time(time_ms: int) -> datetime:
    """Return a moment that is told in milliseconds since 1970-01-01 UTC, with its zone."""
    return datetime.fromtimestamp(time_ms / 1000, UTC)


@dataclass(frozen=True, slots=True)
class Recorded:
    """An event and its place in the log.

    Attributes:
        id: the message's id, a UUID as text.
        stream: full name of the stream it stands in.
        position: its position there, from 0.
        event: what happened.
        time_ms: when, in milliseconds since 1970-01-01 UTC, by the writer's clock where it
            says so, else by the store's; never a ground for a decision.
    """

    id: str
    stream: str
    position: int
    event: Event | UnknownEvent
    time_ms: int = 0

    @property
    def place(self) -> Place:
        """Where it stands."""
        return Place(self.stream, self.position)
