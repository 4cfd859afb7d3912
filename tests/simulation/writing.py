"""Clocks and ids of simulated processes: the same in every run."""

from messagedb_agent.clock import Clock
from tests.simulation.loop import VirtualLoop

_BEGAN_MS = 1_767_225_600_000
_JUMP_MS = 60 * 60 * 1000


def writer(process: int) -> str:
    """Return the name that a process writes under."""
    return f"writer{process}"


class ProcessClock:
    """The clock of one process, which somebody may set.

    Args:
        loop: tells how much time has passed.
    """

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._off_ms = 0

    def now_ms(self) -> int:
        return _BEGAN_MS + self._off_ms + self.elapsed_ms()

    def elapsed_ms(self) -> int:
        return int(self._loop.time() * 1000)

    def jump(self, size: float) -> None:
        """Set it by up to an hour, backwards for sizes below a half."""
        self._off_ms += int((size * 2 - 1) * _JUMP_MS)


class NumberedIds:
    """Ids of version 7 that are numbered where others are random.

    Args:
        clock: whose time they carry.
        process: number of the process.
    """

    def __init__(self, clock: Clock, process: int) -> None:
        self._clock = clock
        self._process = process
        self._last_ms = 0
        self._count = 0

    def new(self) -> str:
        self._last_ms = max(self._last_ms, self._clock.now_ms())
        self._count += 1
        value = self._last_ms << 80 | 0x7 << 76 | 0b10 << 62 | self._process << 32 | self._count
        text = f"{value:032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
