"""Delivery exactly once: what a handler writes and how far it has come are one transaction.

Messages are handled one after the other, in global order, many of them in one transaction. Where
one fails, those before it are handled again in a transaction of their own, and then that one.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice

from messagedb_agent.consumers.away import pause_s
from messagedb_agent.consumers.delivery import Consuming, Kept
from messagedb_agent.consumers.handler import bounded
from messagedb_agent.consumers.lacking import lacking, lacks_something
from messagedb_agent.consumers.ledgers import Ledger, Progress, Resumed
from messagedb_agent.consumers.parking import Parked
from messagedb_agent.containing import error_text
from messagedb_agent.errors import (
    Conflict,
    StoreUnavailable,
    TransactionRefused,
    WrongExpectedVersion,
)
from messagedb_agent.store.message import Message
from messagedb_agent.store.transactional import Transaction, Transactional

_MOST_TOGETHER = 1_000  # messages in one transaction
_LONGEST_S = 0.2  # since it was begun, before it takes one more
_logger = logging.getLogger("messagedb_agent.consumers")


class _Refused(Exception):
    """A message is not handled; those before it in its transaction are not, either.

    Args:
        before: how many those are.
        reason: what went wrong.
        is_known: whether it was this message; else it may have been any of them.
        is_lost: whether the connection is gone, which may be the store's doing as well.
    """

    def __init__(
        self, before: int, reason: str, *, is_known: bool = True, is_lost: bool = False
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_lost = is_lost
        self.at_once = before if is_known else before // 2 + before % 2


@dataclass(slots=True)
class _Batch:
    """Messages that are handled in one transaction.

    Attributes:
        messages: the next ones.
        count: how many of them are handled.
        begun_at: when the one under way was begun, by the loop's clock.
    """

    messages: Sequence[Message]
    count: int
    begun_at: float


class ExactlyOnce:
    """A `Delivery` whose handler writes to the database that the messages are in.

    Args:
        consuming: what, and how.
        kept: what it keeps.
        store: begins transactions.
        position: global position up to which all is handled.
    """

    def __init__(
        self, consuming: Consuming, kept: Kept, store: Transactional, position: int
    ) -> None:
        self._consuming = consuming
        self._store = store
        self._parking = kept.parking
        self._progress = Progress(kept, position)
        self._read = self._through = position
        self._queue = deque[Message]()
        self._stopping = asyncio.Event()
        self._batch: _Batch | None = None  # what is handled at this moment
        self.done = 0

    @property
    def position(self) -> int:
        """Global position up to which all is handled."""
        return self._read

    @property
    def under_way(self) -> int:
        """How many messages are in hand."""
        return len(self._queue)

    @property
    def begun_at(self) -> float | None:
        """When what is handled was begun, by the loop's clock; None for nothing."""
        return self._batch.begun_at if self._batch else None

    async def begin(self) -> None:
        """Take up what was left, of threads that were replayed."""
        await self._progress.catch_up()
        await self.look()

    async def take(self, messages: Sequence[Message], through: int) -> None:
        """Handle what was read; see `Delivery.take`."""
        self._queue.extend(message for message in messages if self._consuming.wants(message))
        self._through = max(self._through, through)
        await self._handle_all(self._queue, self._progress)
        if not self._queue:
            self._read = self._through

    async def look(self) -> None:
        """Go on with threads that were replayed, through what was read of them before."""
        await self._consuming.news_of_parking()
        for stream in self._parking.replayed:
            if self._consuming.has(stream) and not self._stopping.is_set():
                await self._go_on(stream)

    async def note(self) -> None:
        """Note how far all is handled, if that has changed."""
        progress = self._progress
        if self._read > progress.position:
            await progress.move(self._read)

    def stop(self) -> None:
        """Begin nothing more."""
        self._stopping.set()

    async def close(self, grace_s: float) -> None:
        """Nothing is under way but what `take` awaits."""

    async def _go_on(self, stream: str) -> None:
        await self.note()  # what is handled here is not to be read again
        ledger = Resumed(self._parking, stream)
        while not self._stopping.is_set():
            queue = await self._missed(stream)
            if not queue:
                self._parking.rests(stream)
                await self._parking.note_rested()
                return
            await self._handle_all(queue, ledger)
            await self._parking.catch_up()
            if stream in self._parking:
                return

    async def _missed(self, stream: str) -> deque[Message]:
        """Return the next messages of a thread that goes on."""
        found = deque[Message]()
        position = self._parking.resumes_at(stream)
        async for message in self._consuming.reader.read(stream, position=position):
            if message.global_position > self._read or len(found) == _MOST_TOGETHER:
                break
            if self._consuming.wants(message):
                found.append(message)
        return found

    async def _handle_all(self, queue: deque[Message], ledger: Ledger) -> None:
        """Handle messages, or put them aside, until none is left or it is stopped."""
        most, tries, away = _MOST_TOGETHER, 0, 0
        while not self._stopping.is_set():
            while queue and ledger.has(queue[0]):
                queue.popleft()
            if not queue:
                return
            try:
                count = await self._together(list(islice(queue, most)), ledger)
            except (Conflict, StoreUnavailable) as error:  # ours may stand all the same
                if away == 0 and isinstance(error, StoreUnavailable):
                    _logger.warning("the store failed, and is tried again: %s", error)
                away = await self._found_out(ledger, away)
            except _Refused as refused:
                if refused.is_lost:  # nobody is to blame where the store is away, or moved on
                    away = await self._found_out(ledger, away)
                    if away or ledger.has(queue[0]):
                        continue
                if refused.at_once:
                    most = refused.at_once
                    continue
                tries += 1
                await self._tried(queue[0], tries, refused)
                if tries >= self._consuming.patience.tries:
                    tries = 0
            else:
                most, tries, away = min(2 * most, _MOST_TOGETHER), 0, 0
                self.done += count
                for _ in range(count):
                    queue.popleft()

    async def _together(self, messages: Sequence[Message], ledger: Ledger) -> int:
        """Handle messages in one transaction; return how many, in the order given."""
        batch = _Batch(messages, 0, asyncio.get_running_loop().time())
        timeout_s = self._consuming.handling.timeout_s
        async with self._store.transaction() as transaction:
            work, self._batch = partial(self._handle, batch, transaction, ledger), batch
            try:
                await bounded(work, timeout_s, lambda: batch.begun_at)
            except StoreUnavailable:
                raise
            except Exception as error:
                reason, is_lost = error_text(error), transaction.is_lost
                raise _Refused(batch.count, reason, is_lost=is_lost) from error
            finally:
                self._batch = None
            count, is_open = batch.count, transaction.is_open
            last = messages[count - 1]
            try:
                if news := await self._locked(transaction, ledger, count):
                    raise WrongExpectedVersion(ledger.stream, ledger.version, news[-1].position)
                await transaction.commit(
                    ledger.stream, ledger.note(last), expected_version=ledger.version
                )
            except TransactionRefused as error:
                raise _Refused(count - 1, str(error), is_known=not is_open) from error
        ledger.version += 1
        ledger.noted(last)
        return count

    async def _locked(
        self, transaction: Transaction, ledger: Ledger, count: int
    ) -> Sequence[Message]:
        """Wait until nobody else notes anything, and read what others have noted."""
        is_lost = transaction.is_lost
        try:
            return await transaction.locked(ledger.stream, ledger.version + 1)
        except StoreUnavailable as error:
            if not transaction.is_lost:
                raise
            # A handler that closes it, or is idle for longer than the server lets it, is to blame.
            raise _Refused(count - 1, str(error), is_known=is_lost, is_lost=True) from error

    async def _handle(self, batch: _Batch, transaction: Transaction, ledger: Ledger) -> None:
        """Handle messages of a batch, the first of them in any case."""
        time, handle = asyncio.get_running_loop().time, self._consuming.handling.run
        ends, task, connection = time() + _LONGEST_S, asyncio.current_task(), transaction.connection
        for message in batch.messages:
            batch.begun_at = time()
            if batch.count and (ledger.has(message) or batch.begun_at > ends):
                return
            await handle(message, connection)
            if task and task.cancelling() and transaction.is_lost:
                return  # its time was up long ago
            batch.count += 1
            is_over = task and task.cancelling()
            if is_over or not transaction.is_open:  # what came next would be committed by itself
                return

    async def _found_out(self, ledger: Ledger, away: int) -> int:
        """Find out what stands, or wait; return how often in a row the store was away."""
        if await self._know_again(ledger):
            return 0
        await self._pause(pause_s(away))
        return away + 1

    async def _know_again(self, ledger: Ledger) -> bool:
        """Find out what stands, behind whatever may still be committed; say whether it is known."""
        try:
            async with self._store.transaction() as transaction:
                await transaction.locked(ledger.stream, ledger.version + 1)
            await ledger.catch_up()
        except StoreUnavailable:
            return False
        return True

    async def _tried(self, message: Message, tries: int, refused: _Refused) -> None:
        """Wait after a failure, or put a thread aside from this message on.

        Raises:
            ConfigurationError: it is not the message's fault, and will be that of others.
        """
        stream, reason = message.stream_name, refused.reason
        if tries == 1:
            _logger.warning(
                "handling it failed, and is tried again: %s", reason, extra={"stream": stream}
            )
        if tries < self._consuming.patience.tries:
            await self._pause(self._consuming.patience.pause_s(tries))
            return
        if refused.__cause__ and lacks_something(refused.__cause__):
            raise lacking(stream, message.position, reason)
        where = (stream, message.position, message.global_position)
        await self._parking.park(Parked(*where, reason, tries))
        _logger.error("parked after %d tries: %s", tries, reason, extra={"stream": stream})

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
