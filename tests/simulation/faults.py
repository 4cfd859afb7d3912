"""What goes wrong, and when: a schedule, made by hand or drawn from a seed."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

Point = Literal["step", "write", "read", "news", "model", "tool"]
"""What is counted: callbacks of processes; statements that append, that are about notifications,
all others; calls of the model and of tools."""

KINDS: Mapping[str, Point] = {
    "crash": "step",  # a process is killed
    "pause": "step",  # it stands still, and loses its lock meanwhile
    "drowse": "step",  # it stands still, and keeps its lock
    "drop": "step",  # its sessions end, and it is told
    "rival": "step",  # another process takes the threads on
    "jump": "step",  # its clock is set
    "outage": "step",  # the server is away for a while
    "refuse": "write",  # an append is not done, and its connection is lost
    "lose": "write",  # it is done, and the answer is lost
    "lag": "write",  # its answer takes long
    "busy": "write",  # the server refuses it for the moment, by a code of its own
    "overtake": "write",  # somebody else's row stands first
    "deaf": "read",  # a read, a lock or its release gets no answer
    "slow": "read",  # it gets one late
    "mute": "news",  # a notification, or what asks for them, is lost with its connection
    "stall": "model",  # the model takes long
    "fail": "model",  # it gives no answer, and says so
    "break": "model",  # it raises
    "cut": "model",  # its answer ends too early
    "hang": "tool",  # a tool does not end in time
    "raise": "tool",  # a tool fails
    "linger": "tool",  # a tool takes long
}

_POINTS = frozenset(KINDS.values())
_NONE_PASSED = dict.fromkeys(_POINTS, 0)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong.

    Attributes:
        kind: what it is, one of `KINDS`.
        at: the how manieth of its points it happens at, from 0.
        size: from 0 up to 1: how long or how much; what that means is the kind's.
    """

    kind: str
    at: int
    size: float = 0.5

    def __str__(self) -> str:
        return f"{self.kind}@{self.at}:{self.size:.2f}"

    @classmethod
    def parse(cls, text: str) -> "Fault":
        """Read what `str` wrote."""
        kind, _, rest = text.partition("@")
        at, _, size = rest.partition(":")
        if kind not in KINDS:
            raise ValueError(f"no such fault: {kind}; there are {', '.join(KINDS)}")
        return cls(kind, int(at), float(size or 0.5))


class Faults:
    """Counts points, and says what happens at each.

    Args:
        schedule: what is to happen.

    Attributes:
        passed: how many points of each sort there were.
        fired: what has happened.
        active: whether faults happen at all.
    """

    def __init__(self, schedule: Iterable[Fault] = ()) -> None:
        self.schedule = tuple(schedule)
        self.passed: Counter[Point] = Counter(_NONE_PASSED)
        self.fired: list[Fault] = []
        self.active = True
        self._due: dict[Point, dict[int, list[Fault]]] = {point: {} for point in _POINTS}
        for fault in self.schedule:
            self._due[KINDS[fault.kind]].setdefault(fault.at, []).append(fault)

    def at(self, point: Point) -> Sequence[Fault]:
        """Return what happens at the next point of a sort."""
        if not self.active:
            return ()
        passed, due = self.passed, self._due[point]
        number = passed[point]
        passed[point] = number + 1
        if number not in due:
            return ()
        self.fired += due[number]
        return due[number]

    @property
    def missed(self) -> tuple[str, ...]:
        """Kinds of faults of the schedule that have never happened."""
        happened = {fault.kind for fault in self.fired}
        return tuple(sorted({fault.kind for fault in self.schedule} - happened))


_MOST_KINDS = 5
_MOST_TIMES = 2


def drawn(random: Random, points: Mapping[Point, int]) -> tuple[Fault, ...]:
    """Draw a schedule: a few kinds of faults, each once or twice.

    Args:
        random: what is drawn from.
        points: how many points there are of each sort where nothing goes wrong.
    """
    possible = [kind for kind, point in KINDS.items() if points.get(point)]
    kinds = random.sample(possible, random.randint(1, _MOST_KINDS))
    return tuple(
        Fault(kind, random.randrange(points[KINDS[kind]]), round(random.random(), 2))
        for kind in kinds
        for _ in range(random.randint(1, _MOST_TIMES))
    )
