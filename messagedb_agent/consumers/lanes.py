"""The messages of one thread that are to be handled, in order."""

from collections import deque
from dataclasses import dataclass, field

from messagedb_agent.consumers.delivery import Consuming
from messagedb_agent.store.message import Message

MOST_IN_HAND = 250
"""Messages of one thread; those behind them are read once more when it is time."""


@dataclass(slots=True, eq=False)
class Lane:
    """The messages of one thread that are to be handled, in order.

    Attributes:
        stream: the thread's stream.
        queue: the next ones.
        again: position from which on more of them are to be read; None where there are no more.
        through: global position of the last of those.
        is_replayed: whether the thread was put aside, and goes on.
        is_gone: whether the thread is handled no more, by this lane.
        is_held: whether it waits for its turn, has it, or has failed and is tried again.
        version: position of the last message that was handled.
        turn: number of the turn that handles; one that was left behind has an older one.
        begun_at: when the message under way was begun, by the loop's clock; 0 for none.
        error: what the message that is the next one has raised.
        lacks_something: whether what was raised last is about the handler's set-up.
    """

    stream: str
    queue: deque[Message] = field(default_factory=deque)
    again: int | None = None
    through: int = 0
    is_replayed: bool = False
    is_gone: bool = False
    is_held: bool = False
    version: int = -1
    turn: int = 0
    begun_at: float = 0.0
    error: Exception | None = None
    lacks_something: bool = False

    def add(self, message: Message) -> None:
        """Take a message; where there are many, take note only of where it stands."""
        if self.again is None and len(self.queue) < MOST_IN_HAND:
            self.queue.append(message)
            return
        if self.again is None:
            self.again = message.position
        self.through = message.global_position

    @property
    def is_empty(self) -> bool:
        """Whether all that was taken is handled."""
        return not self.queue and self.again is None

    def leave(self) -> None:
        """Have nothing more of it handled."""
        self.turn += 1
        self.is_gone = True

    async def refill(self, consuming: Consuming) -> None:
        """Read more of the thread, as far as it was read before.

        Raises:
            StoreUnavailable: the store was not reached.
        """
        if self.again is None:
            return
        next_one, through, is_cut = self.again, self.through, False
        async for message in consuming.reader.read(self.stream, position=self.again):
            is_cut = len(self.queue) == MOST_IN_HAND
            if is_cut or message.global_position > through:
                break
            next_one = message.position + 1
            if consuming.wants(message):
                self.queue.append(message)
        has_grown = self.through > through  # while this was read
        self.again = next_one if is_cut or has_grown else None


class Lanes(dict[str, Lane]):
    """The lanes of threads that have messages in hand; asked for another one, it makes it."""

    def __missing__(self, stream: str) -> Lane:
        lane = self[stream] = Lane(stream)
        return lane

    @property
    def begun_at(self) -> float | None:
        """When the message was begun that is under way the longest; None for none."""
        return min((lane.begun_at for lane in self.values() if lane.begun_at), default=None)


@dataclass(slots=True)
class Turn:
    """What a task has in hand: a lane, or none; and when that was begun, by the loop's clock."""

    lane: Lane | None
    begun_at: float

    def since(self) -> float:
        """Return when what is under way was begun."""
        return self.lane.begun_at if self.lane else self.begun_at
