"""Slots are shared by the workers that live, and each is somebody's."""

from contextlib import AsyncExitStack

from messagedb_agent.consumers.names import Group
from messagedb_agent.consumers.slots import Slots, slots_of
from messagedb_agent.store.member import Member
from messagedb_agent.store.memory import MemoryStore

GROUP = Group("agent:v0", "workers")


async def settle(*workers: Slots) -> list[int]:
    """Let workers look until nothing changes, and return how many slots each has."""
    before: list[int] = []
    while True:
        for worker in workers:
            for member in await worker.look():
                await worker.let_go(member)
        now = [len(worker.held) for worker in workers]
        if now == before:
            return now
        before = now


async def test_a_worker_alone_has_all_slots() -> None:
    async with slots_of(MemoryStore(), GROUP, 4) as alone:
        assert await settle(alone) == [4]


async def test_workers_that_come_and_go_share_the_slots_evenly_and_no_slot_is_left() -> None:
    store = MemoryStore()
    async with AsyncExitStack() as stack:
        first, second, third = [
            await stack.enter_async_context(slots_of(store, GROUP, 4)) for _ in range(3)
        ]
        assert await settle(first) == [4]
        assert await settle(first, second) == [2, 2]
        assert await settle(first, second, third) == [2, 1, 1]
        held = [member for worker in (first, second, third) for member in worker.held]
        assert sorted(held, key=lambda m: m.number) == [Member(n, 4) for n in range(4)]
        await first.leave()
        assert await settle(second, third) == [2, 2]


async def test_a_worker_beyond_one_a_slot_stands_by_and_steps_in() -> None:
    store = MemoryStore()
    async with (
        slots_of(store, GROUP, 1) as first,
        slots_of(store, GROUP, 1) as second,
    ):
        assert await settle(first, second) == [1, 0]
        await first.leave()
        assert await settle(second) == [1]


async def test_groups_and_sizes_share_nothing() -> None:
    store = MemoryStore()
    async with (
        slots_of(store, GROUP, 2) as one,
        slots_of(store, GROUP, 3) as other_size,
        slots_of(store, Group("agent:v0", "others"), 2) as other_group,
    ):
        assert await settle(one, other_size, other_group) == [2, 3, 2]
