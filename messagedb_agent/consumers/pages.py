"""Reading a category page by page, one page ahead of whoever handles them."""

import asyncio
from contextlib import aclosing
from dataclasses import dataclass

from messagedb_agent.consumers.cursor import Cursor
from messagedb_agent.errors import StoreError
from messagedb_agent.store.message import Message
from messagedb_agent.store.store import BATCH_SIZE


@dataclass(frozen=True, slots=True)
class Page:
    """What was read at once.

    Attributes:
        messages: in global order.
        through: global position up to which all was read.
        has_more: whether more may stand behind it.
        error: why there is not more; the next page begins behind the messages.
    """

    messages: list[Message]
    through: int
    has_more: bool
    error: StoreError | None = None


class Pages:
    """The pages of a category. Behind a full one the next is being read already.

    Args:
        cursor: reads.
    """

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self._ahead: asyncio.Task[Page] | None = None

    @property
    def is_ahead(self) -> bool:
        """Whether the next page is being read, or was read already."""
        return self._ahead is not None

    async def next(self) -> Page:
        """Return the next page; one that is cancelled meanwhile is returned the next time."""
        if self._ahead is None:
            self._ahead = asyncio.create_task(self._read())
        page = await asyncio.shield(self._ahead)
        self._ahead = asyncio.create_task(self._read()) if page.has_more else None
        return page

    async def close(self) -> None:
        """Read no more."""
        if self._ahead:
            self._ahead.cancel()
            await asyncio.wait({self._ahead})
            self._ahead = None

    async def _read(self) -> Page:
        messages: list[Message] = []
        try:
            async with aclosing(self._cursor.news()) as news:
                async for message in news:
                    messages.append(message)
                    if len(messages) == BATCH_SIZE:
                        return Page(messages, self._cursor.position, has_more=True)
        except StoreError as error:  # the cursor is past what was read before
            return Page(messages, self._cursor.position, has_more=False, error=error)
        return Page(messages, self._cursor.position, has_more=False)
