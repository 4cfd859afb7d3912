"""Where a subscription begins: where it stood the last time, or where it is told to."""

import logging
from dataclasses import dataclass
from typing import Literal

from messagedb_agent.consumers.at_least_once import AtLeastOnce
from messagedb_agent.consumers.cursor import Cursor
from messagedb_agent.consumers.delivery import Consuming, Delivery, Kept
from messagedb_agent.consumers.exactly_once import ExactlyOnce
from messagedb_agent.consumers.names import Group
from messagedb_agent.consumers.newest import newest_position
from messagedb_agent.consumers.positions import PositionStore, starts_of
from messagedb_agent.errors import ConfigurationError
from messagedb_agent.ids import Ids
from messagedb_agent.store.store import Directory
from messagedb_agent.store.stream_name import beside
from messagedb_agent.store.transactional import Transactional

_logger = logging.getLogger("messagedb_agent.consumers")

Start = Literal["start", "now"] | int
"""At the beginning, behind the newest message, or at a global position."""


@dataclass(frozen=True, slots=True)
class Starting:
    """How a subscription begins.

    Attributes:
        consuming: what is consumed, and how.
        group: its category, and the name that its position is kept under.
        start: where it starts the first time.
        concurrency: how many streams at once, where each message comes at least once.
        ids: makes ids of messages.
    """

    consuming: Consuming
    group: Group
    start: Start
    concurrency: int
    ids: Ids

    async def begin(self) -> tuple[Cursor, Delivery]:
        """Find out where to begin; return what reads from there on, and what it is handed to.

        Raises:
            ConfigurationError: the name is that of a group of workers.
            StoreUnavailable: the store was not reached.
        """
        consuming, kept, category = self.consuming, self.consuming.kept, self.group.category
        noted = await self._noted(kept) if kept else None
        position = await self._first(kept) if noted is None else noted
        start, reader = position + 1, consuming.reader
        if consuming.handling.takes_connection and isinstance(reader, Transactional) and kept:
            delivery: Delivery = ExactlyOnce(consuming, kept, reader, position)
        else:
            if noted is not None:  # at the position, as Message DB's other clients do
                start = max(1, noted)
            delivery = AtLeastOnce(consuming, start, self.concurrency)
        cursor = Cursor(
            reader,
            category,
            start=start,
            member=consuming.member,
            correlation=consuming.correlation,
        )
        _logger.info("consuming", extra={"category": category, "from": start})
        return cursor, delivery

    async def _noted(self, kept: Kept) -> int | None:
        """Return the position that was noted, by whatever client; None where there is none."""
        if isinstance(kept.store, Directory):
            slots = beside(self.group.category, "slot", f"{self.group.name}-")
            if await kept.store.streams_with_prefix(slots, limit=1):
                raise ConfigurationError(
                    f"{self.group.name!r} is a group of workers; a consumer has a name of its own",
                    field="group",
                )
        position, member = await kept.positions.read(), self.consuming.member
        if position is None and member and isinstance(kept.store, PositionStore):
            reader = self.consuming.reader
            starts = await starts_of(kept.store, self.group, [member], self.ids, reader)
            position = starts[member] or None
        return position

    async def _first(self, kept: Kept | None) -> int:
        """Return the global position behind which it starts the first time."""
        if self.start == "now":
            newest = await newest_position(self.consuming.reader, self.group.category)
            if kept and newest:  # whoever starts it again misses nothing in between
                await kept.positions.record(newest)
            return newest
        return 0 if self.start == "start" else self.start - 1
