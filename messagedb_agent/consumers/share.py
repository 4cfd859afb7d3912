"""One slot of a group, as the worker that owns it works on it."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass

from messagedb_agent.agents.engine import Engine
from messagedb_agent.agents.resting import rests_behind
from messagedb_agent.consumers.attendance import Attendance
from messagedb_agent.consumers.backlog import Backlog
from messagedb_agent.consumers.caution import Caution
from messagedb_agent.consumers.cursor import Cursor
from messagedb_agent.consumers.interrupted import deaths_told
from messagedb_agent.consumers.names import Group
from messagedb_agent.consumers.parking import Parked, Parking
from messagedb_agent.consumers.patience import Patience
from messagedb_agent.consumers.positions import Positions
from messagedb_agent.consumers.slot_log import Found, SlotLog
from messagedb_agent.consumers.slots import Held
from messagedb_agent.consumers.strangers import Strangers
from messagedb_agent.consumers.suspicion import Suspicion
from messagedb_agent.containing import error_text
from messagedb_agent.store.member import Member
from messagedb_agent.store.message import Message

_logger = logging.getLogger("messagedb_agent.consumers")

# Of a message it is only asked where it stands, and whether its thread rests: a huge one must not
# fill the memory of who reads it among a thousand others.
_LONGEST = 64 * 1024


@dataclass(frozen=True, slots=True)
class Shared:
    """What all slots of a worker have in common.

    Attributes:
        engine: works on the threads.
        group: the group.
        attendance: sees to threads that have news.
        parking: what is put aside.
        caution: takes up threads that may have killed a worker.
        patience: how many workers may die at a thread.
    """

    engine: Engine
    group: Group
    attendance: Attendance
    parking: Parking
    caution: Caution
    patience: Patience


class WorkersShare:
    """A slot: the streams of one member of the group, and how far their news are handled.

    Args:
        shared: what this one has in common with the worker's other slots.
        member: the slot.
        held: how it is owned.
    """

    def __init__(self, shared: Shared, member: Member, held: Held) -> None:
        engine, group = shared.engine, shared.group
        writing = engine._workings.writing
        self.held = held
        self._store = engine.store
        self._ids = writing.ids
        self._group = group
        self._member = member
        self._attendance = shared.attendance
        self._parking = shared.parking
        identifier = group.identifier(member)
        self._positions = Positions(self._store, group.category, identifier, self._ids)
        self._cursor = self._subscribed(1)
        self._backlog = Backlog(0)
        self._noted = 0
        self._log = SlotLog(self._store, group, held.stream, held.hold, writing.writer, self._ids)
        self._telling = asyncio.Lock()  # the slot's stream, of threads that are begun and its end
        self._is_over = self._leaves_suspects = False
        self._caution = shared.caution
        self._suspicion = Suspicion(shared.patience.tries)
        self._begun: dict[str, int] = {}
        self._standing: set[str] = set()  # those of them that stand in the slot's newest message
        self._strangers = Strangers()

    @property
    def position(self) -> int:
        """Global position up to which all is handled."""
        return self._backlog.position

    @property
    def read_through(self) -> int:
        """Global position up to which all was read."""
        return self._cursor.position

    def newest_of(self, stream: str) -> int:
        """Return the position of a thread's newest event that is not handled; -1 for none."""
        return self._backlog.newest_of(stream)[0]

    async def begin(self, start: int, newest: int) -> Found:
        """Begin where it is said, and find out how careful to be.

        Args:
            start: global position of the first message to read; 0 for all.
            newest: global position of the newest message of the category.

        Returns:
            How the slot was found; where that is clean, there is no need to be.

        Raises:
            StoreUnavailable: the store was not reached.
        """
        found = await self._log.take()
        self._cursor = self._subscribed(max(1, start))
        self._backlog = Backlog(max(0, start - 1))
        self._noted = start
        self._suspicion.begin(found, newest)
        for stream in self._parking.replayed:
            self.try_again(stream)
        return found

    def _subscribed(self, start: int) -> Cursor:
        return Cursor(
            self._store, self._group.category, start=start, member=self._member, longest=_LONGEST
        )

    def end(self) -> None:
        """Take nothing up any more; what is under way goes on to its rest."""
        self._is_over, self._leaves_suspects = True, self._has_suspects()
        self._attendance.withdraw(self)
        self._caution.forget(self)

    async def release(self) -> None:
        """Note how far all is handled, and that the slot is given up in order.

        Who has lost it says nothing: somebody else's word may be the newest by now.

        Raises:
            StoreUnavailable: the store was not reached.
        """
        async with self._telling:
            await self.note()
            if not self.held.hold.lost.is_set():
                deaths = self._suspicion.deaths if self._leaves_suspects else {}
                await self._log.release(careful=self._leaves_suspects, deaths=deaths)

    async def read_on(self, most: int, newest: int) -> bool:
        """Read what is new, so many messages at most; say whether there is more.

        Args:
            most: how many messages.
            newest: global position of the newest message of the category, known before.

        Raises:
            StoreUnavailable: the store was not reached.
        """
        read: list[Message] = []
        try:
            async with aclosing(self._cursor.news()) as news:
                async for message in news:
                    read.append(message)
                    if len(read) >= most:
                        break
        finally:  # the cursor is past them, also where it failed behind them
            self._take(read)
        await self._park_condemned()
        if len(read) >= most:
            return True
        self._cursor.passed(newest)
        self._backlog.passed(newest)
        return False

    async def note(self) -> None:
        """Note how far all is handled, if that has changed.

        Raises:
            StoreUnavailable: the store was not reached.
        """
        if (position := self.position) > self._noted:
            await self._positions.record(position)
            self._noted = position
        await self._park_condemned()

    async def trust_again(self) -> None:
        """Be careful no more, once all was taken up that a dead worker may have taken up.

        Raises:
            StoreUnavailable: the store was not reached.
        """
        if not self._suspicion.is_careful or self._has_suspects():
            return
        async with self._telling:
            if not await self._log.clear():
                return  # the slot is somebody else's, who may suspect more
        if self._has_suspects():
            return  # one was replayed meanwhile
        self._suspicion.clear()

    async def _park_condemned(self) -> None:
        """Put threads aside at which enough workers have died, once their news are read."""
        for stream in self._suspicion.condemned:
            deaths = self._suspicion.died_silently(stream)
            await self.park(stream, f"{deaths} workers died at once when they took it up", deaths)
            self._suspicion.acquit(stream)

    def deaths_at(self, stream: str) -> int:
        """Return how many workers have died at a thread, or in its calls."""
        return self._suspicion.deaths_at(stream)

    def offer(self, stream: str) -> None:
        """Have a thread under suspicion taken up."""
        self._attendance.offer(stream, self)

    async def note_begun(self, stream: str) -> bool:
        """Note for good that a thread under suspicion is taken up now; say whether it may be.

        Those that are begun at the same time are noted together.

        Raises:
            StoreUnavailable: the store was not reached.
        """
        self._begun[stream] = await self._store.stream_version(stream)
        async with self._telling:
            if stream not in self._standing and not self._is_over:
                begun = dict(self._begun)
                if not await self._log.begin(begun, self._suspicion.deaths):
                    return False
                self._standing = set(begun)
        return not self._is_over

    def passed(self, stream: str) -> None:
        """Hear that a thread was taken up, and this process lives."""
        self._begun.pop(stream, None)
        self._standing.discard(stream)
        self._suspicion.forget(stream)

    def handled(self, stream: str, version: int) -> bool:
        """Note that a thread rests up to a position; say whether that is all of its news."""
        if is_all := self._backlog.handled(stream, version):
            self._parking.rests(stream)
        return is_all

    async def park(self, stream: str, reason: str, tries: int) -> None:
        """Put a thread aside; its news are not handled until it is replayed.

        Raises:
            StoreUnavailable: the store was not reached.
        """
        position, global_position = self._backlog.newest_of(stream)
        if position < 0:  # it was tried without any news
            position = await self._store.stream_version(stream)
        await self._parking.park(Parked(stream, position, global_position, reason, tries))
        self._backlog.dropped(stream)
        self._suspicion.begin_anew(stream)
        _logger.error("parked after %d tries: %s", tries, reason, extra={"stream": stream})

    def put_aside(self, stream: str) -> None:
        """Let go of a thread of this slot that another worker has parked."""
        if self._member.has(stream) and stream in self._parking:
            self._suspicion.acquit(stream)
            self._caution.leave(stream)
            self._attendance.forget(stream)
            self._backlog.dropped(stream)

    def try_again(self, stream: str) -> None:
        """See to a thread that is parked no more, if it is of this slot."""
        if not self._member.has(stream) or stream in self._parking:
            return
        if self._suspicion.is_careful:
            self._suspect(stream)
        else:
            self._attendance.offer(stream, self)

    def _take(self, messages: Sequence[Message]) -> None:
        """Note what was read, and have it seen to."""
        news: dict[str, list[Message]] = {}
        for message in messages:
            stream = message.stream_name
            if stream in self._parking or self._strangers.has(stream):
                self._backlog.passed(message.global_position)
            elif self._backlog.read(stream, message.position, message.global_position):
                news.setdefault(stream, []).append(message)
        for stream, rows in news.items():
            try:
                self._have_seen_to(stream, rows)
            except Exception as error:  # noqa: BLE001 - whatever a thread's data may do: others wait
                _logger.warning("%s: its news cannot be judged: %s", stream, error_text(error))
                self._attendance.offer(stream, self)

    def _have_seen_to(self, stream: str, rows: Sequence[Message]) -> None:
        if self._is_suspect(stream, rows[0].global_position):
            self._suspicion.hear(stream, deaths_told(rows))
            self._suspect(stream)
        elif self._attendance.has(stream) or not rests_behind(rows):
            self._attendance.offer(stream, self)
        else:
            self.handled(stream, rows[-1].position)

    def _is_suspect(self, stream: str, global_position: int) -> bool:
        if not self._suspicion.is_careful:
            return False
        return stream in self._caution or self._suspicion.covers(stream, global_position)

    def _suspect(self, stream: str) -> None:
        """Have a thread taken up with care, or put aside where enough have died at it."""
        if not self._suspicion.condemns(stream):
            self._caution.add(stream, self)

    def _has_suspects(self) -> bool:
        """Say whether anything is not taken up yet that a dead worker may have taken up."""
        if not self._suspicion.is_careful:
            return False
        return self._caution.concerns(self) or self._suspicion.has_more(self.read_through)
