"""A message with an id of its sender's is one message, however often it is sent."""

import asyncio
from uuid import uuid4

import pytest

from messagedb_agent.agents.agent import Agent
from messagedb_agent.errors import DuplicateMessage, ModelError, ValidationError
from messagedb_agent.events.request import CallFailure
from messagedb_agent.llm.scripted import ScriptedModel
from messagedb_agent.store.memory import MemoryStore
from tests.unit.engine.world import (
    Gate,
    WatchedStore,
    assert_sound,
    engine_on,
    scripted,
    types,
    under_way,
)
from tests.waiting import until


async def test_the_same_message_again_gets_its_own_answer_though_others_followed() -> None:
    model = scripted("one", "two", "three")
    engine = engine_on(MemoryStore(), model)
    agent, id = await engine.create_agent(), str(uuid4())
    first = await agent.advance("first", message_id=id)
    second = await first.advance("second")
    before = await types(engine, agent.thread_id)

    for state in (agent, first, second):
        again = await state.advance("first", message_id=id)
        assert again == first
        assert again.answer == "one"
    assert await types(engine, agent.thread_id) == before
    assert len(model.requests) == 2
    assert len(await engine.threads()) == 1
    assert (await second.advance("third")).answer == "three"


@pytest.mark.parametrize("form", [str.upper, lambda id: id.replace("-", ""), lambda id: f" {id} "])
async def test_an_id_is_the_same_in_capitals_and_without_dashes(form: object) -> None:
    assert callable(form)
    engine = engine_on(MemoryStore(), scripted("one"))
    agent, id = await engine.create_agent(), str(uuid4())
    first = await agent.advance("first", message_id=id)
    assert await agent.advance("first", message_id=form(id)) == first
    assert await engine.load_agent(form(first.id)) == first


@pytest.mark.parametrize(
    "id", ["7", "not an id", "0190b0a0-0000-7000-8000-0000000000010", "0" * 31 + "g"]
)
async def test_an_id_that_is_no_uuid_is_refused_before_anything_is_written(id: str) -> None:
    engine = engine_on(MemoryStore())
    agent = await engine.create_agent()
    with pytest.raises(ValidationError) as caught:
        await agent.advance("hello", message_id=id)
    assert caught.value.field == "message_id"
    with pytest.raises(ValidationError):
        await engine.start("hello", message_id=id)
    assert await types(engine, agent.thread_id) == ("SessionStarted",)
    assert len(await engine.threads()) == 1


async def test_an_id_with_another_text_is_a_conflict() -> None:
    engine = engine_on(MemoryStore(), scripted("one", "two"))
    agent, id = await engine.create_agent(), str(uuid4())
    await agent.advance("first", message_id=id)
    before = await types(engine, agent.thread_id)
    with pytest.raises(DuplicateMessage):
        await agent.advance("another text", message_id=id)
    assert await types(engine, agent.thread_id) == before


async def test_an_id_from_another_thread_or_category_is_a_conflict() -> None:
    store, id = MemoryStore(), str(uuid4())
    engine = engine_on(store, scripted("one", "two"))
    elsewhere = engine_on(store, scripted("three"), category="other")
    await engine.start("first", message_id=id)
    stranger, foreigner = await engine.create_agent(), await elsewhere.create_agent()
    for agent in (stranger, foreigner):
        with pytest.raises(DuplicateMessage):
            await agent.advance("first", message_id=id)
    with pytest.raises(DuplicateMessage):
        await elsewhere.start("first", message_id=id)
    assert await types(engine, stranger.thread_id) == ("SessionStarted",)
    assert len(await elsewhere.threads()) == 1


async def test_the_id_of_an_event_that_is_no_message_is_a_conflict() -> None:
    engine = engine_on(MemoryStore(), scripted("one", "two"))
    agent = await engine.start("first")
    with pytest.raises(DuplicateMessage):
        await agent.advance("hello", message_id=agent.id)


async def test_a_start_repeated_with_its_id_is_one_thread() -> None:
    store, id = MemoryStore(), str(uuid4())
    model = scripted("one", "two")
    engine = engine_on(store, model)
    first = await engine.start("hello", message_id=id)
    await first.advance("more")
    again = await engine_on(store, model).start("hello", message_id=id.upper())
    assert again == first
    with pytest.raises(DuplicateMessage):
        await engine.start("something else", message_id=id)
    assert len(await engine.threads()) == 1
    assert len(model.requests) == 2


async def test_a_start_sent_five_times_at_once_is_one_thread_with_one_answer() -> None:
    store, id, gate = MemoryStore(), str(uuid4()), Gate()
    model = scripted(gate.answer("one"))
    gate.opened.set()
    async with asyncio.timeout(20):
        agents = await asyncio.gather(
            *(engine_on(store, model).start("hello", message_id=id) for _ in range(5))
        )
    assert len(set(agents)) == 1
    assert agents[0].answer == "one"
    assert len(model.requests) == 1
    engine = engine_on(store)
    assert await types(engine, agents[0].thread_id) == (
        "SessionStarted",
        "UserMessageAdded",
        "LlmCallStarted",
        "LlmResponseReceived",
    )
    await assert_sound(engine, agents[0].thread_id)


async def test_a_message_sent_again_while_it_is_answered_waits_for_that_answer() -> None:
    store, id, gate = WatchedStore(), str(uuid4()), Gate()
    model = scripted(gate.answer("one"))
    agent = await engine_on(store, model).create_agent()
    async with under_way(agent.advance("hello", message_id=id)) as first:
        await gate.entered.wait()
        same = await engine_on(store, model).latest("last")
        async with under_way(same.advance("hello", message_id=id)) as second:
            await store.tried_again()
            assert not second.done()
            gate.opened.set()
            assert await first == await second
    assert len(model.requests) == 1


async def test_a_message_sent_again_after_its_sender_died_is_answered() -> None:
    store, id, gate = MemoryStore(), str(uuid4()), Gate()
    model = scripted(gate.answer("never"), "one")
    async with under_way(engine_on(store, model).start("hello", message_id=id)):
        await gate.entered.wait()
    agent = await engine_on(store, model).start("hello", message_id=id)
    assert agent.answer == "one"
    assert (await types(engine_on(store), agent.thread_id)).count("UserMessageAdded") == 1


async def test_a_message_sent_again_after_its_turn_failed_tells_of_the_failure() -> None:
    engine = engine_on(MemoryStore(), scripted(CallFailure("refused", "no"), "after all"))
    agent, id = await engine.create_agent(), str(uuid4())
    failures = []
    for _ in range(2):
        with pytest.raises(ModelError) as caught:
            await agent.advance("hello", message_id=id)
        failures.append(caught.value.agent)
    failed = failures[0]
    assert failures[1] == failed
    assert isinstance(failed, Agent)
    resumed = await failed.resume()
    assert await agent.advance("hello", message_id=id) == resumed
    assert resumed.answer == "after all"


async def test_a_fork_asked_for_twice_with_one_id_is_one_fork() -> None:
    model = ScriptedModel("one", "two", "in the fork")
    engine = engine_on(MemoryStore(), model)
    old = await engine.start("first")
    await old.advance("second")
    id = str(uuid4())
    forks = [await old.advance("instead", message_id=id) for _ in range(3)]
    assert len(set(forks)) == 1
    assert forks[0].answer == "in the fork"
    assert forks[0].thread_id != old.thread_id
    assert len(await engine.threads()) == 2
    with pytest.raises(DuplicateMessage):
        await old.advance("another text", message_id=id)
    assert len(await engine.threads()) == 2
    await assert_sound(engine, forks[0].thread_id)


async def test_a_message_keeps_its_answer_though_another_came_while_it_was_asked() -> None:
    store, gate, id = WatchedStore(), Gate(), str(uuid4())
    here = engine_on(store, scripted("zero", gate.answer("to one"), "to two"))
    agent = await here.start("nothing")
    async with under_way(agent.advance("one", message_id=id)) as turn:
        await gate.entered.wait()
        newest = await engine_on(store).latest("last")
        async with under_way(newest.advance("two", at_head=True)) as other:
            await until(lambda: store.commits[-1].types == ("UserMessageAdded",))
            gate.opened.set()
            first, second = await turn, await other
    assert (first.answer, second.answer) == ("to one", "to two")
    for engine in (here, engine_on(store)):
        again = await (await engine.load_agent(agent.id)).advance("one", message_id=id)
        assert again == first
        assert again.answer == "to one"
    await assert_sound(here, agent.thread_id)
