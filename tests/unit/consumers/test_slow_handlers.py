"""Handlers that take long, or keep all else from running: what is said of them."""

import asyncio
import time

import pytest

from messagedb_agent import MemoryStore
from messagedb_agent.consumers import consumption
from messagedb_agent.store.message import Message
from tests.unit.consumers.subscribing import consumed, consuming, written
from tests.waiting import until

CATEGORY = "orders"


async def test_a_message_without_a_bound_that_takes_long_is_told_of(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(consumption, "_LONG_S", 0.05)
    store, release = MemoryStore(), asyncio.Event()
    await written(store, CATEGORY, "1")

    async def handle(_: Message) -> None:
        await release.wait()

    async with consuming(store, CATEGORY, handle, timeout_s=None) as subscription:
        await until(lambda: "a message is handled for more than 0.05 s" in caplog.text)
        assert subscription.longest_s > 0.05
        release.set()
        await until(lambda: subscription.longest_s == 0)


async def test_a_handler_that_keeps_the_loop_from_running_is_told_of_while_it_does() -> None:
    store, said = MemoryStore(), list[str]()
    await written(store, CATEGORY, "1", "1")

    async def handle(_: Message) -> None:
        while not said:
            time.sleep(0.01)  # noqa: ASYNC251 - which is the point

    await consumed(store, CATEGORY, handle, timeout_s=0.2, on_blocked=said.append)
    assert said[0].startswith("a handler has kept the event loop from running for")


async def test_a_loop_that_runs_is_not_told_of() -> None:
    store, said = MemoryStore(), list[str]()
    await written(store, CATEGORY, "1")

    async def handle(_: Message) -> None:
        await asyncio.sleep(0.3)

    await consumed(store, CATEGORY, handle, timeout_s=5.0, on_blocked=said.append)
    assert said == []
