"""One run of a subscription: reading on, handing on, noting how far that has come."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress

from messagedb_agent.consumers.away import pause_s
from messagedb_agent.consumers.cursor import Cursor
from messagedb_agent.consumers.delivery import Delivery
from messagedb_agent.consumers.newest import newest_position
from messagedb_agent.consumers.pages import Page, Pages
from messagedb_agent.consumers.starting import Starting
from messagedb_agent.consumers.wary import Wary
from messagedb_agent.errors import StoreError
from messagedb_agent.store.message import Message
from messagedb_agent.store.store import Directory, News

_logger = logging.getLogger("messagedb_agent.consumers")

_IDLE_S = 0.1  # between two reads that brought nothing: news may come that nobody tells of
_LOOK_S = 0.5  # between two looks at what is parked
_NOTE_S = 1.0  # between two notes of the position
_REPORT_S = 30.0
_LONG_S = 60.0  # that a message is handled without a bound, until the log is told
_ENDS_S = 3.0  # how long the store has, at the end, to note the position
_LONG_AGO = -1e9


class Consumption:
    """Reads a category and has its messages handled, from where that stood the last time.

    Args:
        starting: what, how, and from where.
    """

    def __init__(self, starting: Starting) -> None:
        self._starting = starting
        self._reader = starting.consuming.reader
        self._category = starting.group.category
        self._delivery: Delivery | None = None
        self._is_stopping = False
        kept, is_stopping = starting.consuming.kept, lambda: self._is_stopping
        self._wary = Wary(starting.consuming, kept, self._category, is_stopping) if kept else None
        self._held: Page | None = None  # what could not all be handed on
        self._has_begun = False
        self._newest = 0
        self._looked_at = self._noted_at = _LONG_AGO

    @property
    def position(self) -> int:
        """Global position up to which all is handled; 0 before it has begun."""
        return self._delivery.position if self._delivery else 0

    @property
    def lag(self) -> int:
        """How far that is behind the newest message, in global positions, when last looked at."""
        return max(0, self._newest - self.position) if self._delivery else 0

    @property
    def done(self) -> int:
        """How many messages were handled."""
        return self._delivery.done if self._delivery else 0

    @property
    def longest_s(self) -> float:
        """How many seconds the message has taken that is under way the longest; 0 for none."""
        begun_at = self._delivery.begun_at if self._delivery else None
        return 0.0 if begun_at is None else asyncio.get_running_loop().time() - begun_at

    @property
    def _is_wary(self) -> bool:
        return self._wary is not None and self._wary.is_on

    def stop(self) -> None:
        """Begin nothing more."""
        self._is_stopping = True
        if self._delivery:
            self._delivery.stop()

    async def work(self, news: News, *, once: bool) -> None:
        """Read on and hand on; waits for a store that is away.

        Args:
            news: heard of in the category.
            once: return as soon as all is handled, or parked, that there is.

        Raises:
            HandlerFailed: a message failed for good, and there is nowhere to park it.
            ConfigurationError: the name is that of a group of workers, or the handler lacks what
                each message needs.
        """
        failures = 0
        try:
            while not self._is_stopping:
                try:
                    if self._delivery is None:
                        self._cursor, self._delivery = await self._starting.begin()
                        self._pages = Pages(self._cursor)
                    if not self._has_begun:
                        await self._begin(self._delivery)
                        self._has_begun = True
                    has_more = await self._round(self._cursor, self._delivery)
                    failures = 0
                except StoreError as error:
                    if not failures:
                        _logger.warning("the store failed, and is tried again: %s", error)
                    await asyncio.sleep(pause_s(failures))
                    failures += 1
                    continue
                if once and not has_more and not self._delivery.under_way:
                    return
                if not has_more:
                    await news.wait(0.005 if once else _IDLE_S)
        finally:
            if self._delivery:
                await self._pages.close()

    async def watch(self) -> None:
        """Tell the log how it goes, and of a message that takes long, for ever."""
        loop, told_at, told_of = asyncio.get_running_loop(), _LONG_AGO, None
        while True:
            if self._delivery and loop.time() - told_at >= _REPORT_S:
                told_at = loop.time()
                self._report(self._delivery, "consuming")
            if self._delivery and self.longest_s > _LONG_S and self._delivery.begun_at != told_of:
                told_of = self._delivery.begun_at
                _logger.warning("a message is handled for more than %g s", _LONG_S)
            await asyncio.sleep(min(_NOTE_S, _LONG_S))

    async def end(self, grace_s: float, *, notes: bool = True) -> None:
        """Let what is under way end, and note how far all is handled.

        Args:
            grace_s: seconds that it has.
            notes: whether to note that; not where another process may have noted more.
        """
        if self._delivery is None:
            return
        await self._delivery.close(grace_s)
        if notes:
            with suppress(StoreError, TimeoutError):
                async with asyncio.timeout(_ENDS_S):
                    await self._delivery.note()
                    if self._wary:
                        await self._wary.end()
        self._report(self._delivery, "stopped")

    async def _begin(self, delivery: Delivery) -> None:
        if self._wary:
            await self._wary.begin(delivery)
        else:
            await delivery.begin()

    async def _take(
        self, delivery: Delivery, messages: Sequence[Message], through: int, *, is_end: bool
    ) -> None:
        """Hand on what was read."""
        if self._wary and self._is_wary:
            await self._wary.take(delivery, messages, through, is_end=is_end)
        else:
            await delivery.take(messages, through)

    async def _round(self, cursor: Cursor, delivery: Delivery) -> bool:
        """Do what is due; say whether there is more to read at once."""
        now = asyncio.get_running_loop().time()
        if now - self._looked_at >= _LOOK_S and not self._is_wary:
            self._looked_at = now
            await delivery.look()
            await self._look_ahead()
        has_more = await self._read_on(cursor, delivery)
        if now - self._noted_at >= _NOTE_S:
            self._noted_at = now
            await delivery.note()
        return has_more

    async def _read_on(self, cursor: Cursor, delivery: Delivery) -> bool:
        """Read what is new, and hand it on; say whether there is more."""
        newest, is_wary, held = 0, self._is_wary, self._held
        if not self._pages.is_ahead and not held:  # else there is something to read in any case
            newest = await self._look_ahead()
        if newest and newest <= cursor.position:
            if delivery.under_way or cursor.position > delivery.position or is_wary:
                await self._take(delivery, (), cursor.position, is_end=True)
            return False
        page = held or await self._pages.next()
        if is_wary:
            self._held = page  # the store may fail before all of it is handed on
        through, is_end = page.through, not (page.has_more or page.error)
        if is_end:
            through = max(through, newest)
            cursor.passed(newest)
        self._newest = max(self._newest, through)
        if page.messages or delivery.under_way or through > delivery.position or is_wary:
            await self._take(delivery, page.messages, through, is_end=is_end)
        self._held = None
        if page.error:
            raise page.error
        return page.has_more

    async def _look_ahead(self) -> int:
        """Return the newest global position; 0 where only reading to the end tells."""
        if not isinstance(self._reader, Directory):
            return 0
        newest = await newest_position(self._reader, self._category)
        self._newest = max(self._newest, newest)
        return newest

    def _report(self, delivery: Delivery, what: str) -> None:
        kept = self._starting.consuming.kept
        _logger.info(
            "%s",
            what,
            extra={
                "category": self._category,
                "done": self.done,
                "under_way": delivery.under_way,
                "parked": len(kept.parking.parked) if kept else 0,
                "position": self.position,
                "lag": self.lag,
                "longest_s": round(self.longest_s, 1),
            },
        )
