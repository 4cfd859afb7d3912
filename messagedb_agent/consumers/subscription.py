"""A subscription: what a category holds, handed to a function, on and on."""

import asyncio
import logging
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal

from messagedb_agent.clock import SystemClock
from messagedb_agent.consumers.at_least_once import AtLeastOnce
from messagedb_agent.consumers.cursor import Cursor
from messagedb_agent.consumers.delivery import Consuming, Delivery, Kept
from messagedb_agent.consumers.exactly_once import ExactlyOnce
from messagedb_agent.consumers.handler import Handler, Handling, refused
from messagedb_agent.consumers.names import Group, beside
from messagedb_agent.consumers.newest import newest_position
from messagedb_agent.consumers.parking import Parking
from messagedb_agent.consumers.patience import Patience
from messagedb_agent.consumers.positions import Keeper, Positions, PositionStore, starts_of
from messagedb_agent.errors import ConfigurationError, StoreError, ValidationError
from messagedb_agent.ids import TimeOrderedIds
from messagedb_agent.store.audience import Bell
from messagedb_agent.store.member import Member
from messagedb_agent.store.message import Message
from messagedb_agent.store.store import Directory, Listener, News, Reader
from messagedb_agent.store.stream_name import check_category
from messagedb_agent.store.transactional import Transactional

_logger = logging.getLogger("messagedb_agent.consumers")

_IDLE_S = 0.1  # between two reads that brought nothing: news may come that nobody tells of
_LOOK_S = 0.5  # between two looks at what is parked
_NOTE_S = 1.0  # between two notes of the position
_REPORT_S = 30.0
_MOST_READ = 1_000
_PAUSES_S = (0.1, 0.2, 0.5, 1.0, 2.0)  # while the store is away; the last one repeats
_ENDS_S = 3.0  # how long the store has, at the end, to note the position
_LONG_AGO = -1e9


@dataclass(eq=False)
class Subscription:
    """Hands the messages of a category to a function, from where it stood the last time.

    The messages of one stream come in order, one at a time. A handler that takes a message alone
    is given each at least once, several streams at the same time. One that takes a message and a
    connection is given each exactly once: what it writes there and the position are one
    transaction; its messages come in global order, one at a time.

    A message whose handling raises, or takes too long, is tried again; after `patience.tries` its
    thread is parked from that message on, with the reason, and the others go on. Replayed, the
    thread goes on with that message; dropped, with the one behind it.

    One process runs a subscription of one name, or one member of a group, at a time.

    Attributes:
        reader: where the messages are.
        category: such as `agent:v0`, or any other.
        handler: a function of a message, or a coroutine function of a message and a connection.
        name: names what is kept: ASCII letters and digits, and no other consumer's name.
        start: where it starts the first time: at the beginning, behind the newest message, or at
            a global position.
        size: how many members share the streams; None for no group.
        member: which of them this is, from 0.
        types: types of messages that are handled; None for all.
        correlation: only messages whose `correlationStreamName` is of this category.
        keeper: where position and parked threads are kept; the reader itself where it can write.
            Without any nothing is kept: each run begins at `start`, and a message that fails for
            good ends it.
        concurrency: how many streams at once, where each message comes at least once.
        timeout_s: seconds that one message may take; None for no bound.
        grace_s: seconds that what is under way has to end once it is stopped.
        patience: how often a message is tried, and the pauses between.

    Raises:
        RefusedName: the category or the name.
        ValidationError: the size, the member, the start or the concurrency.
        ConfigurationError: the handler can be none, or takes a connection that the reader has not.
    """

    reader: Reader
    category: str
    handler: Handler
    name: str = "consumer"
    start: Literal["start", "now"] | int = "start"
    size: int | None = None
    member: int = 0
    types: Collection[str] | None = None
    correlation: str | None = None
    keeper: Keeper | None = None
    concurrency: int = 8
    timeout_s: float | None = 60.0
    grace_s: float = 30.0
    patience: Patience = field(default_factory=Patience)

    def __post_init__(self) -> None:
        check_category(self.category)
        if self.correlation is not None:
            check_category(self.correlation, "correlation")
        if self.concurrency < 1:
            raise ValidationError("at least one stream at once", field="concurrency")
        if isinstance(self.start, int) and self.start < 1:
            raise ValidationError("global positions begin at 1", field="start")
        if not isinstance(self.start, int) and self.start not in ("start", "now"):
            raise ValidationError("`start`, `now` or a global position", field="start")
        self._group = Group(self.category, self.name)
        self._member = None if self.size is None else Member(self.member, self.size)
        handling = Handling.of(self.handler, self.timeout_s)
        self._transactional = self.reader if isinstance(self.reader, Transactional) else None
        if handling.takes_connection and self._transactional is None:
            raise refused("a handler with a connection needs a store that has transactions")
        self._ids = TimeOrderedIds(SystemClock())
        self._consuming = Consuming(
            self.reader,
            handling,
            self.patience,
            self._keeps(),
            self._member,
            None if self.types is None else frozenset(self.types),
            self.correlation,
        )
        self._stopping = asyncio.Event()
        self._delivery: Delivery | None = None
        self._newest = 0
        self._looked_at = self._noted_at = self._told_at = _LONG_AGO

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
    def parked(self) -> int:
        """How many threads are parked, as far as it was heard."""
        kept = self._consuming.kept
        return len(kept.parking.parked) if kept else 0

    def stop(self) -> None:
        """Begin nothing more; `run` returns once what is under way has ended."""
        self._stopping.set()
        if self._delivery:
            self._delivery.stop()

    async def run(self, *, once: bool = False) -> None:
        """Handle messages until `stop` is called.

        An absent store is waited for, and a message that fails is parked; neither raises.

        Args:
            once: return as soon as all is handled, or parked, that there is.

        Raises:
            HandlerFailed: a message failed for good, and there is nowhere to park it.
            ConfigurationError: the name is that of a group of workers.
        """
        async with self._news() as news:
            working = asyncio.create_task(self._work(news, once=once))
            stopping = asyncio.create_task(self._stopping.wait())
            try:
                await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
                await asyncio.wait({working}, timeout=self.grace_s)
                if working.done():
                    working.result()
            finally:
                was_stopped = self._stopping.is_set()
                self.stop()  # a handler that ends just then keeps a cancel from being heard
                await _cancelled(working, stopping)
                await self._end(self.grace_s if was_stopped else 0)

    async def _end(self, grace_s: float) -> None:
        if self._delivery is None:
            return
        await self._delivery.close(grace_s)
        with suppress(StoreError, TimeoutError):
            async with asyncio.timeout(_ENDS_S):
                await self._delivery.note()
        self._report("stopped")

    async def _work(self, news: News, *, once: bool) -> None:
        failures = 0
        while not self._stopping.is_set():
            try:
                if self._delivery is None:
                    self._cursor, self._delivery = await self._begin()
                    await self._delivery.begin()
                has_more = await self._round(self._cursor, self._delivery)
                failures = 0
            except StoreError as error:
                if not failures:
                    _logger.warning("the store failed, and is tried again: %s", error)
                await asyncio.sleep(_PAUSES_S[min(failures, len(_PAUSES_S) - 1)])
                failures += 1
                continue
            if once and not has_more and not self._delivery.under_way:
                return
            if not has_more:
                await news.wait(0.005 if once else _IDLE_S)

    async def _round(self, cursor: Cursor, delivery: Delivery) -> bool:
        """Do what is due; say whether there is more to read at once."""
        now = asyncio.get_running_loop().time()
        if now - self._looked_at >= _LOOK_S:
            self._looked_at = now
            await delivery.look()
        has_more = await self._read_on(cursor, delivery)
        if now - self._noted_at >= _NOTE_S:
            self._noted_at = now
            await delivery.note()
        if now - self._told_at >= _REPORT_S:
            self._told_at = now
            self._report("consuming")
        return has_more

    async def _read_on(self, cursor: Cursor, delivery: Delivery) -> bool:
        """Read what is new, and hand it on; say whether there is more."""
        newest = 0
        if isinstance(self.reader, Directory):  # else reading to the end tells
            newest = await newest_position(self.reader, self.category)
        read: list[Message] = []
        try:
            if not newest or newest > cursor.position:
                async for message in cursor.news():
                    read.append(message)
                    if len(read) == _MOST_READ:
                        break
        except StoreError:  # the cursor is past what was read before
            await delivery.take(read, cursor.position)
            raise
        has_more = len(read) == _MOST_READ
        if not has_more:
            cursor.passed(newest)
        self._newest = max(self._newest, newest, cursor.position)
        if read or delivery.under_way or cursor.position > delivery.position:
            await delivery.take(read, cursor.position)
        return has_more

    async def _begin(self) -> tuple[Cursor, Delivery]:
        """Find out where to start."""
        consuming, kept = self._consuming, self._consuming.kept
        noted = await self._noted(kept) if kept else None
        position = await self._first(kept) if noted is None else noted
        start = position + 1
        if self._consuming.handling.takes_connection and self._transactional and kept:
            delivery: Delivery = ExactlyOnce(consuming, kept, self._transactional, position)
        else:
            if noted is not None:  # at the position, as Message DB's other clients do
                start = max(1, noted)
            delivery = AtLeastOnce(consuming, start, self.concurrency)
        cursor = Cursor(
            self.reader,
            self.category,
            start=start,
            member=self._member,
            correlation=self.correlation,
        )
        _logger.info("consuming", extra={"category": self.category, "from": start})
        return cursor, delivery

    async def _noted(self, kept: Kept) -> int | None:
        """Return the position that was noted, by whatever client; None where there is none."""
        if isinstance(kept.store, Directory):
            slots = beside(self.category, "slot", f"{self.name}-")
            if await kept.store.streams_with_prefix(slots, limit=1):
                raise ConfigurationError(
                    f"{self.name!r} is a group of workers; a consumer has a name of its own",
                    field="group",
                )
        position = await kept.positions.read()
        if position is None and self._member and isinstance(kept.store, PositionStore):
            starts = await starts_of(kept.store, self._group, [self._member], self._ids)
            position = starts[self._member] or None
        return position

    async def _first(self, kept: Kept | None) -> int:
        """Return the global position behind which it starts the first time."""
        if self.start == "now":
            newest = await newest_position(self.reader, self.category)
            if kept and newest:  # whoever starts it again misses nothing in between
                await kept.positions.record(newest)
            return newest
        return 0 if self.start == "start" else self.start - 1

    def _keeps(self) -> Kept | None:
        store = self.keeper or (self.reader if isinstance(self.reader, Keeper) else None)
        if store is None:
            return None
        name = self._group.identifier(self._member) if self._member else self.name
        positions = Positions(store, self.category, name, self._ids)
        return Kept(store, positions, Parking(store, self._group, self._ids, of_messages=True))

    @asynccontextmanager
    async def _news(self) -> AsyncIterator[News]:
        if isinstance(self.reader, Listener):
            async with self.reader.listen(self.category) as news:
                yield news
        else:
            yield Bell()  # which nobody rings

    def _report(self, what: str) -> None:
        delivery = self._delivery
        _logger.info(
            "%s",
            what,
            extra={
                "category": self.category,
                "done": self.done,
                "under_way": delivery.under_way if delivery else 0,
                "parked": self.parked,
                "position": self.position,
                "lag": self.lag,
            },
        )


async def _cancelled(*tasks: "asyncio.Task[None] | asyncio.Task[Literal[True]]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
