"""Handing messages on with care where processes have died: what kills them is found and parked.

Nothing is noted ahead as long as no process dies. Then messages are handed on a few together, each
time noted before, and fewer of them the nearer that comes: up to 256, up to 16, one. One message,
or what a parked thread goes on with, that has killed as many processes as a message may fail is put
aside.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

from messagedb_agent.consumers.delivery import Consuming, Delivery, Kept
from messagedb_agent.consumers.newest import newest_position
from messagedb_agent.consumers.parking import Parked
from messagedb_agent.consumers.run_log import Place, Suspects
from messagedb_agent.store.message import Message

_logger = logging.getLogger("messagedb_agent.consumers")

_FEW, _SOME = 16, 256  # messages that are handed on together
_SETTLE_S = 0.005  # between two looks whether they are handled


class Wary:
    """Hands messages on to a delivery, with care where processes have died.

    Args:
        consuming: what, and how.
        kept: what it keeps.
        category: what is consumed.
        is_stopping: says whether nothing more is to be begun.
    """

    def __init__(
        self, consuming: Consuming, kept: Kept, category: str, is_stopping: Callable[[], bool]
    ) -> None:
        self._consuming = consuming
        self._parking = kept.parking
        self._runs = kept.runs
        self._category = category
        self._is_stopping = is_stopping
        self._suspects: Suspects | None = None
        self._is_found = self._is_noted = False
        self._through = 0

    @property
    def is_on(self) -> bool:
        """Whether anything is under suspicion."""
        return self._suspects is not None

    async def begin(self, delivery: Delivery) -> None:
        """Find out how careful to be, put aside what is found, and let the delivery begin.

        Raises:
            StoreUnavailable: the store was not reached.
        """
        if not self._is_found:
            self._suspects, self._is_found = await self._runs.found(), True
        if self._suspects:
            await self._parking.read_on()
            self._suspects = await self._judged(self._suspects)
        suspects, self._is_noted = self._suspects, True
        await self._runs.started(suspects)
        if suspects is None:
            await delivery.begin()
            return
        _logger.warning("a process that consumed by this name has died: what it was is looked for")
        replayed = tuple(name for name in self._parking.replayed if self._consuming.has(name))
        if replayed:
            await self._wait(suspects, suspects.replayed == replayed)
            through = self._through
            await self._runs.begun(Suspects(suspects.deaths, through, replayed=replayed))
        await delivery.begin()
        await self._settled(delivery)

    async def take(
        self,
        delivery: Delivery,
        messages: Sequence[Message],
        through: int,
        *,
        is_end: bool,
    ) -> None:
        """Hand on what was read; what was handed on already, before the store failed, does no harm.

        Args:
            delivery: takes it.
            messages: the next ones.
            through: global position up to which they were read.
            is_end: whether that was all there is.

        Raises:
            HandlerFailed, ConfigurationError: as `Delivery.take`.
            StoreUnavailable: the store was not reached.
        """
        suspects = self._suspects
        if suspects is None:
            await delivery.take(messages, through)
            return
        wanted = [m for m in messages if m.global_position <= self._through and self._is_new(m)]
        is_end = is_end or through >= self._through
        among = suspects.count or (len(wanted) if is_end else _SOME + 1)
        most = 1 if among <= _FEW else _FEW if among <= _SOME else _SOME
        for first in range(0, len(wanted), most):
            some = wanted[first : first + most]
            await self._hand_on(delivery, suspects, some)
            if self._is_stopping():
                return
        await delivery.take([m for m in messages if m.global_position > self._through], through)
        if is_end:
            await self._runs.cleared()
            self._suspects = None

    async def end(self) -> None:
        """Note that the process ends in order, also while it only begins.

        Raises:
            StoreUnavailable: the store was not reached.
        """
        if self._is_noted:
            await self._runs.ended(self._suspects)

    async def _judged(self, suspects: Suspects) -> Suspects | None:
        """Put aside what has killed often enough; return what is still under suspicion."""
        newest = await newest_position(self._consuming.reader, self._category)
        self._through = min(suspects.through or newest, newest)
        if suspects.deaths < self._consuming.patience.tries:
            return replace(suspects, through=self._through)
        if suspects.replayed:
            resumes = self._parking.resumes_at
            places = [Place(name, resumes(name), 0) for name in suspects.replayed]
            places = [place for place in places if place.stream in self._parking.replayed]
        elif suspects.count == 1 and suspects.first:
            places = [suspects.first]
        else:
            return replace(suspects, through=self._through)
        for place in places:
            await self._park(place, suspects.deaths)
        return None

    async def _park(self, place: Place, deaths: int) -> None:
        if place.stream in self._parking:
            return
        reason = f"{deaths} processes died, the last ones when it was handled"
        where = (place.stream, place.position, place.global_position)
        await self._parking.park(Parked(*where, reason, deaths))
        _logger.error("parked: %s", reason, extra={"stream": place.stream})

    async def _hand_on(
        self, delivery: Delivery, suspects: Suspects, some: Sequence[Message]
    ) -> None:
        first, last = Place.of(some[0]), some[-1].global_position
        await self._wait(suspects, suspects.count == 1 and suspects.first == first)
        if self._is_stopping():
            return
        await delivery.note()  # what stands before them is not to be handed on again
        await self._runs.begun(Suspects(suspects.deaths, last, len(some), first))
        await delivery.take(some, last)
        await self._settled(delivery)

    async def _wait(self, suspects: Suspects, is_it: bool) -> None:
        """Wait before what has killed: a process killed from outside seldom dies just then."""
        if not is_it:
            return
        loop = asyncio.get_running_loop()
        ends = loop.time() + self._consuming.patience.careful_s(suspects.deaths)
        while loop.time() < ends and not self._is_stopping():  # noqa: ASYNC110 - nobody sets an event
            await asyncio.sleep(_SETTLE_S)

    async def _settled(self, delivery: Delivery) -> None:
        """Wait until nothing is under way."""
        while delivery.under_way and not self._is_stopping():
            await delivery.take((), 0)
            await asyncio.sleep(_SETTLE_S)

    def _is_new(self, message: Message) -> bool:
        return self._consuming.wants(message) and message.stream_name not in self._parking
