"""Threads are put aside whatever went wrong with them."""

import pytest

from messagedb_agent.clock import SystemClock
from messagedb_agent.consumers.names import Group
from messagedb_agent.consumers.parking import Parked, Parking
from messagedb_agent.events.values import MAX_FAILURE_CHARS
from messagedb_agent.ids import TimeOrderedIds
from messagedb_agent.store.memory import MemoryStore

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
