"""How a worker takes its slots, loses them, and gives them up when it is stopped."""

import asyncio
import logging

import pytest

from messagedb_agent.consumers import Worker
from tests.unit.consumers.working import reached, rests, status, working
from tests.unit.engine.world import (
    Gate,
    WatchedStore,
    assert_sound,
    engine_on,
    scripted,
    stream_of,
)
from tests.waiting import until


async def test_the_end_notes_how_far_all_is_handled() -> None:
    engine = engine_on(WatchedStore(), scripted("yes"))
    agent = await engine.start("go", detached=True)
    async with working(engine, size=1):
        await rests(engine, agent)
        await until(lambda: reached(engine))
    assert await reached(engine)


def reported(caplog: pytest.LogCaptureFixture, what: str) -> logging.LogRecord:
    """Return the last line of the log that says `what`."""
    return [record for record in caplog.records if record.getMessage() == what][-1]


async def test_a_worker_that_is_stopped_lets_what_is_under_way_come_to_rest(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    gate, store = Gate(), WatchedStore()
    engine = engine_on(store, scripted(gate.answer("yes"), "too late"))
    agent = await engine.start("go", detached=True)
    worker = Worker(engine)
    task = asyncio.create_task(worker.run())
    await gate.entered.wait()
    worker.stop()
    await until(lambda: store.in_hand == {stream_of(engine, agent.thread_id)})  # no slot
    later = await engine.start("later", detached=True)
    gate.opened.set()
    await task
    client = engine_on(store)
    assert await status(client, agent) == "waiting"
    assert await status(client, later) == "ready"
    assert not store.in_hand
    assert vars(reported(caplog, "stopped"))["lag"] == 0  # of what was read before its end


async def test_what_outlasts_the_grace_is_cancelled_and_taken_up_by_the_next_worker(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    gate, store = Gate(), WatchedStore()
    engine = engine_on(store, scripted(gate.answer("never")))
    agent = await engine.start("go", detached=True)
    worker = Worker(engine, grace_s=0)
    task = asyncio.create_task(worker.run())
    await gate.entered.wait()
    (newest,) = await store.newest_streams("agent:v0", limit=1)
    worker.stop()
    await task
    assert 0 < vars(reported(caplog, "stopped"))["lag"] <= newest.global_position
    client = engine_on(store)
    async with working(engine_on(store, scripted("yes"))):
        await rests(client, agent)
    assert (await client.latest(agent.thread_id)).answer == "yes"
    await assert_sound(client, agent.thread_id)


async def test_the_log_says_whether_anybody_had_a_slot_before(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    store = WatchedStore()
    for told in ("slot taken that nobody had before", "slot taken after a clean end"):
        caplog.clear()
        async with working(engine_on(store), size=1):
            await until(lambda: any("slot taken" in r.getMessage() for r in caplog.records))
        reported(caplog, told)


async def test_whoever_loses_a_slot_stops_its_work_and_takes_it_again() -> None:
    gate, store = Gate(), WatchedStore()
    engine = engine_on(store, scripted(gate.answer("never"), "yes"))
    agent = await engine.start("go", detached=True)
    async with working(engine, size=1):
        await gate.entered.wait()
        for stream in store.in_hand:  # the connection that all locks are on
            store.lose(stream)
        await until(lambda: gate.gone)
        await rests(engine_on(store), agent)
    assert (await engine_on(store).latest(agent.thread_id)).answer == "yes"
    await assert_sound(engine_on(store), agent.thread_id)
