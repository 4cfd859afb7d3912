"""A subscription: what a category holds, handed to a function, on and on."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

from messagedb_agent.clock import SystemClock
from messagedb_agent.consumers.consumption import Consumption
from messagedb_agent.consumers.delivery import Consuming, Kept
from messagedb_agent.consumers.handler import Handler, Handling, refused
from messagedb_agent.consumers.names import Group
from messagedb_agent.consumers.parking import Parking
from messagedb_agent.consumers.patience import Patience
from messagedb_agent.consumers.positions import Keeper, Positions
from messagedb_agent.consumers.post import Post
from messagedb_agent.consumers.run_log import RunLog
from messagedb_agent.consumers.starting import Start, Starting
from messagedb_agent.consumers.watch import watched
from messagedb_agent.errors import ValidationError
from messagedb_agent.ids import TimeOrderedIds
from messagedb_agent.store.audience import Bell
from messagedb_agent.store.hold import Hold
from messagedb_agent.store.member import Member
from messagedb_agent.store.store import Listener, News, Reader
from messagedb_agent.store.stream_name import beside, check_category
from messagedb_agent.store.transactional import Transactional

_LONG_S = 60.0  # that the loop may stand still, where a message may take as long as it likes
_logger = logging.getLogger("messagedb_agent.consumers")


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

    One process runs a subscription of one name, or one member of a group, at a time. Another one
    stands by, and takes over within a second when that ends or dies.

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
            good ends it. With a connection it is the reader.
        concurrency: how many streams at once, where each message comes at least once.
        timeout_s: seconds that one message may take; None for no bound.
        grace_s: seconds that what is under way has to end once it is stopped.
        patience: how often a message is tried, and the pauses between.
        on_blocked: called with a line of text, from another thread, where a handler has kept the
            event loop from running for `timeout_s`, or a minute; None tells the log.
        standby: whether to wait while another process runs by this name; else that is a `Conflict`.

    Raises:
        RefusedName: the category or the name.
        ValidationError: the size, the member, the start or the concurrency.
        ConfigurationError: the handler can be none, or takes a connection that the reader has not,
            or that is not the keeper's.
    """

    reader: Reader
    category: str
    handler: Handler
    name: str = "consumer"
    start: Start = "start"
    size: int | None = None
    member: int = 0
    types: Collection[str] | None = None
    correlation: str | None = None
    keeper: Keeper | None = None
    concurrency: int = 8
    timeout_s: float | None = 60.0
    grace_s: float = 30.0
    patience: Patience = field(default_factory=Patience)
    standby: bool = True
    on_blocked: Callable[[str], object] | None = None

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
        if handling.takes_connection and not isinstance(self.reader, Transactional):
            raise refused("a handler with a connection needs a store that has transactions")
        if handling.takes_connection and self.keeper not in (None, self.reader):
            raise refused("a handler with a connection has its position kept where it writes")
        self._ids = TimeOrderedIds(SystemClock())
        types = None if self.types is None else frozenset(self.types)
        self._consuming = Consuming(
            *(self.reader, handling, self.patience, self._keeps()),
            *(self._member, types, self.correlation),
        )
        self._starting = Starting(
            *(self._consuming, self._group, self.start, self.concurrency, self._ids)
        )
        kept = self._consuming.kept
        post = (kept.store, kept.positions.stream) if kept else (None, "")
        self._post = Post(*post, waits=self.standby)
        self._stopping = asyncio.Event()
        self._consumption = Consumption(self._starting)
        self._done_before = 0  # by runs that have lost the name

    @property
    def position(self) -> int:
        """Global position up to which all is handled; 0 before it has begun."""
        return self._consumption.position

    @property
    def lag(self) -> int:
        """How far that is behind the newest message, in global positions, when last looked at."""
        return self._consumption.lag

    @property
    def done(self) -> int:
        """How many messages were handled."""
        return self._done_before + self._consumption.done

    @property
    def longest_s(self) -> float:
        """How many seconds the message has taken that is under way the longest; 0 for none."""
        return self._consumption.longest_s

    @property
    def parked(self) -> int:
        """How many threads are parked, as far as it was heard."""
        kept = self._consuming.kept
        return len(kept.parking.parked) if kept else 0

    def stop(self) -> None:
        """Begin nothing more; `run` returns once what is under way has ended."""
        self._stopping.set()
        self._consumption.stop()

    async def run(self, *, once: bool = False) -> None:
        """Handle messages until `stop` is called.

        An absent store is waited for, and a message that fails is parked; neither raises. Where
        the handler lacks a table, a column, a right or a module, no message is to blame.

        Args:
            once: return as soon as all is handled, or parked, that there is.

        Raises:
            HandlerFailed: a message failed for good, and there is nowhere to park it.
            ConfigurationError: the name is that of a group of workers, or the handler lacks such a
                thing, however often it was tried; nothing is parked for that.
            Conflict: another process runs by this name, and that is not to be waited for.
        """
        async with self._news() as news:
            while not self._stopping.is_set():
                async with AsyncExitStack() as stack:
                    stack.enter_context(watched(self.timeout_s or _LONG_S, self._tell_blocked))
                    hold = await self._post.taken(stack, self._stopping)
                    if hold is None or await self._has_ended(hold, news, once=once):
                        return

    async def _has_ended(self, hold: Hold, news: News, *, once: bool) -> bool:
        """Handle messages while the name is ours; say whether that was to the end."""
        consumption = self._consumption
        working = asyncio.create_task(consumption.work(news, once=once))
        ends = (asyncio.create_task(self._stopping.wait()), asyncio.create_task(hold.lost.wait()))
        watching = asyncio.create_task(consumption.watch())
        try:
            await asyncio.wait({working, *ends}, return_when=asyncio.FIRST_COMPLETED)
            if not hold.lost.is_set():
                await asyncio.wait(
                    {working, ends[1]}, timeout=self.grace_s, return_when=asyncio.FIRST_COMPLETED
                )
            if working.done():
                working.result()
        finally:
            was_stopped, is_lost = self._stopping.is_set(), hold.lost.is_set()
            consumption.stop()  # a handler that ends just then keeps a cancel from being heard
            await _cancelled(working, *ends, watching)
            grace_s = self.grace_s if was_stopped and not is_lost else 0
            await consumption.end(grace_s, notes=not is_lost)
        if not is_lost or was_stopped:
            self._stopping.set()
            return True
        _logger.warning("another process may consume by this name now; it is taken anew")
        self._done_before += consumption.done
        self._consumption = Consumption(self._starting)
        return False

    def _tell_blocked(self, seconds: float) -> None:
        said = f"a handler has kept the event loop from running for {seconds:.1f} s"
        if self.on_blocked:
            self.on_blocked(said)
        else:
            _logger.error("%s", said)

    def _keeps(self) -> Kept | None:
        store = self.keeper or (self.reader if isinstance(self.reader, Keeper) else None)
        if store is None:
            return None
        name = self._group.identifier(self._member) if self._member else self.name
        positions = Positions(store, self.category, name, self._ids, self.reader)
        parking = Parking(store, self._group, self._ids, of_messages=True)
        runs = RunLog(store, beside(self.category, "run", name), self._ids)
        return Kept(store, positions, parking, runs)

    @asynccontextmanager
    async def _news(self) -> AsyncIterator[News]:
        if isinstance(self.reader, Listener):
            async with self.reader.listen(self.category) as news:
                yield news
        else:
            yield Bell()  # which nobody rings


async def _cancelled(*tasks: "asyncio.Task[None] | asyncio.Task[Literal[True]]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
