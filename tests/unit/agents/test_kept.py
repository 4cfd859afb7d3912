"""A thread that was worked on lately is not read again from its beginning, and never wrongly."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from uuid import uuid4

import pytest

from messagedb_agent import Agent, Engine, MemoryStore, connect, tool
from messagedb_agent.agents.kept import KeptRuns
from messagedb_agent.agents.progress import Progress
from messagedb_agent.agents.run import Run
from messagedb_agent.agents.view import view
from messagedb_agent.engine.journal import Writing
from messagedb_agent.events.recorded import Recorded
from messagedb_agent.store.message import Message, NewMessage
from messagedb_agent.store.store import StreamHead
from tests.counting_store import CountingStore


class FewStatements(CountingStore):
    """Counts what reads of many streams at once."""

    def __init__(self) -> None:
        super().__init__()
        self.statements = 0

    async def heads_of(
        self, streams: Collection[str], *, as_of: int | None = None
    ) -> Sequence[StreamHead]:
        self.statements += 1
        return await super().heads_of(streams, as_of=as_of)

    async def beginnings(
        self, streams: Collection[str], *, rows: int
    ) -> Mapping[str, Sequence[Message]]:
        self.statements += 1
        return await super().beginnings(streams, rows=rows)


def noted() -> NewMessage:
    return NewMessage(str(uuid4()), "Noted", "{}", None)


async def verified(engine: Engine, agent: Agent) -> None:
    verification = await engine.verify(agent.thread_id)
    assert verification.finding is None


async def test_a_turn_reads_nothing_that_was_read_before() -> None:
    store = CountingStore()
    async with connect(store) as engine:
        agent = await engine.start("What is 1 + 1?")
        store.given = 0
        for number in range(20):
            agent = await agent.advance(f"What is {number} + 1?")
        assert store.given == 0
        assert agent.answer == "19 + 1 = 20."
        assert agent.view == (await engine.latest(agent.thread_id)).view


async def test_an_engine_with_further_tools_tells_a_run_of_what_is_new_alone() -> None:
    @tool(effect="retry")
    def shout(text: str) -> str:
        """Say it louder."""
        return text.upper()

    store, told = CountingStore(), list[str]()
    async with connect(store) as engine:
        agent = await engine.start("What is 1 + 1?")
        store.given = 0
        louder = engine.with_tools(shout)
        progress = Progress(on_event=lambda recorded: told.append(type(recorded.event).__name__))
        agent = await replace(agent, engine=louder).advance(
            'call shout {"text": "hi"}', progress=progress
        )
    assert agent.answer == "shout: HI"
    assert store.given == 0
    assert told[:3] == ["AgentRedefined", "UserMessageAdded", "LlmCallStarted"]


async def test_what_others_wrote_meanwhile_is_read_and_nothing_else() -> None:
    store = CountingStore()
    ours, theirs = await connect(store), await connect(store)
    agent = await ours.start("What is 1 + 1?")
    other = await theirs.latest(agent.thread_id)
    other = await other.advance("Hello!")
    store.given = 0
    agent = await agent.resume()
    assert store.given == other.position - 7
    assert agent == other
    assert agent.view == other.view
    await verified(ours, agent)


async def test_an_agent_that_others_moved_on_still_forks() -> None:
    store = MemoryStore()
    ours, theirs = await connect(store), await connect(store)
    agent = await ours.start("What is 1 + 1?")
    await (await theirs.latest(agent.thread_id)).advance("Hello!")
    fork = await agent.advance("What is 2 + 2?")
    assert fork.thread_id != agent.thread_id
    again = await fork.advance("What is 3 + 3?")
    assert (again.thread_id, again.answer) == (fork.thread_id, "3 + 3 = 6.")
    await verified(ours, again)


async def test_two_turns_of_a_thread_at_once_do_not_share_what_is_folded() -> None:
    async with connect(MemoryStore()) as engine:
        agent = await engine.start("Hello!")
        first, second = await asyncio.gather(
            agent.advance("What is 1 + 1?"), agent.advance("What is 2 + 2?")
        )
        for ended in (first, second):
            at = ended.view.last.position if ended.view.last else None
            assert ended.view == await engine.fold(ended.thread_id, view, at=at)
            assert ended.view == (await engine.load_agent(ended.id)).view
            await verified(engine, ended)
        newest = await engine.latest(agent.thread_id)
        assert (await newest.advance("What is 3 + 3?")).answer == "3 + 3 = 6."


async def test_after_an_error_the_thread_is_read_anew() -> None:
    def broken(recorded: Recorded) -> None:
        raise RuntimeError("the listener is broken")

    async with connect(MemoryStore()) as engine:
        agent = await engine.start("Hello!")
        with pytest.raises(RuntimeError, match="the listener is broken"):
            await agent.advance("What is 1 + 1?", progress=Progress(on_event=broken))
        newest = await engine.latest(agent.thread_id)
        ended = await newest.advance("What is 2 + 2?")
        assert ended.answer == "2 + 2 = 4."
        assert ended.view == await engine.fold(agent.thread_id, view)
        await verified(engine, ended)


@pytest.mark.parametrize("at", range(8))
async def test_what_an_error_left_between_two_events_is_not_gone_on_with(at: int) -> None:
    def broken(recorded: Recorded) -> None:
        if recorded.position == at:
            raise RuntimeError("the listener is broken")

    async with connect(MemoryStore()) as engine:
        with pytest.raises(RuntimeError, match="the listener is broken"):
            await engine.start("What is 1 + 1?", progress=Progress(on_event=broken))
        left = await engine.latest("last")
        assert left.view == await engine.fold(left.thread_id, view)
        ended = await left.resume()
        assert ended.answer == "1 + 1 = 2."
        assert ended.view == await engine.fold(left.thread_id, view)
        await verified(engine, ended)


async def test_a_listener_of_one_turn_hears_nothing_of_the_next() -> None:
    heard: list[int] = []
    async with connect(MemoryStore()) as engine:
        progress = Progress(on_event=lambda recorded: heard.append(recorded.position))
        agent = await engine.start("Hello!", progress=progress)
        assert heard == [0, 1, 2, 3]
        await agent.advance("Thanks!")
        assert heard == [0, 1, 2, 3]


def test_the_longest_unused_threads_are_dropped_first() -> None:
    kept = KeptRuns(max_events=10)
    runs = {name: _run(name, events=4) for name in "abc"}
    for run in runs.values():
        kept.keep(run)
    assert kept.take("a") is None
    assert kept.take("b") is runs["b"]
    assert kept.take("b") is None, "it was taken out"
    assert kept.take("c") is runs["c"]


def test_the_thread_kept_last_stays_however_long_it_is() -> None:
    kept = KeptRuns(max_events=10)
    kept.keep(_run("short", events=1))
    long = _run("long", events=1000)
    kept.keep(long)
    assert kept.take("short") is None
    assert kept.take("long") is long
    small = _run("small", events=10)
    kept.keep(small)
    assert kept.take("small") is small, "what was taken out no longer counts"


def _run(thread_id: str, *, events: int) -> Run:
    run = Run(MemoryStore(), f"agent:v0-{thread_id}", thread_id, Writing())
    run.events = events
    return run


async def test_many_short_threads_are_listed_by_few_statements() -> None:
    store = FewStatements()
    async with connect(store) as engine:
        agents = [await engine.create_agent(f"agent {number}") for number in range(30)]
        engine.clear_cache()
        store.given, store.statements = 0, 0
        assert [*await engine.list_agents()] == agents[::-1]
        assert (store.given, store.statements) == (0, 2)
        assert [*await engine.list_agents()] == agents[::-1]
        assert (store.given, store.statements) == (0, 4)


async def test_threads_are_read_together_so_far_as_one_statement_may_hold_them() -> None:
    store = FewStatements()
    async with connect(store) as engine:
        agents = [await engine.create_agent() for _ in range(11)]
        for agent in agents:
            await store.append(f"agent:v0-{agent.thread_id}", *(noted() for _ in range(199)))
        engine.clear_cache()
        store.given, store.statements = 0, 0
        assert [*await engine.list_agents()] == agents[::-1]
        assert (store.given, store.statements) == (0, 1 + 3)
