"""A memory store that counts the rows that it gives."""

from collections.abc import AsyncIterator

from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.store.message import Message


class CountingStore(MemoryStore):
    """Counts the rows that it gives.

    Attributes:
        given: how many rows of streams were given so far.
    """

    def __init__(self) -> None:
        super().__init__()
        self.given = 0

    async def read(
        self, stream: str, *, position: int = 0, until: int | None = None
    ) -> AsyncIterator[Message]:
        """Read one stream in order."""
        async for row in super().read(stream, position=position, until=until):
            self.given += 1
            yield row
