"""Time as a value: what tells it is handed in, so that tests and replays decide what it says."""

import time
from dataclasses import dataclass
from typing import Protocol


class Clock(Protocol):
    """Tells the time of day and measures durations."""

    def now_ms(self) -> int:
        """Return milliseconds since 1970-01-01 UTC."""
        ...

    def elapsed_ms(self) -> int:
        """Return milliseconds since some fixed moment; never runs backwards."""
        ...


class SystemClock:
    """The machine's clock."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def elapsed_ms(self) -> int:
        return time.monotonic_ns() // 1_000_000


@dataclass(slots=True)
class FixedClock:
    """A clock that moves only when it is told to.

    Attributes:
        ms: what it says, in milliseconds.
    """

    ms: int = 1_767_225_600_000

    def now_ms(self) -> int:
        return self.ms

    def elapsed_ms(self) -> int:
        return self.ms

    def advance(self, ms: int) -> None:
        """Move on by `ms` milliseconds."""
        self.ms += ms
