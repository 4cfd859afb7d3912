"""Where the transactions of handlers note which messages are handled."""

from dataclasses import dataclass
from typing import Protocol

from messagedb_agent.consumers.delivery import Kept
from messagedb_agent.consumers.parking import Parking
from messagedb_agent.errors import Conflict
from messagedb_agent.store.message import Message, NewMessage


class Ledger(Protocol):
    """Where it is noted which messages are handled.

    Attributes:
        version: position of the last message in its stream that is known of.
    """

    version: int

    @property
    def stream(self) -> str: ...

    def note(self, message: Message) -> NewMessage:
        """Return what says that all is handled through a message."""
        ...

    def has(self, message: Message) -> bool:
        """Say whether it is noted that a message is handled, or is put aside."""
        ...

    def noted(self, message: Message) -> None:
        """Hear that this was committed."""
        ...

    async def catch_up(self) -> None:
        """Read what others have noted."""
        ...


class Progress:
    """The position of the consumer, in its own stream.

    Attributes:
        version: position, there, of the last message.
        position: what that says, or what was said to begin with.
    """

    def __init__(self, kept: Kept, position: int) -> None:
        self._kept = kept
        self.position = position
        self.version = -1

    @property
    def stream(self) -> str:
        return self._kept.positions.stream

    def note(self, message: Message) -> NewMessage:
        return self._kept.positions.note(message.global_position)

    def has(self, message: Message) -> bool:
        parking, stream = self._kept.parking, message.stream_name
        is_aside = stream in parking or stream in parking.replayed
        return is_aside or message.global_position <= self.position

    def noted(self, message: Message) -> None:
        self.position = message.global_position

    async def catch_up(self) -> None:
        self.version = await self._kept.store.stream_version(self.stream)
        self.position = max(self.position, await self._kept.positions.read() or 0)

    async def move(self, position: int) -> None:
        """Note a position that no message was handled at.

        Raises:
            StoreUnavailable: the store was not reached.
        """
        note = self._kept.positions.note(position)
        try:
            await self._kept.store.append(self.stream, note, expected_version=self.version)
        except Conflict:
            await self.catch_up()
            return
        self.version, self.position = self.version + 1, position


@dataclass(eq=False)
class Resumed:
    """How far a thread has come since it was replayed, in the stream of what is put aside."""

    parking: Parking
    thread: str

    def __post_init__(self) -> None:
        self.version = self.parking.version

    @property
    def stream(self) -> str:
        return self.parking.stream

    def note(self, message: Message) -> NewMessage:
        return self.parking.advanced(self.thread, message.position)

    def has(self, message: Message) -> bool:
        is_done = message.position < self.parking.resumes_at(self.thread)
        return is_done or self.thread in self.parking

    def noted(self, message: Message) -> None:
        """The next reading of that stream tells."""

    async def catch_up(self) -> None:
        await self.parking.catch_up()
        self.version = self.parking.version
