"""A handler that kills its process: the message is found and parked, and the others go on."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from messagedb_agent import MemoryStore
from messagedb_agent.errors import StoreUnavailable
from messagedb_agent.store.message import Appended, Message, NewMessage
from tests.contract.messages import all_of, many, new
from tests.unit.consumers.subscribing import QUICK, Seen, parking, subscribed, written
from tests.waiting import PATIENCE_S

CATEGORY = "orders"
RUNS = f"{CATEGORY}:run-consumer"
BAD = (f"{CATEGORY}-bad", 1)


class Mortal(MemoryStore):
    """A store that hears nothing more of a process that has died."""

    def __init__(self) -> None:
        super().__init__()
        self.died = asyncio.Event()
        self.notes = 0
        self.fails_at = 0  # which of them fails

    async def append(
        self, stream: str, *messages: NewMessage, expected_version: int | None = None
    ) -> Appended:
        if self.died.is_set():
            raise StoreUnavailable("the process is dead")
        self.notes += stream == RUNS
        if stream == RUNS and self.notes == self.fails_at:
            raise StoreUnavailable("away")
        return await super().append(stream, *messages, expected_version=expected_version)

    async def die(self) -> None:
        self.died.set()
        await asyncio.sleep(PATIENCE_S)

    async def lives(self, handle: Callable[[Message], Awaitable[None]], tries: int = 5) -> bool:
        """Run a process until all is handled; False where it dies before."""
        patience = replace(QUICK, tries=tries, lives_s=0.001)
        run = asyncio.create_task(
            subscribed(self, CATEGORY, handle, patience=patience).run(once=True)
        )
        died = asyncio.create_task(self.died.wait())
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.wait({run, died}, return_when=asyncio.FIRST_COMPLETED)
        was_alive = run.done()
        run.cancel()
        died.cancel()
        await asyncio.gather(run, died, return_exceptions=True)
        self.died.clear()
        return was_alive


class Killing(Seen):
    """Kills its process at one message."""

    def __init__(self, store: Mortal) -> None:
        super().__init__()
        self.store = store
        self.deaths = 0
        self.kills: set[tuple[str, int]] = {BAD}

    async def __call__(self, message: Message) -> None:
        if (message.stream_name, message.position) in self.kills:
            self.deaths += 1
            await self.store.die()
        await super().__call__(message)


async def filled(before: int, behind: int) -> Mortal:
    store = Mortal()
    await written(store, CATEGORY, "bad", "good")
    for stream, count in (("before", before), ("bad", 1), ("behind", behind), ("bad", 1)):
        for first in range(0, count, 500):
            await store.append(f"{CATEGORY}-{stream}", *many(min(500, count - first)))
    return store


@pytest.mark.parametrize(
    ("before", "behind", "tries", "deaths"), [(3, 3, 2, 2), (3, 3, 5, 5), (700, 900, 5, 5)]
)
async def test_what_kills_each_process_is_parked_with_its_reason_and_the_others_go_on(
    before: int, behind: int, tries: int, deaths: int
) -> None:
    store = await filled(before, behind)
    handle = Killing(store)
    for _ in range(deaths):
        assert not await store.lives(handle, tries)
    assert await store.lives(handle, tries)
    assert handle.deaths == deaths
    assert sorted(set(handle.of("before"))) == list(range(before))
    assert sorted(set(handle.of("behind"))) == list(range(behind))
    (parked,) = (await parking(store, CATEGORY)).parked
    assert (parked.stream, parked.position, parked.tries) == (*BAD, deaths)
    assert parked.reason == f"{deaths} processes died, the last ones when it was handled"
    await written(store, CATEGORY, "bad", "good")
    assert await store.lives(handle, tries)
    assert (handle.deaths, handle.of("bad")[-1]) == (deaths, 0)


async def test_it_is_parked_again_where_it_was_replayed_and_kills_on() -> None:
    store = await filled(3, 3)
    handle = Killing(store)
    while not await store.lives(handle, 2):
        pass
    aside = await parking(store, CATEGORY)
    await aside.replay(aside.parked[0])
    await written(store, CATEGORY, "good")
    for _ in range(2):
        assert not await store.lives(handle, 2)
    assert await store.lives(handle, 2)
    assert handle.of("good")[-1] == 1
    (parked,) = (await parking(store, CATEGORY)).parked
    assert (parked.stream, parked.position) == BAD
    handle.kills.clear()
    await aside.replay(parked)
    assert await store.lives(handle, 2)
    assert handle.of("bad") == [0] * handle.of("bad").count(0) + [1, 2]


async def test_processes_that_are_killed_from_outside_park_nothing() -> None:
    store = await filled(300, 300)
    handle = Killing(store)
    for position in (5, 40, 41, 290):
        handle.kills = {(f"{CATEGORY}-before", position)}
        assert not await store.lives(handle, 3)
    handle.kills.clear()
    assert await store.lives(handle, 3)
    assert not (await parking(store, CATEGORY)).parked
    assert sorted(set(handle.of("behind"))) == list(range(300))


async def test_care_ends_with_what_was_there_and_a_process_that_ends_in_order_leaves_none() -> None:
    store = await filled(100, 100)
    handle = Killing(store)
    assert not await store.lives(handle)
    handle.kills.clear()
    assert await store.lives(handle)
    types = [message.type for message in await all_of(store.read(RUNS))]
    assert types[-2:] == ["SuspectsCleared", "ConsumerEnded"]
    await store.append(f"{CATEGORY}-1", *many(500))
    assert await store.lives(handle)
    behind = [message.type for message in await all_of(store.read(RUNS))][len(types) :]
    assert behind == ["ConsumerStarted", "ConsumerEnded"]  # nothing for each message


@pytest.mark.parametrize("fails_at", range(1, 7))
async def test_a_store_that_fails_while_care_is_taken_loses_nothing_and_counts_no_death(
    fails_at: int,
) -> None:
    store = await filled(30, 30)
    handle = Killing(store)
    assert not await store.lives(handle, 2)
    handle.kills.clear()
    store.notes, store.fails_at = 0, fails_at
    assert await store.lives(handle, 2)
    assert store.notes > fails_at
    for stream, count in (("before", 30), ("behind", 30), ("bad", 3)):
        assert sorted(set(handle.of(stream))) == list(range(count))
    assert not (await parking(store, CATEGORY)).parked


@pytest.mark.parametrize(
    "data",
    [
        '{"suspects": 7}',
        '{"suspects": {"deaths": -1}}',
        '{"suspects": {"deaths": 9, "through": 99999999999, "count": 1, "first": []}}',
        '{"suspects": {"deaths": 9, "through": "x", "replayed": [7, "other-1"]}}',
        '{"suspects": {"deaths": 9, "count": 1, "first": {"streamName": "other-1"}}}',
    ],
)
@pytest.mark.parametrize("type", ["SuspectsBegun", "ConsumerStarted", "Foreign"])
async def test_what_others_write_into_its_stream_stops_nothing(type: str, data: str) -> None:
    store = await filled(3, 3)
    await store.append(RUNS, new(type, data))
    handle = Killing(store)
    handle.kills.clear()
    assert await store.lives(handle)
    assert sorted(handle.of("behind")) == [0, 1, 2]
