"""A worker: for each thread with news, own it and see it through."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from messagedb_agent.agents.attending import Attended, attend
from messagedb_agent.agents.engine import Engine
from messagedb_agent.agents.progress import SILENT, Progress
from messagedb_agent.consumers.attendance import Attendance
from messagedb_agent.consumers.away import pause_s
from messagedb_agent.consumers.caution import Caution
from messagedb_agent.consumers.interrupted import is_claim
from messagedb_agent.consumers.names import Group
from messagedb_agent.consumers.parking import parking_of
from messagedb_agent.consumers.patience import Patience
from messagedb_agent.consumers.positions import starts_of
from messagedb_agent.consumers.share import Shared, WorkersShare
from messagedb_agent.consumers.slot_log import Found
from messagedb_agent.consumers.slots import Held, Slots, slots_of
from messagedb_agent.errors import StoreError, ValidationError
from messagedb_agent.events.recorded import Recorded
from messagedb_agent.store.member import Member
from messagedb_agent.store.store import News
from messagedb_agent.store.stream_name import id_of, thread_category

_logger = logging.getLogger("messagedb_agent.consumers")

DEFAULT_GROUP = "workers"
DEFAULT_GROUP_SIZE = 4
DEFAULT_CONCURRENCY = 32
DEFAULT_GRACE_S = 30.0

_IDLE_S = 0.1  # between two reads that brought nothing: news may come that nobody tells of
_LOOK_S = 0.5  # between two looks at who else works in the group
_NOTE_S = 1.0  # between two notes of how far a slot has come
_REPORT_S = 30.0
_LONG_AGO = -1e9
_MOST_QUEUED = 1_000  # threads that wait for their first look: no more is read then
_NOTES_S = 1.0  # how long the store has at least, when a worker ends, to note how far it has come


@dataclass(eq=False)
class Worker:
    """Answers what is said to the threads of a category, together with others of its group.

    Attributes:
        engine: works on the threads; they keep the models and tools that they have recorded.
        group: name of the group; workers of one group share the threads.
        size: how many slots the group has; workers of one group may differ in it for a while.
        concurrency: how many threads are worked on at once.
        grace_s: seconds that threads under way have to come to rest once the worker is stopped.
        patience: how long a thread is tried that fails.
        progress: makes what is told of each run.

    Raises:
        ValidationError: `size` or `concurrency` is none that a worker can have.
        RefusedName: nor is the group's name.
    """

    engine: Engine
    group: str = DEFAULT_GROUP
    size: int = DEFAULT_GROUP_SIZE
    concurrency: int = DEFAULT_CONCURRENCY
    grace_s: float = DEFAULT_GRACE_S
    patience: Patience = field(default_factory=Patience)
    progress: Callable[[], Progress] = lambda: SILENT

    def __post_init__(self) -> None:
        Member(0, self.size)
        if self.concurrency < 1:
            raise ValidationError("at least one thread at once", field="concurrency")
        engine = self.engine
        self._group = Group(thread_category(engine.category, engine.version), self.group)
        self._stopping = asyncio.Event()
        self._parking = parking_of(engine, self.group)
        self._attendance = Attendance(self._see, self.concurrency, self.patience)
        self._caution = Caution(self.patience.careful_s)
        self._shared = Shared(
            engine, self._group, self._attendance, self._parking, self._caution, self.patience
        )
        self._shares: dict[Member, WorkersShare] = {}
        self._left: Sequence[WorkersShare] = ()  # what was given up at the end
        self._newest = 0
        self._looked_at = self._noted_at = self._told_at = _LONG_AGO

    def stop(self) -> None:
        """Take nothing new from here on; `run` returns once what is under way has ended."""
        self._stopping.set()

    async def run(self) -> None:
        """Work until `stop` is called.

        An absent store is waited for, and a thread that fails is parked; neither raises.
        """
        async with slots_of(self.engine.store, self._group, self.size) as slots:
            working = asyncio.create_task(self._work(slots))
            cautious = asyncio.create_task(self._caution.run())
            stopping = asyncio.create_task(self._stopping.wait())
            try:
                first = {working, cautious, stopping}
                await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
                for failed in (working, cautious):
                    if failed.done():
                        failed.result()
                ends_at = asyncio.get_running_loop().time() + self.grace_s
                await _cancelled(working, cautious)
                await self._hand_over(slots, ends_at)
            finally:
                await _cancelled(working, cautious, stopping)
                await self._attendance.close(0)
                self._report("stopped")

    async def _hand_over(self, slots: Slots, ends_at: float) -> None:
        """Let others have the slots at once, while what is under way comes to rest: they watch it.

        Args:
            slots: what is given up.
            ends_at: when what is under way is cancelled, by the loop's clock. A store that lets
                nobody note anything is waited for little longer.
        """
        loop = asyncio.get_running_loop()
        self._left = tuple(self._shares.values())
        for share in self._left:
            share.end()
        letting_go = asyncio.create_task(self._let_all_go(slots))
        try:
            await self._attendance.close(max(0.0, ends_at - loop.time()))
            await asyncio.wait({letting_go}, timeout=max(0.0, ends_at + _NOTES_S - loop.time()))
        finally:
            await _cancelled(letting_go)
        if not letting_go.cancelled():
            letting_go.result()

    async def _let_all_go(self, slots: Slots) -> None:
        self._shares = {}
        notes = [self._parking.note_rested(), *(share.release() for share in self._left)]
        found = await asyncio.gather(*notes, return_exceptions=True)
        await slots.leave()
        for failure in found:
            if isinstance(failure, BaseException) and not isinstance(failure, StoreError):
                raise failure

    async def _work(self, slots: Slots) -> None:
        async with self.engine.store.listen(self._group.category) as news:
            await self._work_on(slots, news)

    async def _work_on(self, slots: Slots, news: News) -> None:
        failures = 0
        while True:
            try:
                has_more = await self._round(slots)
                failures = 0
            except StoreError as error:
                if not failures:
                    _logger.warning("the store failed, and is tried again: %s", error)
                await asyncio.sleep(pause_s(failures))
                failures += 1
                continue
            if not has_more:
                await news.wait(_IDLE_S)

    async def _round(self, slots: Slots) -> bool:
        """Do what is due; say whether there is more to read at once."""
        now = asyncio.get_running_loop().time()
        if now - self._looked_at >= _LOOK_S:
            self._looked_at = now
            await self._share(slots)
            await self._hear_what_is_parked()
        has_more = await self._read_on()
        for share in self._shares.values():
            await share.trust_again()
        if now - self._noted_at >= _NOTE_S:
            self._noted_at = now
            for share in self._shares.values():
                await share.note()
            await self._parking.note_rested()
        if now - self._told_at >= _REPORT_S:
            self._told_at = now
            self._report("working")
        return has_more

    async def _read_on(self) -> bool:
        """Read what is new; say whether there is more."""
        newest = self._newest = await self._ask_newest()
        reads = []
        for share in self._shares.values():
            if share.held.hold.lost.is_set():
                self._looked_at = _LONG_AGO
            elif share.read_through < newest and self._attendance.waiting < _MOST_QUEUED:
                reads.append(share.read_on(_MOST_QUEUED, newest))
        found = await asyncio.gather(*reads, return_exceptions=True)
        for failure in found:
            if isinstance(failure, BaseException):
                raise failure
        return any(found)

    async def _ask_newest(self) -> int:
        """Return the global position of the newest message of the category."""
        heads = await self.engine.store.newest_streams(self._group.category, limit=1)
        return heads[0].global_position if heads else 0

    async def _share(self, slots: Slots) -> None:
        """Take the slots that are ours, and let go of those that are not."""
        surplus = await slots.look()
        for member in surplus:
            await self._give_up(slots, member)
            _logger.info("slot let go for another worker", extra=_of(member))
        for member, share in list(self._shares.items()):
            if share.held is not slots.held.get(member):
                del self._shares[member]
                self._attendance.cancel(share)
                share.end()
                _logger.warning("slot lost", extra=_of(member))
        fresh = [member for member in slots.held if member not in self._shares]
        if fresh:
            engine = self.engine
            starts = await starts_of(engine.store, self._group, fresh, engine._workings.writing.ids)
            for member in fresh:
                await self._begin(member, slots.held[member], starts[member])

    async def _begin(self, member: Member, held: Held, start: int) -> None:
        await self._hear_what_is_parked()
        share = WorkersShare(self._shared, member, held)
        found = await share.begin(start, await self._ask_newest())
        self._shares[member] = share
        _logger.info("slot taken %s", _told(found), extra=_of(member) | {"from": share.position})

    async def _give_up(self, slots: Slots, member: Member) -> None:
        if share := self._shares.pop(member, None):
            share.end()
            await share.release()
        await slots.let_go(member)

    async def _hear_what_is_parked(self) -> None:
        """Let go of what others have put aside, and try again what was replayed."""
        for stream, is_replayed in (await self._parking.catch_up()).items():
            for share in self._shares.values():
                (share.try_again if is_replayed else share.put_aside)(stream)

    async def _see(self, stream: str) -> Attended:
        if self._attendance.has_failed(stream):
            await self._hear_what_is_parked()  # elsewhere it may have failed too
            if stream in self._parking:
                return Attended(-1, rests=False)
        if not await self._caution.may_begin(stream):  # its slot is given up
            return Attended(-1, rests=False)
        progress = self.progress()

        def on_event(recorded: Recorded) -> None:
            self._caution.passed(stream, ended=not is_claim(recorded))
            if progress.on_event:
                progress.on_event(recorded)

        try:
            told = replace(progress, on_event=on_event)
            newest = max((share.newest_of(stream) for share in self._shares.values()), default=-1)
            attended = await attend(self.engine._runs, id_of(stream) or "", told, newest)
        finally:
            self._caution.passed(stream)
        if attended.rests and not attended.is_blocked:
            for share in self._left:  # its case is nobody's here, but the last report tells of it
                share.handled(stream, attended.version)
        return attended

    def _report(self, what: str) -> None:
        attendance, shares = self._attendance, self._shares.values()
        through = min((share.position for share in (*shares, *self._left)), default=self._newest)
        _logger.info(
            "%s",
            what,
            extra={
                "slots": len(shares),
                "done": attendance.done,
                "waiting": attendance.waiting + len(self._caution),
                "under_way": attendance.under_way,
                "watched": attendance.watched,
                "parked": len(self._parking.parked),
                "lag": max(0, self._newest - through),
            },
        )


async def _cancelled(*tasks: "asyncio.Task[Any]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _told(found: Found) -> str:
    """Say how a slot was found."""
    if found.is_new:
        return "that nobody had before"
    return "after a clean end" if found.is_clean else "after a death that threads may have caused"


def _of(member: Member) -> dict[str, int]:
    return {"slot": member.number, "size": member.size}
