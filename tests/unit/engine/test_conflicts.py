"""Somebody else was first: claims are planned anew, facts stand behind what came, nothing twice."""

import asyncio
from collections.abc import Callable

import pytest

from messagedb_agent.agent.commands import Say
from messagedb_agent.engine.batch import Batch, Draft
from messagedb_agent.engine.journal import Journal
from messagedb_agent.engine.saying import Saying
from messagedb_agent.errors import DuplicateMessage, StoreUnavailable, WrongExpectedVersion
from messagedb_agent.events.schema import (
    LlmCallFailed,
    LlmCallStarted,
    LlmResponseReceived,
    SessionTitled,
    UserMessageAdded,
)
from messagedb_agent.ids import derived_id
from messagedb_agent.llm.scripted import call
from messagedb_agent.store.message import NewMessage
from messagedb_agent.tools.function_tool import tool
from tests.unit.engine.world import (
    Gate,
    WatchedStore,
    assert_sound,
    engine_on,
    events,
    journal_of,
    look,
    scripted,
    types,
    under_way,
)
from tests.waiting import until


class Rival:
    """Says something into a thread just before an append of the type it waits for."""

    def __init__(self, store: WatchedStore, journal: Journal, awaited: str) -> None:
        self.times = 0
        self._journal = journal
        self._awaited = awaited
        self._store = store
        store.before = self.butt_in

    async def butt_in(self, _: str, messages: tuple[NewMessage, ...]) -> None:
        if all(message.type != self._awaited for message in messages):
            return
        self.times += 1
        self._store.before = None
        await self._journal.catch_up()
        await self._journal.claim(Saying(lambda _: (Say("wait, there is more"),)))


@pytest.mark.parametrize(
    "awaited",
    ["UserMessageAdded", "LlmResponseReceived", "ToolExecutionCompleted", "ToolExecutionStarted"],
)
async def test_what_loses_a_race_is_planned_anew_behind_what_came(awaited: str) -> None:
    store = WatchedStore()
    model = scripted(call("look", where="a"), "first", "second", "third")
    engine = engine_on(store, model, look)
    agent = await engine.create_agent()
    rival = Rival(store, await journal_of(engine, agent.thread_id), awaited)

    answered = await agent.advance("Is it there?", at_head=True)

    assert rival.times == 1
    assert answered.status == "waiting"
    stands = await types(engine, agent.thread_id)
    assert stands.count("UserMessageAdded") == 2
    assert stands.count("ToolExecutionStarted") == stands.count("ToolExecutionCompleted") == 1
    assert stands.count("LlmCallStarted") == stands.count("LlmResponseReceived")
    asked = [m.text for m in model.requests[-1].messages]
    assert "wait, there is more" in asked
    await assert_sound(engine, agent.thread_id)


async def test_a_state_whose_thread_moves_on_just_before_it_is_advanced_forks_there() -> None:
    store = WatchedStore()
    engine = engine_on(store, scripted("hello"))
    agent = await engine.create_agent()
    rival = Rival(store, await journal_of(engine, agent.thread_id), "UserMessageAdded")

    answered = await agent.advance("Is it there?")

    assert rival.times == 1
    assert answered.thread_id != agent.thread_id
    assert await types(engine, agent.thread_id) == ("SessionStarted", "UserMessageAdded")
    history = [r.event for r in await events(engine, answered.thread_id)]
    said = [event.text for event in history if isinstance(event, UserMessageAdded)]
    assert said == ["Is it there?"]
    await assert_sound(engine, answered.thread_id)


async def test_a_fact_that_lost_a_race_keeps_its_id() -> None:
    store = WatchedStore()
    tried: list[str] = []
    engine = engine_on(store, scripted("first", "second"))
    agent = await engine.create_agent()
    rival = Rival(store, await journal_of(engine, agent.thread_id), "LlmResponseReceived")
    butt_in = rival.butt_in

    async def note(stream: str, messages: tuple[NewMessage, ...]) -> None:
        tried.extend(m.id for m in messages if m.type == "LlmResponseReceived")
        if rival.times == 0:
            await butt_in(stream, messages)
            store.before = note

    store.before = note
    await agent.advance("hello")
    rows = await events(engine, agent.thread_id)
    claims = [r.id for r in rows if isinstance(r.event, LlmCallStarted)]
    replies = [r.id for r in rows if isinstance(r.event, LlmResponseReceived)]
    assert tried == [replies[0], replies[0], replies[1]]
    assert replies == [derived_id(rows[0].stream, claim, "outcome") for claim in claims]


@pytest.mark.parametrize(
    "awaited", ["UserMessageAdded", "LlmResponseReceived", "ToolExecutionCompleted"]
)
async def test_a_store_lost_after_its_commit_leaves_a_thread_that_is_taken_up(
    awaited: str,
) -> None:
    store = WatchedStore()
    runs: list[str] = []

    @tool(effect="retry")
    def count(what: str) -> str:
        """Count it."""
        runs.append(what)
        return "1"

    engine = engine_on(store, scripted(call("count", what="a"), "one", "one"), count)
    agent = await engine.create_agent()

    async def lose(_: str, messages: tuple[NewMessage, ...]) -> None:
        if any(m.type == awaited for m in messages):
            store.after = None
            raise StoreUnavailable("the answer was lost")

    store.after = lose
    with pytest.raises(StoreUnavailable):
        await agent.advance("count")
    resumed = await (await engine_on(store, engine.models("x"), count).latest("last")).resume()
    assert resumed.status == "waiting"
    assert resumed.answer == "one"
    assert runs == ["a"]
    stands = await types(engine, agent.thread_id)
    assert stands.count("UserMessageAdded") == 1
    assert stands.count("ToolExecutionCompleted") == 1
    assert not store.in_hand
    await assert_sound(engine, agent.thread_id)


async def test_a_store_that_writes_again_what_it_had_written_succeeds() -> None:
    """As `MessageDbStore` does where an acknowledgement was lost."""
    store = WatchedStore()
    engine = engine_on(store, scripted(call("look", where="a"), "ok"), look)
    lost = 0

    async def write_first(stream: str, messages: tuple[NewMessage, ...]) -> None:
        nonlocal lost
        lost += 1
        before, store.before = store.before, None
        await store.append(stream, *messages, expected_version=await store.stream_version(stream))
        store.before = before

    store.before = write_first
    agent = await engine.start("go")
    assert lost == 4
    assert agent.answer == "ok"
    assert len(await types(engine, agent.thread_id)) == 8
    await assert_sound(engine, agent.thread_id)


def _closing(claim: str, position: int) -> Callable[[Batch], None]:
    def close(batch: Batch) -> None:
        failed = LlmCallFailed(llm_call_id=claim, kind="cancelled", message="closed by another")
        batch.add(Draft(derived_id(batch.head.stream, claim, "outcome"), failed, position))

    return close


@pytest.mark.parametrize("has_read_on", [False, True])
async def test_a_fact_whose_outcome_stands_already_is_dropped(has_read_on: bool) -> None:
    """Also where the loop had read the other's outcome before its own came."""
    store, gate = WatchedStore(), Gate()
    engine = engine_on(store, scripted(gate.answer("too late"), "in time"))
    agent = await engine.create_agent()
    async with under_way(agent.advance("hello")) as turn:
        await gate.entered.wait()
        rival = await journal_of(engine, agent.thread_id)
        open_call = rival.shown.state.model_call
        assert open_call
        if has_read_on:
            await rival.claim(_closing(open_call.id, open_call.position))
            # The loop has seen that its call was closed, and asks again.
            await until(lambda: store.commits[-1].types != ("LlmCallFailed",))
        else:

            async def close_first(_: str, messages: tuple[NewMessage, ...]) -> None:
                store.before = None
                await rival.claim(_closing(open_call.id, open_call.position))

            store.before = close_first
        gate.opened.set()
        answered = await turn
    assert answered.answer == "in time"
    texts = [
        r.event.text
        for r in await events(engine, agent.thread_id)
        if isinstance(r.event, LlmResponseReceived)
    ]
    assert texts == ["in time"]
    await assert_sound(engine, agent.thread_id)


async def test_a_fact_whose_id_stands_in_another_stream_is_an_error() -> None:
    store = WatchedStore()
    engine = engine_on(store)
    one, other = await engine.create_agent(), await engine.create_agent()
    journal, elsewhere = (
        await journal_of(engine, one.thread_id),
        await journal_of(engine, other.thread_id),
    )
    fact = Draft(journal.shown.state.stream and one.id, UserMessageAdded(text="hi"))
    await elsewhere.record([Draft(derived_id("", "k", "x"), SessionTitled(title="a"))], _nothing)
    with pytest.raises(DuplicateMessage):
        await journal.record([Draft(derived_id("", "k", "x"), fact.event)], _nothing)


async def test_a_conflict_without_news_is_no_endless_loop() -> None:
    store = WatchedStore()
    engine = engine_on(store)
    agent = await engine.create_agent()
    journal = await journal_of(engine, agent.thread_id)

    async def lie(stream: str, _: tuple[NewMessage, ...]) -> None:
        raise WrongExpectedVersion(stream, 0, -1)

    store.before = lie
    with pytest.raises(Exception, match="shorter than it was"):
        await journal.record([Draft(agent.id, SessionTitled(title="a"))], _nothing)


async def test_messages_said_by_many_at_once_are_all_there_once() -> None:
    store = WatchedStore()
    engine = engine_on(store)
    agent = await engine.create_agent()
    journals = [await journal_of(engine, agent.thread_id) for _ in range(20)]
    async with asyncio.TaskGroup() as group:
        for n, journal in enumerate(journals):
            group.create_task(journal.claim(_saying(f"message {n}")))
    said = [
        r.event.text
        for r in await events(engine, agent.thread_id)
        if isinstance(r.event, UserMessageAdded)
    ]
    assert sorted(said) == sorted(f"message {n}" for n in range(20))
    assert (await engine.verify(agent.thread_id)).finding is None


def _saying(text: str) -> Saying:
    return Saying(lambda _: (Say(text),))


def _nothing(_: Batch) -> None:
    return None
