"""Threads are put aside whatever went wrong with them."""

import pytest

from messagedb_agent.clock import SystemClock
from messagedb_agent.consumers.names import Group
from messagedb_agent.consumers.parking import Parked, Parking
from messagedb_agent.events.values import MAX_FAILURE_CHARS
from messagedb_agent.ids import TimeOrderedIds
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.store.message import Appended, NewMessage
from tests.contract.messages import new

IDS = TimeOrderedIds(SystemClock())


@pytest.mark.parametrize("reason", ["a NUL \0", "half a pair \ud800", "long" * 2**20])
async def test_a_thread_is_put_aside_though_a_message_cannot_hold_the_whole_reason(
    reason: str,
) -> None:
    store, group = MemoryStore(), Group("agent:v0", "workers")
    await Parking(store, group, IDS).park(Parked("agent:v0-1", 3, 7, reason, 5))
    seen = Parking(store, group, IDS)
    await seen.catch_up()
    (parked,) = seen.parked
    assert (parked.thread_id, parked.position, parked.tries) == ("1", 3, 5)
    assert parked.reason[:6] == reason[:6]
    assert len(parked.reason) <= MAX_FAILURE_CHARS


@pytest.mark.parametrize(
    "stream", ["", "agent:v0", "agent:v0-", "other:v0-1", "agent:v0-two words"]
)
async def test_what_is_no_thread_of_the_group_is_not_parked_nor_tried_again(stream: str) -> None:
    store, group = MemoryStore(), Group("agent:v0", "workers")
    parking = Parking(store, group, IDS)
    for type in ("ThreadParked", "ThreadReplayed", "ThreadParked"):
        await store.append(parking.stream, new(type, f'{{"streamName": "{stream}"}}'))
        assert await parking.catch_up() == {}
        assert not parking.parked
        assert not parking.replayed


async def test_what_is_replayed_before_who_parked_it_goes_on_is_parked_no_more() -> None:
    class Slow(MemoryStore):
        async def append(
            self, stream: str, *messages: NewMessage, expected_version: int | None = None
        ) -> Appended:
            appended = await super().append(stream, *messages, expected_version=expected_version)
            if messages[0].type == "ThreadParked":
                await Parking(self, group, IDS).replay(aside)
                await parking.catch_up()
            return appended

    store, group = Slow(), Group("agent:v0", "workers")
    aside = Parked("agent:v0-1", 3, 7, "why", 5)
    parking = Parking(store, group, IDS)
    await parking.park(aside)
    assert aside.stream not in parking
    assert parking.replayed == (aside.stream,)


async def test_a_thread_that_rests_since_it_was_replayed_is_looked_at_by_nobody_again() -> None:
    store, group = MemoryStore(), Group("agent:v0", "workers")
    parking, aside = Parking(store, group, IDS), Parked("agent:v0-1", 3, 7, "why", 5)
    for _ in range(2):
        await parking.park(aside)
        await parking.replay(aside)
        await parking.catch_up()
        assert parking.replayed == (aside.stream,)
        parking.rests("agent:v0-2")
        parking.rests(aside.stream)
        await parking.note_rested()
        await parking.note_rested()
        for known in (parking, Parking(store, group, IDS)):
            await known.catch_up()
            assert known.replayed == ()
    assert (await store.stream_version(parking.stream)) == 5  # it is said once each time


async def test_a_rest_before_a_thread_was_replayed_again_says_nothing() -> None:
    store, group = MemoryStore(), Group("agent:v0", "workers")
    parking, other = Parking(store, group, IDS), Parking(store, group, IDS)
    aside = Parked("agent:v0-1", 3, 7, "why", 5)
    await parking.replay(aside)
    await parking.catch_up()
    parking.rests(aside.stream)
    await other.park(aside)
    await other.replay(aside)
    await parking.note_rested()
    for known in (parking, other):
        await known.catch_up()
        assert known.replayed == (aside.stream,)
