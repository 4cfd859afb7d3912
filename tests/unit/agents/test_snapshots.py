"""A snapshot is read in the place of what it was folded from, and only where it may be."""

from dataclasses import replace
from typing import Any

import orjson
import pytest

from messagedb_agent import MemoryStore, connect, tool
from messagedb_agent.engine.snapshot import packed_page, snapshot_in
from messagedb_agent.errors import IntegrityError, ModelError
from messagedb_agent.events.chain import GENESIS, hash_text
from messagedb_agent.store.message import Message
from tests.unit.agents.snapshots import (
    ChangedStore,
    as_a_full_fold,
    begun,
    engine_on,
    snapshots_of,
    stream_of,
    turns,
)
from tests.unit.agents.wrong_snapshots import WRONG, forged


async def test_the_next_turn_in_a_new_process_reads_what_came_since() -> None:
    store = ChangedStore()
    agent = await begun(store)
    (*_, last) = await snapshots_of(store, agent)
    version = orjson.loads(last.data or "")["entityVersion"]
    assert version > agent.position - 10
    engine, store.given = await engine_on(store), 0
    later = await engine.latest(agent.thread_id)
    # Row 0, which says whether it is a fork, the snapshot's own, and what came since.
    assert store.given == 2 + agent.position - version
    assert later == agent
    await as_a_full_fold(engine, later)
    answered = await later.advance("What is 5 + 1?")
    assert answered.answer == "5 + 1 = 6."
    await as_a_full_fold(engine, answered)
    assert (await engine.verify(agent.thread_id)).finding is None


async def test_with_never_none_is_read_either() -> None:
    store = ChangedStore()
    agent = await begun(store)
    engine, store.given = await engine_on(store, "never"), 0
    assert await engine.latest(agent.thread_id) == agent
    assert store.given > agent.position


@pytest.mark.parametrize("what", WRONG)
async def test_a_snapshot_that_is_wrong_is_not_used(
    what: str, caplog: pytest.LogCaptureFixture
) -> None:
    store = ChangedStore()
    agent = await begun(store)
    store.change = WRONG[what]
    engine, store.given = await engine_on(store), 0
    with caplog.at_level("DEBUG", logger="messagedb_agent.snapshots"):
        later = await engine.latest(agent.thread_id)
    assert store.given > agent.position
    assert later == agent
    assert later.view == agent.view
    assert "is not used" in caplog.text
    store.change = lambda message: message
    assert (await later.advance("What is 5 + 1?")).answer == "5 + 1 = 6."


async def test_two_versions_of_the_code_that_take_turns_begin_each_behind_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = ChangedStore()
    agent = await begun(store)
    (*_, own) = await snapshots_of(store, agent)
    with monkeypatch.context() as patched:
        patched.setattr("messagedb_agent.agents.snapshotting.fingerprint", lambda: "other")
        other = await engine_on(store)
        agent = await turns(other, await other.latest(agent.thread_id), 2)
    (*_, last) = await snapshots_of(store, agent)
    assert snapshot_in(last).code == "other"
    engine, store.given = await engine_on(store), 0
    later = await engine.latest(agent.thread_id)
    assert store.given == 2 + later.position - snapshot_in(own).position
    await as_a_full_fold(engine, later)


async def test_a_row_that_was_changed_where_a_snapshot_ends_is_read_as_it_stands() -> None:
    store = ChangedStore()
    agent = await begun(store)
    (*_, last) = await snapshots_of(store, agent)
    at = snapshot_in(last).position

    def changed(message: Message) -> Message | None:
        is_one = message.stream_name == stream_of(agent) and message.position == at
        data = (message.data or "").replace("= 3", "= 4")
        return replace(message, data=data) if is_one else message

    store.change = changed
    later = await (await engine_on(store)).latest(agent.thread_id)
    assert later.answer == "2 + 1 = 4."


async def test_a_cut_tail_is_folded_from_a_snapshot_before_the_cut() -> None:
    store = ChangedStore()
    agent = await begun(store)
    versions = [snapshot_in(m).position for m in await snapshots_of(store, agent)]
    cut = versions[-1] - 1
    del store._streams[stream_of(agent)][cut + 1 :]
    engine, store.given = await engine_on(store), 0
    later = await engine.latest(agent.thread_id)
    assert store.given == 2 + cut - versions[-2]
    await as_a_full_fold(engine, later)


async def test_a_fork_begins_behind_a_snapshot_of_its_parent_and_goes_on_behind_its_own() -> None:
    store = ChangedStore()
    agent = await begun(store, count=9)
    states = agent.view.lineage.states
    engine = await engine_on(store)
    parent = await engine.load_agent(states[5].id)
    store.given = 0
    fork = await parent.fork()
    assert store.given < 20 < parent.position
    fork = await turns(engine, fork, 4)
    (*_, last) = await snapshots_of(store, fork)
    assert [part.stream for part in snapshot_in(last).past] == [stream_of(agent)]
    again, store.given = await engine_on(store), 0
    later = await again.latest(fork.thread_id)
    assert store.given < 20
    assert later == fork
    await as_a_full_fold(again, later)
    assert (await again.verify(fork.thread_id)).finding is None


async def test_a_fork_without_a_snapshot_begins_behind_one_of_its_parent() -> None:
    store = ChangedStore()
    agent = await begun(store, count=9)
    fork = await (await (await engine_on(store, "never")).latest(agent.thread_id)).fork()
    engine, store.given = await engine_on(store), 0
    later = await engine.latest(fork.thread_id)
    assert store.given < 20 < agent.position
    await as_a_full_fold(engine, later)


async def test_a_fork_whose_parent_is_cut_is_refused_with_a_snapshot_too() -> None:
    store = ChangedStore()
    agent = await begun(store)
    engine = await engine_on(store)
    fork = await turns(engine, await agent.fork(), 3)
    assert await snapshots_of(store, fork)
    del store._streams[stream_of(agent)][5:]
    with pytest.raises(IntegrityError):
        await (await engine_on(store)).latest(fork.thread_id)


@pytest.mark.parametrize(
    ("page", "why"),
    [
        ({"start": hash_text(GENESIS), "streams": [], "rows": [[1]]}, "has another shape: "),
        ({"start": hash_text(GENESIS), "streams": [], "rows": []}, "holds 0 items, not 1"),
    ],
)
async def test_a_forged_page_with_a_right_digest_fails_a_turn_and_says_how_it_is_dropped(
    page: dict[str, Any], why: str
) -> None:
    store = ChangedStore()
    agent = await begun(store)
    entries = (packed_page(orjson.dumps(page), 1),)
    store.change = forged(pages={"entries": entries, "states": ()})
    later = await (await engine_on(store)).latest(agent.thread_id)
    with pytest.raises(ModelError) as refused:
        await later.advance("What is 5 + 1?")
    told = f"IntegrityError: a page of the snapshot of {stream_of(agent)} {why}"
    assert str(refused.value).startswith(told)
    drop = f"; without it: messagedb-agent db snapshots {agent.thread_id} --drop"
    assert str(refused.value).endswith(drop)


async def test_a_message_said_before_a_snapshot_still_has_the_answer_that_it_got() -> None:
    store = MemoryStore()
    engine = await engine_on(store)
    said = "0f8fad5b-d9cb-469f-a165-70867728950e"
    first = await engine.start("What is 1 + 1?")
    asked = await first.advance("What is 6 * 7?", message_id=said)
    agent = await turns(engine, asked, 4)
    again = await (await engine_on(store)).latest(agent.thread_id)
    told = await again.advance("What is 6 * 7?", message_id=said, at_head=True)
    assert told.answer == "6 * 7 = 42."
    assert told == asked


async def test_a_call_that_waits_in_a_snapshot_goes_on_from_there() -> None:
    @tool(needs_approval=True)
    def remove(name: str) -> str:
        """Remove something."""
        return f"{name} is gone"

    found = []
    for policy in ("every 1", "never"):
        store = MemoryStore()
        one, other = [await connect(store, tools=[remove], snapshots=policy) for _ in range(2)]
        agent = await one.start('call remove {"name": "it"}')
        await one._runs.close()
        assert agent.status == "approval"
        later = await other.latest(agent.thread_id)
        done = await later.approve()
        assert done.answer == "remove: it is gone"
        rows = [m async for m in store.read(stream_of(agent))]
        metadata = [orjson.loads(m.metadata or "") for m in rows]
        causes = [(m.get("causationMessagePosition"), len(m)) for m in metadata]
        found.append(([m.type for m in rows], causes))
    assert found[0] == found[1]
