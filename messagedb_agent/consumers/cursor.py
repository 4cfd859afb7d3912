"""Reading a category in global order, on and on."""

from collections.abc import AsyncGenerator

from messagedb_agent.store.member import Member
from messagedb_agent.store.message import Message
from messagedb_agent.store.store import Reader


class Cursor:
    """Reads the messages of a category in global order, each once, from a position on.

    Args:
        reader: where the messages are kept.
        category: such as `agent:v0`.
        start: global position of the first message to read, from 1; what a consumer has noted as
            its position is read again.
        member: only the streams of this member of a consumer group.
        correlation: only messages whose `correlationStreamName` is of this category.
        longest: most characters of data, and of metadata, that are fetched; what is longer comes
            as None. None fetches all.

    Attributes:
        position: global position of the last message that was given out; that before the first
            where there was none yet.
    """

    def __init__(
        self,
        reader: Reader,
        category: str,
        *,
        start: int = 1,
        member: Member | None = None,
        correlation: str | None = None,
        longest: int | None = None,
    ) -> None:
        self.position = start - 1
        self._reader = reader
        self._category = category
        self._member = member
        self._correlation = correlation
        self._longest = longest

    async def news(self) -> AsyncGenerator[Message, None]:
        """Yield what is new, up to the newest message there is now.

        Who stops in between goes on there the next time.

        Raises:
            RefusedName: the category, or that of the correlation, holds an id.
            StoreUnavailable: the store was not reached; the next time goes on where this stopped.
        """
        async for message in self._reader.read_category(
            self._category,
            global_position=self.position + 1,
            correlation=self._correlation,
            member=self._member,
            longest=self._longest,
        ):
            self.position = message.global_position
            yield message

    def passed(self, global_position: int) -> None:
        """Take note that there is nothing to read up to a global position."""
        self.position = max(self.position, global_position)
