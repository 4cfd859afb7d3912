"""Facts are found by a model in what users say, each once, and with the message that taught it."""

import asyncio
import json
from typing import Any

import pytest

from messagedb_agent import Subscription
from messagedb_agent.agents.agent import Agent
from messagedb_agent.agents.engine import Engine
from messagedb_agent.consumers.extracting import extract
from messagedb_agent.errors import ModelError, NotFound, Refused
from messagedb_agent.events.request import CallFailure, Request, UserText
from messagedb_agent.events.schema import UserMessageAdded
from messagedb_agent.events.values import EventPlace
from messagedb_agent.llm.offline import OfflineModel
from messagedb_agent.projections.usage import usage
from messagedb_agent.store.memory import MemoryStore
from tests.unit.engine.world import Gate, assert_sound, engine_on, events, scripted, under_way


def facts(*found: dict[str, Any]) -> str:
    return json.dumps({"facts": found})


def lines(request: Request) -> list[dict[str, Any]]:
    (message,) = request.messages
    assert isinstance(message, UserText)
    return [json.loads(line) for line in message.text.splitlines() if line.startswith("{")]


async def place_of(engine: Engine, agent: Agent, text: str) -> EventPlace:
    for one in await events(engine, agent.thread_id):
        if isinstance(one.event, UserMessageAdded) and one.event.text == text:
            return EventPlace(stream_name=one.stream, position=one.position)
    raise LookupError(text)


async def test_a_fact_knows_the_message_that_taught_it() -> None:
    model = scripted("Hi", facts({"message": 0, "key": "city", "value": "Paris"}))
    engine = engine_on(MemoryStore(), model)
    agent = await engine.start("I live in Paris", user="ada")
    (fact,) = await engine.memory.extract(agent, by="me")
    assert (fact.key, fact.value, fact.by) == ("city", "Paris", "me")
    assert fact.taught_by == await place_of(engine, agent, "I live in Paris")
    assert await engine.memory.get_all("ada") == (fact,)
    assert lines(model.requests[1]) == [
        {"message": 0, "user": "I live in Paris"},
        {"assistant": "Hi"},
    ]
    await assert_sound(engine, agent.thread_id)
    assert (await engine.fold(agent.thread_id, usage)).models.calls == 2


async def test_what_was_looked_through_is_not_looked_through_again() -> None:
    model = scripted("Hi", facts(), "Yes", facts({"message": 2, "key": "age", "value": 36}))
    engine = engine_on(MemoryStore(), model)
    agent = await engine.start("Hello", user="ada")
    assert await engine.memory.extract(agent) == ()
    assert await engine.memory.extract(agent.thread_id) == ()
    assert len(model.requests) == 2
    agent = await agent.advance("I am 36")
    (fact,) = await engine.memory.extract(agent)
    assert fact.value == 36
    fork = await agent.fork()
    assert await engine.memory.extract(fork) == ()
    assert len(model.requests) == 4


async def test_a_fact_of_a_message_that_was_looked_through_is_dropped() -> None:
    again = facts({"message": 0, "key": "city", "value": "Rome"})
    model = scripted("Hi", facts(), "Yes", again)
    engine = engine_on(MemoryStore(), model)
    agent = await engine.start("I live in Paris", user="ada")
    await engine.memory.extract(agent)
    agent = await agent.advance("Say so")
    assert await engine.memory.extract(agent) == ()
    assert await engine.memory.get_all("ada") == ()


async def test_each_user_is_known_by_what_that_user_said() -> None:
    found = [{"message": n, "key": "city", "value": f"city {n}"} for n in (0, 2, 4)]
    engine = engine_on(MemoryStore(), scripted("one", "two", "three", facts(*found)))
    agent = await engine.start("Ada here", user="ada")
    agent = await agent.advance("Bob here", user="bob")
    agent = await agent.advance("Ada again")
    assert len(await engine.memory.extract(agent)) == 3 - 1
    values = {user: (await engine.memory.get_all(user))[0].value for user in ("ada", "bob")}
    assert values == {"ada": "city 4", "bob": "city 2"}


async def test_of_nobody_nothing_is_learned_and_no_model_asked() -> None:
    model = scripted("Hi")
    engine = engine_on(MemoryStore(), model)
    agent = await engine.start("I live in Paris")
    assert await engine.memory.extract(agent) == ()
    assert len(model.requests) == 1


@pytest.mark.parametrize(
    "rubbish",
    [
        "I found nothing, sorry.",
        "",
        "[]",
        '{"facts": [{"message": "0", "key": "a", "value": 1}]}',
        facts({"message": 0, "key": "good", "value": 1}, {"message": 0, "key": " ", "value": 1}),
        facts({"message": 0, "key": "a", "value": "x" * 20_000}),
        facts({"message": 0, "key": "a"}),
        facts(*({"message": 0, "key": f"k{n}", "value": 1} for n in range(101))),
    ],
)
async def test_of_an_answer_that_is_none_nothing_is_remembered(rubbish: str) -> None:
    good = facts({"message": 0, "key": "city", "value": "Paris"})
    engine = engine_on(MemoryStore(), scripted("Hi", rubbish, f"```json\n{good}\n```"))
    agent = await engine.start("I live in Paris", user="ada")
    with pytest.raises(ModelError) as refused:
        await engine.memory.extract(agent)
    assert (refused.value.kind, refused.value.agent.id) == ("bad_output", agent.id)
    assert await engine.memory.users() == ()
    assert (await engine.memory.extract(agent))[0].value == "Paris"
    await assert_sound(engine, agent.thread_id)


async def test_a_model_that_fails_is_told_and_the_thread_goes_on() -> None:
    model = scripted("Hi", CallFailure("rate_limited", "too many"), "Yes")
    engine = engine_on(MemoryStore(), model)
    agent = await engine.start("I live in Paris", user="ada")
    with pytest.raises(ModelError, match="too many"):
        await engine.memory.extract(agent)
    assert (await agent.advance("More")).answer == "Yes"
    with pytest.raises(NotFound):
        await engine.memory.extract("nothing-here")
    with pytest.raises(Refused, match="deleted"):
        await engine.memory.extract(await engine.delete(agent))


async def test_a_long_thread_is_looked_through_part_by_part() -> None:
    engine = engine_on(MemoryStore(), OfflineModel())
    agent = await engine.create_agent(user="ada")
    for n in range(30):
        agent = await agent.advance(f"I love number{n}.")
    learned = await engine.memory.extract(agent)
    assert learned[-1].value == "number29"
    history = [noted.event async for noted in engine.memory.history("ada")]
    assert [type(event).__name__ for event in history].count("FactsExtracted") == 2
    assert await engine.memory.extract(agent) == ()
    await assert_sound(engine, agent.thread_id)


async def test_two_that_look_at_once_note_a_fact_once() -> None:
    engine, other = (engine_on(store, OfflineModel()) for store in [MemoryStore()] * 2)
    agent = await engine.start("My name is Ada.", user="ada")
    both = await asyncio.gather(
        engine.memory.extract(agent.thread_id), other.memory.extract(agent.thread_id)
    )
    assert sorted(map(len, both)) == [0, 1]
    history = [noted.event async for noted in engine.memory.history("ada")]
    assert [type(event).__name__ for event in history] == ["FactRemembered", "FactsExtracted"]
    await assert_sound(engine, agent.thread_id)


async def test_who_is_slower_notes_nothing_of_what_the_other_has_looked_through() -> None:
    store = MemoryStore()
    other = engine_on(store, scripted(facts({"message": 0, "key": "city", "value": "Rome"})))

    async def slowly(_: Request) -> str:
        assert len(await other.memory.extract(agent.thread_id)) == 1
        return facts({"message": 0, "key": "city", "value": "Paris"})

    engine = engine_on(store, scripted("Hi", slowly))
    agent = await engine.start("I live in Rome", user="ada")
    assert await engine.memory.extract(agent) == ()
    assert [fact.value for fact in await engine.memory.get_all("ada")] == ["Rome"]
    await assert_sound(engine, agent.thread_id)


async def test_a_thread_is_looked_through_while_its_turn_is_under_way() -> None:
    gate = Gate()
    model = scripted(gate.answer("done"), facts({"message": 0, "key": "city", "value": "Rome"}))
    engine = engine_on(MemoryStore(), model)
    agent = await engine.create_agent(user="ada")
    async with under_way(agent.advance("I live in Rome")) as turn:
        await gate.entered.wait()
        assert len(await engine.memory.extract(agent)) == 1
        gate.opened.set()
        assert (await turn).answer == "done"
    await assert_sound(engine, agent.thread_id)


async def test_a_consumer_learns_after_each_answer_and_again_is_once() -> None:
    engine = engine_on(MemoryStore(), OfflineModel())
    await engine.start("My name is Ada.", user="ada")
    await engine.start("I like tea.", user="ada")
    for name in ("facts", "again"):
        await Subscription(engine.store, "agent:v0", extract(engine), name=name).run(once=True)
    known = {fact.key: fact.value for fact in await engine.memory.get_all("ada")}
    assert known == {"name": "Ada", "likes": "tea"}
    history = [noted.event async for noted in engine.memory.history("ada")]
    assert len(history) == 4
