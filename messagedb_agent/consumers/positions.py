"""How far a consumer has come, kept as Message DB's other clients keep it."""

import asyncio
import logging
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Protocol, runtime_checkable

import orjson

from messagedb_agent.consumers.fields import fields_of, whole_number
from messagedb_agent.consumers.names import Group
from messagedb_agent.consumers.newest import newest_position
from messagedb_agent.ids import Ids
from messagedb_agent.store.member import Member
from messagedb_agent.store.message import NewMessage
from messagedb_agent.store.store import Directory, Reader, Writer
from messagedb_agent.store.stream_name import beside, id_of

_TYPE = "Recorded"
_MOST_MEMBERS = 100_000  # of all sizes that a group ever had
_TOGETHER = 8  # positions that are read at once
_logger = logging.getLogger("messagedb_agent.consumers")


@runtime_checkable
class Keeper(Reader, Writer, Protocol):
    """A store as positions are kept in it."""


@runtime_checkable
class PositionStore(Keeper, Directory, Protocol):
    """A store that also tells which positions there are."""


class Positions:
    """The position of one consumer, in a stream of its own.

    Its messages are `Recorded`, with the global position of the last message that was handled.
    Who starts reads *at* it, so that at least one message is handled again.

    Args:
        store: where it is kept.
        category: what is consumed, such as `agent:v0`.
        identifier: the consumer's name; each member of a group has its own.
        ids: makes ids of messages.
        reader: where the messages are, if that is another store.

    Source: Eventide's `consumer-postgres`, `PositionStore`.
    """

    def __init__(
        self,
        store: Keeper,
        category: str,
        identifier: str,
        ids: Ids,
        reader: Reader | None = None,
    ) -> None:
        self.stream = beside(category, "position", identifier)
        self._category = category
        self._store = store
        self._reader = store if reader is None else reader
        self._ids = ids

    async def read(self) -> int | None:
        """Return the global position of the last message that was handled; None for none.

        What is no position, or one that no message has had yet, was not written by a consumer of
        this category: it is as good as absent. Messages that were removed have had theirs.

        Raises:
            StoreUnavailable: the store was not reached.
        """
        last = await self._store.last(self.stream, type=_TYPE)
        if last is None:
            return None
        position = whole_number(fields_of(last.data), "position", -1)
        if position < 0 or not await self._was_given(position, last.global_position):
            _logger.warning("%s holds no position of this category; it is ignored", self.stream)
            return None
        return position

    async def _was_given(self, position: int, noted_at: int) -> bool:
        """Say whether a message has stood at a global position when that was noted."""
        if position < noted_at:  # a note stands behind what it tells of, though that be removed
            return True
        stores = {id(store): store for store in (self._store, self._reader)}.values()
        return position <= max([await newest_position(s, self._category) for s in stores])

    async def record(self, position: int) -> None:
        """Note that all up to a global position is handled.

        Raises:
            StoreUnavailable: the store was not reached; it may be noted all the same.
        """
        await self._store.append(self.stream, self.note(position))

    def note(self, position: int) -> NewMessage:
        """Return the message that notes a position."""
        data = orjson.dumps({"position": position}).decode()
        return NewMessage(self._ids.new(), _TYPE, data)


async def starts_of(
    store: PositionStore,
    group: Group,
    members: Collection[Member],
    ids: Ids,
    reader: Reader | None = None,
) -> Mapping[Member, int]:
    """Return the global positions at which members of a group start, or start again; 0 for all.

    Everything up to a member's own position is handled, of its own streams. Everything up to the
    lowest position of all members of one size is handled, of all streams: so a group may change
    its size at any time. The furthest of these places is taken.

    Args:
        store: where positions are kept.
        group: the group.
        members: who starts; all at once, as each may have to know the positions of all.
        ids: makes ids of messages.
        reader: where the messages are, if that is another store.

    Raises:
        StoreUnavailable: the store was not reached.
    """
    by_size: dict[int, dict[int, int]] = {}
    telling = await _telling(store, group, members)
    for first in range(0, len(telling), _TOGETHER):
        some = telling[first : first + _TOGETHER]
        streams = (Positions(store, group.category, group.identifier(m), ids, reader) for m in some)
        read = await asyncio.gather(*(stream.read() for stream in streams))
        for known, position in zip(some, read, strict=True):
            if position is not None:
                by_size.setdefault(known.size, {})[known.number] = position
    whole = [min(found.values()) for size, found in by_size.items() if len(found) == size]
    return {m: max([by_size.get(m.size, {}).get(m.number, 0), *whole]) for m in members}


async def _telling(store: Directory, group: Group, members: Collection[Member]) -> Sequence[Member]:
    """Return the members whose positions tell where some start: they, and all of whole sizes."""
    prefix = beside(group.category, "position", f"{group.name}-")
    streams = await store.streams_with_prefix(prefix, limit=_MOST_MEMBERS)
    known = {found for stream in streams if (found := group.member(id_of(stream) or ""))}
    sizes = Counter(found.size for found in known)
    return [found for found in known if found in members or sizes[found.size] == found.size]
