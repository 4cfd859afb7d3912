"""Delivery at least once: many threads at a time, the messages of each in order.

Threads that have messages wait for their turn in one line. A few tasks take them from there, one
thread after the other, and many of them in a row: a task for each thread would cost more than most
handlers do. A thread whose message fails leaves the line; `Attendance` tries it again, and parks
it.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from messagedb_agent.agents.attending import Attended
from messagedb_agent.consumers.attendance import ENDS_S, Attendance
from messagedb_agent.consumers.backlog import Backlog
from messagedb_agent.consumers.delivery import Consuming
from messagedb_agent.consumers.handler import bounded, told_apart
from messagedb_agent.consumers.lacking import lacking, lacks_something
from messagedb_agent.consumers.lanes import Lane, Lanes, Turn
from messagedb_agent.consumers.parking import Parked
from messagedb_agent.errors import HandlerFailed
from messagedb_agent.store.message import Message

_MOST_IN_A_ROW = 100  # messages of one thread, before another one has its turn
_MOST_LANES = 1_000  # threads with messages in hand; no more is read then
_ROOM_S = 0.1
_LONGEST_S = 0.02  # that one task takes threads from the line, until others have their turn


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
        self._lanes = Lanes()
        self._ready: deque[Lane] = deque()
        self._running: set[asyncio.Task[None]] = set()
        self._concurrency = concurrency
        self._slots = asyncio.Semaphore(concurrency)  # also of those that are tried again
        self._attendance = Attendance(self._see, concurrency, consuming.patience)
        self._room = asyncio.Event()
        self._is_stopping = False
        self._failure: BaseException | None = None
        self.done = 0

    @property
    def position(self) -> int:
        """Global position up to which all is handled."""
        return self._backlog.position

    @property
    def under_way(self) -> int:
        """How many threads have messages in hand."""
        return len(self._lanes)

    @property
    def begun_at(self) -> float | None:
        """When what is handled the longest was begun, by the loop's clock; None for nothing."""
        return self._lanes.begun_at

    async def begin(self) -> None:
        """Take up what was left, of threads that were replayed."""
        await self.look()

    async def take(self, messages: Sequence[Message], through: int) -> None:
        """Take what was read; return when there is room for more; see `Delivery.take`."""
        self._read = max(self._read, through)
        kept, backlog, wants = self._consuming.kept, self._backlog, self._consuming.wants
        for message in messages:
            stream = message.stream_name
            if not wants(message) or (kept and stream in kept.parking):
                backlog.passed(message.global_position)
            elif backlog.read(stream, message.position, message.global_position):
                lane = self._lanes[stream]
                lane.add(message)
                self._offer(lane)
        backlog.passed(through)
        self._begin()
        await self._wait_for_room()

    async def look(self) -> None:
        """Hear what was parked elsewhere, or is to be tried again."""
        self._check()
        for stream, goes_on in (await self._consuming.news_of_parking()).items():
            if goes_on:
                self._go_on(stream)
            elif self._drop(stream):
                self._attendance.forget(stream)
        self._begin()

    async def note(self) -> None:
        """Note how far all is handled, if that has changed."""
        if kept := self._consuming.kept:
            if (position := self.position) > self._noted:
                await kept.positions.record(position)
                self._noted = position
            await kept.parking.note_rested()

    def stop(self) -> None:
        """Begin nothing more."""
        self._is_stopping = True
        self._room.set()

    async def close(self, grace_s: float) -> None:
        """Let what is under way end; what takes longer is cancelled."""
        self._is_stopping = True
        await asyncio.gather(self._attendance.close(grace_s), self._end(grace_s))

    async def _end(self, grace_s: float) -> None:
        if self._running:
            await asyncio.wait(self._running, timeout=grace_s)
        for task in self._running:
            task.cancel()
        if self._running:
            await asyncio.wait(self._running, timeout=ENDS_S)

    def handled(self, stream: str, version: int) -> bool:
        """Note that a thread that had failed goes on; say whether it needs no other look."""
        lane = self._lanes.get(stream)
        if lane is None:
            return True
        if lane.error:
            return False
        self._settle(lane, version)
        self._begin()
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
        if lane.lacks_something:
            self._failure = lacking(stream, message.position, reason)
            return
        where = (stream, message.position, message.global_position)
        await self._consuming.kept.parking.park(Parked(*where, reason, tries))
        self._drop(stream)
        self._room.set()

    def _drop(self, stream: str) -> bool:
        """Let go of a thread's messages; say whether there were any."""
        lane = self._lanes.pop(stream, None)
        if lane is None:
            return False
        lane.leave()
        self._backlog.dropped(stream)
        return True

    def _offer(self, lane: Lane) -> None:
        """Let a thread have its turn, unless it waits or has it."""
        if not lane.is_held:
            lane.is_held = True
            self._ready.append(lane)

    def _settle(self, lane: Lane, version: int) -> None:
        """Note how far a thread is handled that has had its turn."""
        lane.is_held, lane.begun_at = False, 0.0
        self._backlog.handled(lane.stream, version)
        if not lane.is_empty:
            self._offer(lane)
            return
        del self._lanes[lane.stream]
        if lane.is_replayed and self._consuming.kept:
            self._consuming.kept.parking.rests(lane.stream)
        self._room.set()

    def _go_on(self, stream: str) -> None:
        """Handle what a thread that was put aside has missed, before what is new of it."""
        kept = self._consuming.kept
        if kept is None or not self._consuming.has(stream) or stream in kept.parking:
            return
        lane = self._lanes[stream]
        lane.queue.clear()
        lane.is_replayed = True
        lane.again, lane.through = kept.parking.resumes_at(stream), max(lane.through, self._read)
        self._offer(lane)

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

    def _begin(self) -> None:
        """Have tasks take threads from the line."""
        while not self._is_stopping and len(self._running) < min(
            self._concurrency, len(self._ready)
        ):
            task = asyncio.create_task(self._run())
            self._running.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self._failure = error  # a mistake here: it must not be silent
        self._begin()  # something may have come behind its last look

    async def _run(self) -> None:
        """Handle threads of the line until there are none."""
        loop, timeout_s = asyncio.get_running_loop(), self._consuming.handling.timeout_s
        while self._ready and not self._is_stopping:
            async with self._slots:
                turn = Turn(None, loop.time())
                try:
                    await bounded(partial(self._handle_some, turn), timeout_s, turn.since)
                except Exception as error:
                    if turn.lane is None:
                        raise
                    self._failed(turn.lane, error)

    async def _handle_some(self, turn: Turn) -> None:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        while self._ready and loop.time() - turn.begun_at < _LONGEST_S and not self._is_stopping:
            lane = self._ready.popleft()
            if lane.is_gone:  # it was put aside elsewhere
                continue
            lane.turn += 1
            lane.begun_at = loop.time()
            turn.lane, mine = lane, lane.turn
            try:
                await self._handle(lane)
            except Exception as error:  # noqa: BLE001 - of the handler's, whatever it is
                if lane.turn == mine:
                    self._failed(lane, told_apart(error))
            else:
                if lane.turn == mine:
                    self._settle(lane, lane.version)
            if task and task.cancelling():  # it is over, though the handler did not let it end
                return
            turn.lane = None

    def _failed(self, lane: Lane, error: Exception) -> None:
        if not lane.is_gone:
            lane.turn += 1  # whatever was left behind counts no more
            lane.error, lane.begun_at = error, 0.0
            lane.lacks_something = lacks_something(error)
            self._attendance.offer(lane.stream, self)

    async def _see(self, stream: str) -> Attended:
        """Handle the next messages of a thread that had failed, up to the next that fails."""
        lane = self._lanes.get(stream)
        if lane is None:  # it was put aside elsewhere
            return Attended(-1, rests=True)
        if error := lane.error:  # it was raised behind others, which were handled
            lane.error, lane.begun_at = None, 0.0
            raise error
        async with self._slots:
            lane.turn += 1
            lane.begun_at = asyncio.get_running_loop().time()
            before, timeout_s = lane.version, self._consuming.handling.timeout_s
            try:
                await bounded(partial(self._handle, lane), timeout_s, lambda: lane.begun_at)
            except Exception as error:
                lane.turn += 1
                lane.begun_at, lane.lacks_something = 0.0, lacks_something(error)
                if lane.version == before:
                    raise
                lane.error = error
        return Attended(lane.version, rests=True)

    async def _handle(self, lane: Lane) -> None:
        """Handle the next messages of a thread."""
        turn, time, handle = (
            lane.turn,
            asyncio.get_running_loop().time,
            self._consuming.handling.run,
        )
        if not lane.queue:
            await lane.refill(self._consuming)
        task, queue = asyncio.current_task(), lane.queue
        for _ in range(min(len(queue), _MOST_IN_A_ROW)):
            message = queue[0]
            lane.begun_at = time()
            await handle(message)
            if lane.turn != turn:  # its time was up long ago
                return
            queue.popleft()
            lane.version = message.position
            self._backlog.reached(lane.stream, message.global_position)
            self.done += 1
            if self._is_stopping or (task and task.cancelling()):
                return
