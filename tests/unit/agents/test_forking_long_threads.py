"""A fork of a long thread is one event, and reads as little as a fork of a short one."""

import pytest

from messagedb_agent.agents.view import view
from messagedb_agent.engine.batch import Batch, Draft
from messagedb_agent.events.schema import SessionArchived, SessionUnarchived
from messagedb_agent.store.message import NewMessage
from tests.counting_store import CountingStore
from tests.unit.engine.world import assert_sound, engine_on, journal_of, scripted, types

LONG = 10_000


async def lengthened(store: CountingStore) -> str:
    """Write a thread of that many events; return its id."""
    engine = engine_on(store, scripted("one"))
    thread_id = (await engine.start("Hello!")).thread_id
    journal = await journal_of(engine, thread_id)

    def noted(batch: Batch) -> None:
        for n in range(LONG - 7):
            event = SessionUnarchived() if n % 2 else SessionArchived()
            batch.add(Draft(batch.new_id(), event))

    await journal.claim(noted)
    agent = await engine_on(store, scripted("two")).latest(thread_id)
    await agent.advance("And?")
    assert await store.stream_version(journal.stream) == LONG - 1
    return thread_id


async def test_a_fork_of_ten_thousand_events_is_one_event_and_reads_one_row() -> None:
    store = CountingStore()
    thread_id = await lengthened(store)
    engine = engine_on(store, scripted("three"))
    agent = await engine.latest(thread_id)
    store.given, written = 0, len(await store.newest_streams("agent:v0", limit=99))
    fork = await agent.fork()
    assert store.given <= 3
    assert await types(engine, fork.thread_id) == ("SessionStarted",)
    assert len(await store.newest_streams("agent:v0", limit=99)) == written + 1
    branch = await fork.fork()  # and a branch of the branch
    assert store.given <= 8
    answered = await branch.advance("Which one?")
    assert answered.answer == "three"
    assert store.given <= 20
    await assert_sound(engine, branch.thread_id)
    assert await engine.fold(branch.thread_id, view) == answered.view


async def test_a_fork_in_another_process_reads_behind_the_newest_snapshot() -> None:
    store = CountingStore()
    thread_id = await lengthened(store)
    position = await engine_on(store).write_snapshot(thread_id)
    assert position == LONG - 1
    store.given = 0
    engine = engine_on(store, scripted("three"))
    fork = await (await engine.latest(thread_id)).fork()
    assert store.given < 50
    assert await types(engine, fork.thread_id) == ("SessionStarted",)
    await assert_sound(engine, fork.thread_id)


@pytest.mark.parametrize("is_by_others", [False, True])
async def test_a_fork_of_a_state_whose_row_is_another_by_now_is_read_anew(
    is_by_others: bool,
) -> None:
    store = CountingStore()
    engine = engine_on(store, scripted("one"))
    agent = await engine.start("Hello!")
    stream = f"agent:v0-{agent.thread_id}"
    row = store._streams[stream].pop()
    text = (row.data or "").replace('"one"', '"another"')
    metadata = None if is_by_others else row.metadata
    await store.append(stream, NewMessage(agent.id[:-4] + "0000", row.type, text, metadata))
    assert (await agent.fork(detached=True)).answer == "another"
