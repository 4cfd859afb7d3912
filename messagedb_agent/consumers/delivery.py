"""What both kinds of delivery have in common: at least once, and exactly once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from messagedb_agent.consumers.handler import Handling
from messagedb_agent.consumers.parking import Parking
from messagedb_agent.consumers.patience import Patience
from messagedb_agent.consumers.positions import Keeper, Positions
from messagedb_agent.consumers.run_log import RunLog
from messagedb_agent.store.correlation import correlation_of
from messagedb_agent.store.member import Member
from messagedb_agent.store.message import Message
from messagedb_agent.store.store import Reader


@dataclass(frozen=True, slots=True)
class Kept:
    """What a consumer keeps for itself.

    Attributes:
        store: where.
        positions: how far it has come.
        parking: the threads it has put aside.
        runs: whether the process before this one ended in order.
    """

    store: Keeper
    positions: Positions
    parking: Parking
    runs: RunLog


@dataclass(frozen=True, slots=True)
class Consuming:
    """What is consumed, and how.

    Attributes:
        reader: where the messages are.
        handling: what handles each.
        patience: how long one is tried.
        kept: what is kept for the next time; None for nothing.
        member: whose streams alone; None for all.
        types: types of messages that are handled; None for all.
        correlation: only messages whose `correlationStreamName` is of this category.
    """

    reader: Reader
    handling: Handling
    patience: Patience
    kept: Kept | None
    member: Member | None = None
    types: frozenset[str] | None = None
    correlation: str | None = None

    def wants(self, message: Message) -> bool:
        """Say whether a message of one of its streams is to be handled."""
        if self.types is not None and message.type not in self.types:
            return False
        return self.correlation is None or correlation_of(message) == self.correlation

    def has(self, stream: str) -> bool:
        """Say whether a stream is its own."""
        return self.member is None or self.member.has(stream)

    async def news_of_parking(self) -> Mapping[str, bool]:
        """Return which of its threads were put aside, False, or are to go on, True.

        Raises:
            StoreUnavailable: the store was not reached.
        """
        if self.kept is None:
            return {}
        parking = self.kept.parking
        news = await parking.catch_up()
        return {
            stream: goes_on
            for stream, goes_on in news.items()
            if self.has(stream) and (not goes_on or stream in parking.replayed)
        }


class Delivery(Protocol):
    """Hands messages to a handler."""

    @property
    def position(self) -> int:
        """Global position up to which all is handled."""
        ...

    @property
    def done(self) -> int:
        """How many messages were handled."""
        ...

    @property
    def under_way(self) -> int:
        """How many threads have messages in hand."""
        ...

    @property
    def begun_at(self) -> float | None:
        """When what is handled the longest was begun, by the loop's clock; None for nothing."""
        ...

    async def begin(self) -> None:
        """Take up what was left, of threads that were replayed.

        Raises:
            StoreUnavailable: the store was not reached.
        """
        ...

    async def take(self, messages: Sequence[Message], through: int) -> None:
        """Take what was read; return when there is room for more.

        Args:
            messages: the next ones, in global order.
            through: global position up to which all was read.

        Raises:
            HandlerFailed: a message can be neither handled nor parked.
            ConfigurationError: the handler lacks what each message needs.
            StoreUnavailable: the store was not reached; nothing of it is lost.
        """
        ...

    async def look(self) -> None:
        """Hear what was parked elsewhere, or is to be tried again.

        Raises:
            HandlerFailed, ConfigurationError: as `take`.
            StoreUnavailable: the store was not reached.
        """
        ...

    async def note(self) -> None:
        """Note how far all is handled, if that has changed.

        Raises:
            StoreUnavailable: the store was not reached.
        """
        ...

    def stop(self) -> None:
        """Begin nothing more."""
        ...

    async def close(self, grace_s: float) -> None:
        """Let what is under way end; what takes longer is cancelled."""
        ...
