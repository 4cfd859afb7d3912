"""A state is folded on from the nearest one that was folded before, and is the full fold always."""

import random
from dataclasses import replace
from threading import Thread

import pytest

from messagedb_agent import Agent, Engine, MemoryStore, connect
from messagedb_agent.agents.kept import KeptRuns
from messagedb_agent.agents.run import Run
from messagedb_agent.agents.states import FoldedStates, state_at
from messagedb_agent.agents.view import View, view
from messagedb_agent.agents.weight import CHARS
from messagedb_agent.engine.history import read_events
from messagedb_agent.engine.journal import Writing
from messagedb_agent.errors import NotFound
from messagedb_agent.events.recorded import Recorded
from tests.unit.agents.snapshots import ChangedStore, begun, engine_on, stream_of, turns


async def folded(engine: Engine, stream: str, position: int) -> View:
    """Fold everything up to a position, whatever is kept."""
    thread_id = stream.removeprefix("agent:v0-")
    return await engine.fold(thread_id, view, at=position)


async def events(engine: Engine, agent: Agent) -> list[Recorded]:
    return [event async for event in read_events(engine.store, stream_of(agent))]


async def test_a_state_that_was_folded_is_not_read_again() -> None:
    store = ChangedStore()
    async with connect(store) as engine:
        agent = await engine.start("What is 1 + 1?")
        later = await turns(engine, agent, 3)
        store.given = 0
        for known in (agent, later):
            again = await engine.load_agent(known.id)
            assert (again, again.view) == (known, known.view)
        assert store.given == 2 * 2  # row 0, which says whether it is a fork, and the state's own


async def test_only_what_came_since_the_nearest_state_is_read() -> None:
    store = ChangedStore()
    agent = await begun(store, "never", count=6)
    async with connect(store, snapshots="never") as engine:
        rows = await events(engine, agent)
        await engine.load_agent(rows[20].id)
        store.given = 0
        assert (await engine.load_agent(rows[25].id)).view == await folded_apart(store, rows[25])
        assert store.given == 1 + 6 + 27  # row 0, from 20 to 25, and the fold to compare it with


async def folded_apart(store: ChangedStore, last: Recorded) -> View:
    async with connect(ChangedStore()) as other:
        return await folded(replace(other, store=store), last.stream, last.position)


async def test_a_fork_is_folded_on_from_its_parent() -> None:
    store = ChangedStore()
    async with connect(store, snapshots="never") as engine:
        agent = await turns(engine, await engine.start("What is 1 + 1?"), 6)
        fork = await agent.fork(title="Another way")
        fork = await fork.advance("What is 2 + 2?")
        states = [
            state.id for state in fork.view.lineage.states if state.stream != stream_of(agent)
        ]
        engine.clear_cache()
        await engine.load_agent(agent.id)
        store.given = 0
        loaded = await engine.load_agent(states[0])
        assert store.given <= 5
        assert loaded.view == await folded(engine, stream_of(fork), 0)


async def test_in_a_new_process_a_state_is_folded_from_a_snapshot_before_it() -> None:
    store = ChangedStore()
    agent = await begun(store, "every 50", count=45)
    ids = [state.id for state in agent.view.lineage.states]
    engine, store.given = await engine_on(store, "every 50"), 0
    loaded = await engine.load_agent(ids[-3])
    assert store.given < 80 < loaded.position
    assert loaded.view == await folded(engine, stream_of(agent), loaded.position)


async def test_whatever_is_kept_a_state_is_the_fold_of_all_events_up_to_it() -> None:
    chance, store = random.Random(5), ChangedStore()
    async with connect(store, snapshots="every 20") as engine:
        kept = FoldedStates(max_entries=60)
        agents = [await engine.start("What is 1 + 1?")]
        for _ in range(150):
            agent = chance.choice(agents)
            if chance.random() < 0.15:
                agents.append(await agent.advance(chance.choice(["Hello!", "What is 2 + 3?"])))
            stream = stream_of(agent)
            position = chance.randint(0, await store.stream_version(stream))
            snapshots = chance.choice([None, engine._runs.snapshots])
            seen = await state_at(store, stream, position, kept, snapshots)
            assert seen == await folded(engine, stream, position)
            assert sum(len(v.conversation.entries) for v in kept._views.values()) <= 60
        assert len({agent.thread_id for agent in agents}) > 3
        assert len(kept) > 3


async def test_a_state_that_stands_there_no_more_is_not_gone_on_from() -> None:
    store = ChangedStore()
    async with connect(store, snapshots="never") as engine:
        before = await engine.start("What is 1 + 1?")
        agent = await turns(engine, before, 2)
        rows = store._streams[stream_of(agent)]
        data = (rows[before.position].data or "").replace("1 + 1", "9 + 9")
        rows[before.position] = replace(rows[before.position], data=data)
        kept = FoldedStates()
        kept.keep(before.view)
        seen = await state_at(store, stream_of(agent), agent.position, kept, None)
        assert "9 + 9" in repr([*seen.conversation.entries])
        assert seen == await folded(engine, stream_of(agent), agent.position)


async def test_what_is_gone_is_not_found_though_it_was_kept() -> None:
    store = ChangedStore()
    async with connect(store) as engine:
        agent = await engine.start("Hello!")
        store._by_id.clear()
        with pytest.raises(NotFound):
            await engine.load_agent(agent.id)


async def test_threads_of_a_process_may_use_what_is_kept_at_once() -> None:
    store = ChangedStore()
    async with connect(store) as engine:
        agent = await turns(engine, await engine.start("What is 1 + 1?"), 3)
        views = [
            await folded(engine, stream_of(agent), position)
            for position in range(agent.position + 1)
        ]
    kept, failures = FoldedStates(max_entries=20), list[BaseException]()

    def work(number: int) -> None:
        chance = random.Random(number)
        try:
            for _ in range(300):
                kept.keep(chance.choice(views))
                until = chance.randint(0, len(views))
                found = kept.nearest(stream_of(agent), until)
                assert found is None or (found.last and found.last.position <= until)
                if chance.random() < 0.3:
                    kept.clear()
                if chance.random() < 0.3:
                    kept.drop(stream_of(agent))
        except BaseException as error:  # noqa: BLE001 - told in the test's own thread
            failures.append(error)

    threads = [Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    kept.clear()
    assert kept._entries == len(kept) == len(kept._positions) == 0


async def test_after_the_cache_is_cleared_all_is_read_again() -> None:
    store = ChangedStore()
    async with connect(store, snapshots="never") as engine:
        agent = await engine.start("What is 1 + 1?")
        engine.clear_cache()
        store.given = 0
        assert (await engine.load_agent(agent.id)).view == agent.view
        assert store.given > agent.position
        assert (await engine.latest("last")).view == agent.view
        assert (await agent.advance("What is 2 + 2?")).thread_id == agent.thread_id


async def test_threads_of_long_texts_are_kept_in_fewer_number() -> None:
    async with connect(MemoryStore()) as engine:
        long = "word " * 2 * CHARS
        agents = [await engine.start(f"{n} {long}", detached=True) for n in range(9)]
    kept, runs = FoldedStates(max_entries=50), KeptRuns(max_events=50)
    for agent in agents:
        kept.keep(agent.view)
        run = Run(MemoryStore(), stream_of(agent), agent.thread_id, Writing())
        run.view = agent.view
        runs.keep(run)
    assert len(kept) == 3
    assert [runs.has(agent.thread_id) for agent in agents] == [False] * 4 + [True] * 5
