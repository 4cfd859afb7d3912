"""Who works on which slots of a group: shared among the workers that live, by locks alone.

Each worker of a group owns a *seat*, the first that is free. From the seats that are taken every
worker knows how many there are, and its place among them. Of S slots and W workers each has S // W,
and the first S % W one more. Who has too many lets go of some; who has too few takes what is free.
Locks end with their process, so a dead worker's seat and slots are free at once, and are taken at
the next look. Workers beyond one a slot find no seat, and stand by.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass

from messagedb_agent.consumers.names import Group
from messagedb_agent.store.hold import Hold
from messagedb_agent.store.member import Member
from messagedb_agent.store.store import Owner
from messagedb_agent.store.stream_name import beside

_LEAVES_S = 1.0  # how long a store is waited for that does not say that a lock is gone


@dataclass(slots=True, eq=False)
class Held:
    """A stream that is owned until it is let go."""

    stream: str
    hold: Hold
    _stack: AsyncExitStack

    async def let_go(self) -> None:
        await self._stack.aclose()


class Slots:
    """The slots that one worker owns.

    Args:
        owner: lets one process at a time own a stream.
        group: the workers that share the slots.
        size: how many slots there are.
    """

    def __init__(self, owner: Owner, group: Group, size: int) -> None:
        self._owner = owner
        self._slots = {Member(number, size): _slot(group, number, size) for number in range(size)}
        self._seats = [_seat(group, number, size) for number in range(size)]
        self._seat: tuple[str, Held] | None = None
        self._held: dict[Member, Held] = {}

    @property
    def held(self) -> Mapping[Member, Held]:
        """The slots that are owned, as far as is known."""
        return self._held

    async def look(self) -> Sequence[Member]:
        """Take what is free and this worker's share; forget what was lost.

        Returns:
            Slots that are others' share: to be let go of.

        Raises:
            StoreUnavailable: the store was not reached.
        """
        await self._drop_lost()
        owned = await self._owner.owned([*self._seats, *self._slots.values()])
        await self._sit_down(owned)
        if self._seat is None:
            return tuple(self._held)
        share = self._share([seat for seat in self._seats if seat in owned])
        for member, stream in self._slots.items():
            if len(self._held) < share and stream not in owned and member not in self._held:
                await self._take(member, stream)
        return tuple(self._held)[share:]

    async def let_go(self, member: Member) -> None:
        """Let others own a slot."""
        if held := self._held.pop(member, None):
            await held.let_go()

    async def leave(self) -> None:
        """Let others own all of it; who is cancelled meanwhile has let go all the same."""
        held = [*self._held.values(), *(self._seat or ())[1:]]
        self._held, self._seat = {}, None
        await asyncio.gather(*(one.let_go() for one in held))

    async def _drop_lost(self) -> None:
        for member, held in list(self._held.items()):
            if held.hold.lost.is_set():
                await self.let_go(member)
        if self._seat and self._seat[1].hold.lost.is_set():
            await self._seat[1].let_go()
            self._seat = None

    async def _sit_down(self, owned: Collection[str]) -> None:
        for seat in self._seats:
            if self._seat:
                return
            if seat not in owned and (held := await self._own(seat)):
                self._seat = (seat, held)

    def _share(self, taken: Sequence[str]) -> int:
        """Return how many slots are this worker's, by its place among those who have a seat."""
        mine = self._seat[0] if self._seat else ""
        workers = sorted({*taken, mine}, key=self._seats.index)
        least, more = divmod(len(self._slots), len(workers))
        return least + (workers.index(mine) < more)

    async def _take(self, member: Member, stream: str) -> None:
        if held := await self._own(stream):
            self._held[member] = held

    async def _own(self, stream: str) -> Held | None:
        stack = AsyncExitStack()
        hold = await stack.enter_async_context(self._owner.own(stream))
        if hold is None:
            await stack.aclose()
            return None
        return Held(stream, hold, stack)


@asynccontextmanager
async def slots_of(owner: Owner, group: Group, size: int) -> AsyncIterator[Slots]:
    """Share the slots of a group while the context lasts."""
    slots = Slots(owner, group, size)
    try:
        yield slots
    finally:
        with suppress(TimeoutError):
            async with asyncio.timeout(_LEAVES_S):
                await slots.leave()


def _slot(group: Group, number: int, size: int) -> str:
    return beside(group.category, "slot", group.identifier(Member(number, size)))


def _seat(group: Group, number: int, size: int) -> str:
    return beside(group.category, "seat", group.identifier(Member(number, size)))
