"""Of the processes that consume by one name, one does and the others stand by."""

import asyncio

import pytest

from messagedb_agent import MemoryStore
from messagedb_agent.errors import Conflict
from tests.unit.consumers.subscribing import Seen, consumed, consuming, written
from tests.waiting import until

CATEGORY = "orders"


async def test_a_second_one_stands_by_and_goes_on_where_the_first_has_ended() -> None:
    store, first, second = MemoryStore(), Seen(), Seen()
    await written(store, CATEGORY, "1")
    async with consuming(store, CATEGORY, first):
        await until(lambda: first.of("1") == [0])
        waiting = asyncio.create_task(consumed(store, CATEGORY, second))
        await written(store, CATEGORY, "1")
        await until(lambda: first.of("1") == [0, 1])
        assert second.places == []
    await waiting
    assert second.of("1") == [1]  # the last one again, as at any start


async def test_one_that_stands_by_can_be_stopped() -> None:
    store = MemoryStore()
    async with consuming(store, CATEGORY, Seen()) as first:
        await until(lambda: store.owned([f"{CATEGORY}:position-consumer"]))
        async with consuming(store, CATEGORY, Seen()) as second:
            await until(lambda: first.position == 0)
        assert second.done == 0


async def test_members_of_a_group_do_not_wait_for_one_another() -> None:
    store, seen = MemoryStore(), [Seen(), Seen()]
    await written(store, CATEGORY, *map(str, range(9)))
    async with consuming(store, CATEGORY, seen[0], size=2, member=0):
        await consumed(store, CATEGORY, seen[1], size=2, member=1)
        await until(lambda: len(seen[0].places) + len(seen[1].places) == 9)


async def test_where_it_is_not_to_be_waited_for_a_second_one_is_refused() -> None:
    store, seen = MemoryStore(), Seen()
    await written(store, CATEGORY, "1")
    async with consuming(store, CATEGORY, seen):
        await until(lambda: seen.places)
        with pytest.raises(Conflict, match="another process has orders:position-consumer"):
            await consumed(store, CATEGORY, Seen(), standby=False)
    await consumed(store, CATEGORY, seen, standby=False)


async def test_who_has_lost_the_name_handles_nothing_until_it_has_it_anew() -> None:
    store, seen, other = MemoryStore(), Seen(), Seen()
    stream = f"{CATEGORY}:position-consumer"
    places = await written(store, CATEGORY, "1")
    async with consuming(store, CATEGORY, seen) as subscription:
        await until(lambda: seen.places)
        hold = store._owned[stream]
        del store._owned[stream]  # somebody else has it
        async with store.own(stream):
            hold.lost.set()
            await until(lambda: subscription.position == 0)
            await written(store, CATEGORY, "1")
            await consumed(store, CATEGORY, other, name="other")
            assert (len(other.places), len(seen.places)) == (2, 1)
        await until(lambda: 1 in seen.of("1"))
        await until(lambda: subscription.position > places[-1])
        assert subscription.done == len(seen.places)
