"""What is known of a user is shown to the model, by what the thread has recorded of it."""

import pytest

from messagedb_agent.agents.agent import Agent
from messagedb_agent.agents.engine import Engine
from messagedb_agent.definitions import AgentDefinition
from messagedb_agent.events.schema import AgentRedefined, SessionStarted
from messagedb_agent.llm.scripted import ScriptedModel
from messagedb_agent.projections.digest import messages_digest, request_digest, settings_digest
from messagedb_agent.projections.explanation import asking, explained
from messagedb_agent.store.memory import MemoryStore
from tests.unit.engine.world import assert_sound, engine_on, events, scripted, types

PROMPT = "Be kind."


def told(engine: Engine) -> list[str]:
    """Return the prompts that the model was given."""
    model = engine.models("any")
    assert isinstance(model, ScriptedModel)
    return [request.system_prompt for request in model.requests]


def world(*answers: str) -> Engine:
    return engine_on(MemoryStore(), scripted(*(answers or ("one", "two", "three", "four"))))


async def begun(engine: Engine, user: str | None = "ada") -> Agent:
    definition = engine.define(system_prompt=PROMPT, memory=True)
    return await engine.start("Hello!", definition=definition, user=user)


async def test_what_is_known_stands_behind_the_agents_own_prompt() -> None:
    engine = world()
    await engine.memory.set("ada", "city", "Paris")
    await engine.memory.set("bob", "city", "Rome")
    agent = await begun(engine)
    known = await engine.memory.as_prompt("ada")
    assert told(engine) == [f"{PROMPT}\n\n{known}"]
    assert agent.system_prompt == PROMPT
    assert "Rome" not in told(engine)[0]
    await assert_sound(engine, agent.thread_id)


async def test_it_is_recorded_again_where_it_is_another_when_something_is_said() -> None:
    engine = world()
    await engine.memory.set("ada", "city", "Paris")
    agent = await begun(engine)
    agent = await agent.advance("More")
    await engine.memory.set("ada", "city", "Rome")
    before = await types(engine, agent.thread_id)
    agent = await agent.advance("And more")
    await engine.memory.set("ada", "city", "Oslo")
    await engine.memory.set("ada", "city", "Rome")
    agent = await agent.advance("The same is known as before")
    first, second, third, fourth = told(engine)
    assert first == second
    assert third == fourth
    assert "Rome" in third
    assert "Paris" not in third
    said = await types(engine, agent.thread_id)
    assert said[: len(before)] == before
    assert said.count("AgentRedefined") == 1
    assert said[len(before) :][:2] == ("AgentRedefined", "UserMessageAdded")
    await assert_sound(engine, agent.thread_id)


async def test_what_is_forgotten_is_shown_no_more() -> None:
    engine = world()
    await engine.memory.set("ada", "city", "Paris")
    agent = await begun(engine)
    await engine.memory.forget("ada", "city")
    await agent.advance("More")
    assert told(engine)[1] == PROMPT


async def test_the_model_is_shown_what_is_known_of_who_speaks() -> None:
    engine = world()
    await engine.memory.set("ada", "city", "Paris")
    await engine.memory.set("bob", "city", "Rome")
    agent = await begun(engine)
    agent = await agent.advance("More", user="bob")
    await agent.advance("And more")
    assert ["Paris" in prompt for prompt in told(engine)] == [True, False, True]
    assert ["Rome" in prompt for prompt in told(engine)] == [False, True, False]


@pytest.mark.parametrize("user", [None, " ", "x" * 2000])
async def test_of_nobody_nothing_is_known(user: str | None) -> None:
    engine = world()
    await (await begun(engine, user)).advance("More")
    assert told(engine) == [PROMPT, PROMPT]


async def test_an_agent_without_memory_is_shown_nothing_until_it_is_given_one() -> None:
    engine = world()
    await engine.memory.set("ada", "city", "Paris")
    agent = await engine.start("Hello!", definition=engine.define(), user="ada")
    agent = await agent.advance("Recall!", memory=True)
    agent = await agent.advance("Forget!", memory=False)
    await agent.advance("Recall!", definition=AgentDefinition(role="A guide.", memory=True))
    assert ["Paris" in prompt for prompt in told(engine)] == [False, True, False, True]
    await assert_sound(engine, agent.thread_id)


async def test_an_agent_that_was_created_is_shown_what_is_known_when_it_is_spoken_to() -> None:
    engine = world()
    definition = AgentDefinition(role="A guide.", memory=True)
    await engine.memory.set("ada", "city", "Paris")
    agent = await engine.create_agent(definition=definition, user="ada")
    await engine.memory.set("ada", "city", "Rome")
    await agent.advance("Hello!")
    assert ["Rome" in prompt for prompt in told(engine)] == [True]
    recorded = [one.event for one in await events(engine, agent.thread_id)]
    defined = [e.definition for e in recorded if isinstance(e, SessionStarted | AgentRedefined)]
    texts = [definition.recalled.text for definition in defined if definition.recalled]
    assert ["Paris" in text for text in texts] == [True, False]
    assert ["Rome" in text for text in texts] == [False, True]


async def test_a_fork_is_shown_what_is_known_when_it_is_spoken_to() -> None:
    engine = world()
    await engine.memory.set("ada", "city", "Paris")
    agent = await begun(engine)
    await agent.advance("More")
    await engine.memory.set("ada", "city", "Rome")
    fork = await agent.advance("Another way")
    assert fork.thread_id != agent.thread_id
    assert "Rome" in told(engine)[-1]
    await assert_sound(engine, fork.thread_id)


async def test_explain_names_the_event_up_to_which_it_was_known() -> None:
    engine = world()
    await engine.memory.set("ada", "city", "Paris")
    agent = await begun(engine)
    await engine.memory.set("ada", "city", "Rome")
    (claim,) = (await engine.fold(agent.thread_id, asking)).claims
    before = await engine.fold(agent.thread_id, asking, at=claim.event.context_position)
    explanation = explained(claim, before)
    assert explanation
    assert explanation.recalled == (engine.memory.stream("ada"), 0)
    assert explanation.is_recorded


async def test_what_is_known_is_part_of_the_digest_of_the_request() -> None:
    model = scripted("one")
    engine = engine_on(MemoryStore(), model)
    await engine.memory.set("ada", "city", "Paris")
    agent = await begun(engine)
    (claim,) = (await engine.fold(agent.thread_id, asking)).claims
    (asked,) = model.requests
    digest = request_digest(settings_digest(asked), messages_digest(asked.messages))
    assert claim.event.request_digest == digest


async def test_a_message_that_is_repeated_is_answered_as_it_was() -> None:
    engine = world()
    await engine.memory.set("ada", "city", "Paris")
    agent, id = await begun(engine), "019b76da-a800-7000-8000-000000000001"
    first = await agent.advance("More", message_id=id)
    await engine.memory.set("ada", "city", "Rome")
    assert await agent.advance("More", message_id=id) == first
    assert len(told(engine)) == 2


async def test_a_stream_that_is_shorter_than_it_was_is_read_anew_before_it_is_appended_to() -> None:
    store = MemoryStore()
    memory = engine_on(store).memory
    for key in "abc":
        await memory.set("ada", key, 1)
    del store._streams[memory.stream("ada")][1:]
    await memory.set("ada", "d", 1)
    assert [fact.key for fact in await memory.get_all("ada")] == ["a", "d"]
