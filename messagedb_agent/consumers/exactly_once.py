"""Delivery exactly once: what a handler writes and how far it has come are one transaction.

Messages are handled one after the other, in global order, some of them in one transaction. Where
one fails, those of its transaction are handled again, each in its own.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from messagedb_agent.consumers.delivery import Consuming, Kept
from messagedb_agent.consumers.handler import bounded
from messagedb_agent.consumers.parking import Parked, Parking
from messagedb_agent.containing import error_text
from messagedb_agent.errors import (
    Conflict,
    StoreUnavailable,
    TransactionRefused,
    WrongExpectedVersion,
)
from messagedb_agent.store.message import Message, NewMessage
from messagedb_agent.store.transactional import Transactional

_MOST_TOGETHER = 100  # messages in one transaction
_LONGEST_S = 0.2  # since it was begun, before it takes one more
_PAUSES_S = (0.1, 0.2, 0.5, 1.0, 2.0)  # while the store is away; the last one repeats
_logger = logging.getLogger("messagedb_agent.consumers")


class _Refused(Exception):
    """A message is not handled; those before it in its transaction are not, either.

    Args:
        before: how many those are.
        reason: what went wrong.
    """

    def __init__(self, before: int, reason: str) -> None:
        super().__init__(reason)
        self.before = before
        self.reason = reason


class _Ledger(Protocol):
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


class _Progress:
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
class _Resumed:
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
        self._progress = _Progress(kept, position)
        self._read = self._through = position
        self._queue = deque[Message]()
        self._stopping = asyncio.Event()
        self.done = 0

    @property
    def position(self) -> int:
        """Global position up to which all is handled."""
        return self._read

    @property
    def under_way(self) -> int:
        """How many messages are in hand."""
        return len(self._queue)

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
        ledger = _Resumed(self._parking, stream)
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

    async def _handle_all(self, queue: deque[Message], ledger: _Ledger) -> None:
        """Handle messages, or put them aside, until none is left or it is stopped."""
        alone = tries = away = 0
        while not self._stopping.is_set():
            while queue and ledger.has(queue[0]):
                queue.popleft()
            if not queue:
                return
            some = list(queue)[: 1 if alone else _MOST_TOGETHER]
            try:
                count = await self._together(some, ledger)
            except (Conflict, StoreUnavailable) as error:  # ours may stand all the same
                if away == 0 and isinstance(error, StoreUnavailable):
                    _logger.warning("the store failed, and is tried again: %s", error)
                if await self._know_again(ledger):
                    away = 0
                else:
                    await self._pause(_PAUSES_S[min(away, len(_PAUSES_S) - 1)])
                    away += 1
            except _Refused as refused:
                if refused.before:
                    alone = refused.before + 1
                    continue
                tries += 1
                await self._tried(queue[0], tries, refused.reason)
                if tries >= self._consuming.patience.tries:
                    tries, alone = 0, max(0, alone - 1)
            else:
                alone, tries, away = max(0, alone - count), 0, 0
                self.done += count
                for _ in range(count):
                    queue.popleft()

    async def _together(self, messages: Sequence[Message], ledger: _Ledger) -> int:
        """Handle messages in one transaction; return how many, in the order given."""
        loop = asyncio.get_running_loop()
        begun_at, handling, count = loop.time(), self._consuming.handling, 0
        async with self._store.transaction() as transaction:
            for message in messages:
                if count and (ledger.has(message) or loop.time() - begun_at > _LONGEST_S):
                    break
                try:
                    await bounded(
                        partial(handling, message, transaction.connection), handling.timeout_s
                    )
                except StoreUnavailable:
                    raise
                except Exception as error:
                    if transaction.is_lost:
                        raise StoreUnavailable("the connection of a handler is lost") from error
                    raise _Refused(count, error_text(error)) from error
                count += 1
                if not transaction.is_open:  # what came next would be committed by itself
                    break
            last = messages[count - 1]
            try:
                if news := await transaction.locked(ledger.stream, ledger.version + 1):
                    raise WrongExpectedVersion(ledger.stream, ledger.version, news[-1].position)
                await transaction.commit(
                    ledger.stream, ledger.note(last), expected_version=ledger.version
                )
            except TransactionRefused as error:
                raise _Refused(count - 1, str(error)) from error
        ledger.version += 1
        ledger.noted(last)
        return count

    async def _know_again(self, ledger: _Ledger) -> bool:
        """Find out what stands, behind whatever may still be committed; say whether it is known."""
        try:
            async with self._store.transaction() as transaction:
                await transaction.locked(ledger.stream, ledger.version + 1)
            await ledger.catch_up()
        except StoreUnavailable:
            return False
        return True

    async def _tried(self, message: Message, tries: int, reason: str) -> None:
        """Wait after a failure, or put a thread aside from this message on."""
        stream = message.stream_name
        if tries == 1:
            _logger.warning(
                "handling it failed, and is tried again: %s", reason, extra={"stream": stream}
            )
        if tries < self._consuming.patience.tries:
            await self._pause(self._consuming.patience.pause_s(tries))
            return
        where = (stream, message.position, message.global_position)
        await self._parking.park(Parked(*where, reason, tries))
        _logger.error("parked after %d tries: %s", tries, reason, extra={"stream": stream})

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
