"""One slot of a group, as the worker that owns it works on it."""

import logging
from contextlib import aclosing

from messagedb_agent.agents.engine import Engine
from messagedb_agent.consumers.attendance import Attendance
from messagedb_agent.consumers.backlog import Backlog
from messagedb_agent.consumers.names import Group
from messagedb_agent.consumers.parking import Parked, Parking
from messagedb_agent.consumers.positions import Positions, start_of
from messagedb_agent.consumers.slots import Held
from messagedb_agent.consumers.subscription import Subscription
from messagedb_agent.errors import RefusedName
from messagedb_agent.store.message import Message
from messagedb_agent.store.store import Member
from messagedb_agent.store.stream_name import checked_thread_id, id_of

_logger = logging.getLogger("messagedb_agent.consumers")


class WorkersShare:
    """A slot: the streams of one member of the group, and how far their news are handled.

    Args:
        engine: works on the threads.
        group: the group.
        member: the slot.
        held: how it is owned.
        attendance: sees to threads that have news.
        parking: what is put aside.
    """

    def __init__(
        self,
        engine: Engine,
        group: Group,
        member: Member,
        held: Held,
        attendance: Attendance,
        parking: Parking,
    ) -> None:
        self.held = held
        self._store = engine.store
        self._ids = engine.writing.ids
        self._group = group
        self._member = member
        self._attendance = attendance
        self._parking = parking
        identifier = group.identifier(member)
        self._positions = Positions(self._store, group.category, identifier, self._ids)
        self._subscription = Subscription(self._store, group.category, member=member)
        self._backlog = Backlog(0)
        self._noted = 0

    @property
    def position(self) -> int:
        """Global position up to which all is handled."""
        return self._backlog.position

    @property
    def read_through(self) -> int:
        """Global position up to which all was read."""
        return self._subscription.position

    async def begin(self) -> None:
        """Find out where to start.

        Raises:
            StoreUnavailable: the store was not reached.
        """
        start = await start_of(self._store, self._group, self._member, self._ids)
        self._subscription = Subscription(
            self._store, self._group.category, start=max(1, start), member=self._member
        )
        self._backlog = Backlog(max(0, start - 1))
        self._noted = start
        for stream in self._parking.replayed:
            self.try_again(stream)

    async def read_on(self, most: int, newest: int) -> bool:
        """Read what is new, so many messages at most; say whether there is more.

        Args:
            most: how many messages.
            newest: global position of the newest message of the category, known before.

        Raises:
            StoreUnavailable: the store was not reached.
        """
        read = 0
        async with aclosing(self._subscription.news()) as news:
            async for message in news:
                self._take(message)
                read += 1
                if read >= most:
                    return True
        self._subscription.passed(newest)
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

    def handled(self, stream: str, version: int) -> bool:
        """Note that a thread rests up to a position; say whether that is all of its news."""
        return self._backlog.handled(stream, version)

    async def park(self, stream: str, reason: str, tries: int) -> None:
        """Put a thread aside; its news are not handled until it is replayed.

        Raises:
            StoreUnavailable: the store was not reached.
        """
        position = await self._store.stream_version(stream)
        await self._parking.park(Parked(stream, position, reason, tries))
        self._backlog.dropped(stream)

    def try_again(self, stream: str) -> None:
        """See to a thread that is parked no more, if it is of this slot."""
        if self._member.has(stream) and stream not in self._parking:
            self._attendance.offer(stream, self)

    def _take(self, message: Message) -> None:
        stream = message.stream_name
        if stream in self._parking or not _is_thread(stream):
            self._backlog.passed(message.global_position)
        elif self._backlog.read(stream, message.position, message.global_position):
            self._attendance.offer(stream, self)


def _is_thread(stream: str) -> bool:
    try:
        checked_thread_id(id_of(stream) or "")
    except RefusedName:
        _logger.warning("a stream that is no thread is ignored: %s", ascii(stream[:200]))
        return False
    return True
