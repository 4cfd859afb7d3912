"""Delivery at least once: many threads at a time, the messages of each in order."""

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from messagedb_agent.agents.turns import Attended
from messagedb_agent.consumers.attendance import Attendance
from messagedb_agent.consumers.backlog import Backlog
from messagedb_agent.consumers.delivery import Consuming
from messagedb_agent.consumers.handler import bounded
from messagedb_agent.consumers.parking import Parked
from messagedb_agent.errors import HandlerFailed
from messagedb_agent.store.message import Message

_MOST_IN_HAND = 250  # messages of one thread; those behind them are read once more when it is time
_MOST_IN_A_ROW = 100  # messages of one thread, before another one has its turn
_MOST_LANES = 1_000  # threads with messages in hand; no more is read then
_ROOM_S = 0.1


@dataclass(slots=True, eq=False)
class _Lane:
    """The messages of one thread that are to be handled, in order.

    Attributes:
        queue: the next ones.
        again: position from which on more of them are to be read; None where there are no more.
        through: global position of the last of those.
        is_replayed: whether the thread was put aside, and goes on.
        version: position of the last message that was handled.
        turn: number of the turn that handles; one that was left behind has an older one.
        begun_at: when the message under way was begun, by the loop's clock.
        error: what the message that is the next one has raised.
    """

    queue: deque[Message] = field(default_factory=deque)
    again: int | None = None
    through: int = 0
    is_replayed: bool = False
    version: int = -1
    turn: int = 0
    begun_at: float = 0.0
    error: Exception | None = None

    def add(self, message: Message) -> None:
        """Take a message; where there are many, take note only of where it stands."""
        if self.again is None and len(self.queue) < _MOST_IN_HAND:
            self.queue.append(message)
            return
        if self.again is None:
            self.again = message.position
        self.through = message.global_position

    @property
    def is_empty(self) -> bool:
        return not self.queue and self.again is None


class AtLeastOnce:
    """A `Delivery` that handles each message, and some of them again after a restart.

    Args:
        consuming: what, and how.
        start: global position of the first message that is read.
        concurrency: how many threads at once.
    """

    def __init__(self, consuming: Consuming, start: int, concurrency: int) -> None:
        self._consuming = consuming
        self._backlog = Backlog(start - 1)
        self._noted = start
        self._read = start - 1
        self._lanes: dict[str, _Lane] = {}
        self._attendance = Attendance(self._see, concurrency, consuming.patience)
        self._room = asyncio.Event()
        self._failure: HandlerFailed | None = None
        self.done = 0

    @property
    def position(self) -> int:
        """Global position up to which all is handled."""
        return self._backlog.position

    @property
    def under_way(self) -> int:
        """How many threads have messages in hand."""
        return len(self._lanes)

    async def begin(self) -> None:
        """Take up what was left, of threads that were replayed."""
        await self.look()

    async def take(self, messages: Sequence[Message], through: int) -> None:
        """Take what was read; return when there is room for more; see `Delivery.take`."""
        self._read = max(self._read, through)
        kept = self._consuming.kept
        for message in messages:
            stream = message.stream_name
            if not self._consuming.wants(message) or (kept and stream in kept.parking):
                self._backlog.passed(message.global_position)
            elif self._backlog.read(stream, message.position, message.global_position):
                self._lane(stream).add(message)
                self._attendance.offer(stream, self)
        self._backlog.passed(through)
        await self._wait_for_room()

    async def look(self) -> None:
        """Hear what was parked elsewhere, or is to be tried again."""
        self._check()
        for stream, goes_on in (await self._consuming.news_of_parking()).items():
            if goes_on:
                self._go_on(stream)
            elif self._lanes.pop(stream, None):
                self._attendance.forget(stream)
                self._backlog.dropped(stream)

    async def note(self) -> None:
        """Note how far all is handled, if that has changed."""
        if kept := self._consuming.kept:
            if (position := self.position) > self._noted:
                await kept.positions.record(position)
                self._noted = position
            await kept.parking.note_rested()

    def stop(self) -> None:
        """Begin nothing more."""
        self._room.set()

    async def close(self, grace_s: float) -> None:
        """Let what is under way end; what takes longer is cancelled."""
        await self._attendance.close(grace_s)

    def handled(self, stream: str, version: int) -> bool:
        """Note that a thread's messages are handled up to a position; say whether those are all."""
        lane = self._lanes.get(stream)
        if lane is None:
            return True
        self._backlog.handled(stream, version)
        if not lane.is_empty or lane.error:
            return False
        del self._lanes[stream]
        if lane.is_replayed and self._consuming.kept:
            self._consuming.kept.parking.rests(stream)
        self._room.set()
        return True

    async def park(self, stream: str, reason: str, tries: int) -> None:
        """Put a thread aside from its next message on."""
        lane = self._lanes.get(stream)
        if lane is None or not lane.queue:
            return
        message = lane.queue[0]
        if self._consuming.kept is None:
            self._failure = HandlerFailed(stream, message.position, reason)
            return
        where = (stream, message.position, message.global_position)
        await self._consuming.kept.parking.park(Parked(*where, reason, tries))
        self._lanes.pop(stream, None)
        self._backlog.dropped(stream)
        self._room.set()

    def _lane(self, stream: str) -> _Lane:
        return self._lanes.setdefault(stream, _Lane())

    def _go_on(self, stream: str) -> None:
        """Handle what a thread that was put aside has missed, before what is new of it."""
        kept = self._consuming.kept
        if kept is None or not self._consuming.has(stream) or stream in kept.parking:
            return
        lane = self._lane(stream)
        lane.queue.clear()
        lane.is_replayed = True
        lane.again, lane.through = kept.parking.resumes_at(stream), max(lane.through, self._read)
        self._attendance.offer(stream, self)

    async def _wait_for_room(self) -> None:
        self._room.clear()
        if len(self._lanes) >= _MOST_LANES:
            with suppress(TimeoutError):
                async with asyncio.timeout(_ROOM_S):
                    await self._room.wait()
        self._check()

    def _check(self) -> None:
        if self._failure:
            raise self._failure

    async def _see(self, stream: str) -> Attended:
        """Handle the next messages of a thread, up to the first that fails."""
        lane = self._lanes.get(stream)
        if lane is None:  # it was put aside elsewhere
            return Attended(-1, rests=True)
        if error := lane.error:  # it was raised behind others, which were handled
            lane.error = None
            raise error
        lane.turn += 1
        lane.begun_at = asyncio.get_running_loop().time()
        before, timeout_s = lane.version, self._consuming.handling.timeout_s
        try:
            await bounded(lambda: self._handle(stream, lane), timeout_s, lambda: lane.begun_at)
        except Exception as error:
            lane.turn += 1  # whatever was left behind counts no more
            if lane.version == before:
                raise
            lane.error = error
        return Attended(lane.version, rests=True)

    async def _handle(self, stream: str, lane: _Lane) -> None:
        turn, loop, handling = lane.turn, asyncio.get_running_loop(), self._consuming.handling
        if not lane.queue:
            await self._refill(stream, lane)
        for _ in range(min(len(lane.queue), _MOST_IN_A_ROW)):
            message = lane.queue[0]
            lane.begun_at = loop.time()
            await handling(message)
            if lane.turn != turn:  # its time was up long ago
                return
            lane.queue.popleft()
            lane.version = message.position
            self.done += 1

    async def _refill(self, stream: str, lane: _Lane) -> None:
        """Read more of a thread, as far as it was read before."""
        if lane.again is None:
            return
        next_one, through, is_cut = lane.again, lane.through, False
        async for message in self._consuming.reader.read(stream, position=lane.again):
            is_cut = len(lane.queue) == _MOST_IN_HAND
            if is_cut or message.global_position > through:
                break
            next_one = message.position + 1
            if self._consuming.wants(message):
                lane.queue.append(message)
        has_grown = lane.through > through  # while this was read
        lane.again = next_one if is_cut or has_grown else None
