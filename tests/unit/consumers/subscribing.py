"""A subscription beside a test, in its process."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from messagedb_agent.clock import SystemClock
from messagedb_agent.consumers import Parking, Patience, Subscription
from messagedb_agent.consumers.names import Group
from messagedb_agent.ids import TimeOrderedIds
from messagedb_agent.store.message import Message
from messagedb_agent.store.store import Reader, Store
from tests.contract.messages import new
from tests.waiting import PATIENCE_S

IDS = TimeOrderedIds(SystemClock())
QUICK = Patience(tries=3, soonest_s=0.01, latest_s=0.02)


@dataclass
class Seen:
    """A handler that remembers what it was given, and fails where it is told to.

    Attributes:
        places: stream, without its category, and position of each message that was handled.
        wrong: those at which it raises.
        tried: how often each of those was tried.
    """

    places: list[tuple[str, int]] = field(default_factory=list)
    wrong: set[tuple[str, int]] = field(default_factory=set)
    tried: list[tuple[str, int]] = field(default_factory=list)

    async def __call__(self, message: Message) -> None:
        place = (message.stream_name.partition("-")[2], message.position)
        if place in self.wrong:
            self.tried.append(place)
            raise ValueError(f"not {place[1]}")
        self.places.append(place)

    def of(self, stream: str) -> list[int]:
        return [position for name, position in self.places if name == stream]

    def has_more_than(self, count: int) -> bool:
        return len(self.places) > count


def subscribed(reader: Reader, category: str, handler: Any, **options: Any) -> Subscription:
    return Subscription(reader, category, handler, **{"patience": QUICK, **options})


async def consumed(reader: Reader, category: str, handler: Any, **options: Any) -> Subscription:
    """Handle all that there is."""
    subscription = subscribed(reader, category, handler, **options)
    async with asyncio.timeout(PATIENCE_S):
        await subscription.run(once=True)
    return subscription


@asynccontextmanager
async def consuming(
    reader: Reader, category: str, handler: Any, **options: Any
) -> AsyncIterator[Subscription]:
    """Run a subscription until the context ends, and let it end in order."""
    subscription = subscribed(reader, category, handler, **options)
    task = asyncio.create_task(subscription.run())
    try:
        yield subscription
        subscription.stop()
        async with asyncio.timeout(PATIENCE_S):
            await task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def written(store: Store, category: str, *streams: str, type: str = "Written") -> list[int]:
    """Write a message to each stream, in order; return the global positions."""
    places = [await store.append(f"{category}-{stream}", new(type)) for stream in streams]
    return [place.global_positions[0] for place in places]


async def parking(store: Store, category: str, name: str = "consumer") -> Parking:
    """Return what a consumer has put aside."""
    found = Parking(store, Group(category, name), IDS, of_messages=True)
    await found.catch_up()
    return found


async def noted(store: Store, category: str, identifier: str = "consumer") -> int | None:
    """Return the position that a consumer has noted, as another client reads it."""
    joint = "+" if ":" in category else ":"
    message = await store.last(f"{category}{joint}position-{identifier}", type="Recorded")
    return int(json.loads(message.data or "")["position"]) if message else None
