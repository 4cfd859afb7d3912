"""A conversation as one object that changes."""

import asyncio

import pytest

from messagedb_agent.agents.agent import Agent
from messagedb_agent.agents.chat import Chat
from messagedb_agent.agents.simple import SimpleAgent
from messagedb_agent.agents.streaming import Token
from messagedb_agent.definitions.authoring import AgentDefinition
from messagedb_agent.errors import ModelError, ValidationError
from messagedb_agent.events.request import CallFailure
from messagedb_agent.llm.scripted import call
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.tools.function_tool import tool
from tests.unit.engine.world import Gate, assert_sound, engine_on, scripted, types


def heard_of(chat: Chat) -> Agent | None:
    return chat.agent


WRITTEN = AgentDefinition(role="A travel agent.", name="Ada", model="first")


async def test_a_chat_says_one_thing_after_the_other_in_one_thread() -> None:
    model = scripted("one", "two")
    engine = engine_on(MemoryStore(), model)
    chat = Chat(WRITTEN, engine=engine, model="second", user="ada")
    assert heard_of(chat) is None
    assert await chat.send("first") == "one"
    first = chat.agent
    assert await chat.send("second", temperature=1) == "two"
    assert first is not None
    assert chat.agent is not None
    assert chat.agent.parent_id == first.id
    assert (chat.agent.thread_id, chat.agent.user) == (first.thread_id, "ada")
    assert [r.model for r in model.requests] == ["second", "second"]
    assert [m.user for m in await chat.agent.messages() if m.role == "user"] == ["ada", "ada"]
    assert "A travel agent." in model.requests[0].system_prompt
    await assert_sound(engine, first.thread_id)


async def test_a_new_thread_begins_with_the_same_definition_and_the_old_one_stays() -> None:
    engine = engine_on(MemoryStore(), scripted("one", "two"))
    chat = Chat(WRITTEN, engine=engine)
    await chat.send("first")
    old = chat.agent
    assert old is not None
    chat.new_thread()
    assert heard_of(chat) is None
    assert await chat.send("second") == "two"
    new = chat.agent
    assert new is not None
    assert (new.thread_id != old.thread_id, new.definition) == (True, old.definition)
    assert await engine.latest(old.thread_id) == old


async def test_a_chat_with_an_agent_goes_on_from_its_state() -> None:
    engine = engine_on(MemoryStore(), scripted("one", "two", "three", "four", "five"))
    first = await engine.start("first")
    head = await first.advance("second")
    chat = Chat(first, model="other")
    assert chat.agent == first
    assert await chat.send("third") == "three"
    assert chat.agent.parent_id is not None
    assert chat.agent.thread_id != first.thread_id, "an older state forks"
    fork = chat.agent.thread_id
    await (await engine.latest(fork)).advance("somebody else")
    assert await chat.send("fourth") == "five"
    assert chat.agent.thread_id == fork, "it stays in its thread"
    assert await engine.latest(first.thread_id) == head
    chat.new_thread()


async def test_a_chat_begins_anew_as_the_agent_it_was_given() -> None:
    agent = SimpleAgent("Ada", "Be brief.", models=scripted("one"))
    chat = Chat(agent)
    chat.new_thread()
    assert await chat.send("hello") == "one"
    assert chat.agent is not None
    assert (chat.agent.name, chat.agent.system_prompt) == ("Ada", "Be brief.")
    assert chat.agent.thread_id != agent.thread_id


async def test_a_chat_streams_and_moves_to_the_new_agent() -> None:
    chat = Chat(SimpleAgent("Ada", "", models=scripted("two words", "more")))
    items = [item async for item in chat.stream("hello")]
    assert "".join(i.text for i in items if isinstance(i, Token)) == "two words"
    assert isinstance(items[-1], Agent)
    assert chat.agent == items[-1]
    assert await chat.send("and?") == "more"


async def test_a_chat_whose_stream_is_closed_goes_on_in_its_thread() -> None:
    gate = Gate()
    agent = SimpleAgent(
        "Ada", "", models=scripted(call("echo", text="x"), gate.answer("late"), "two")
    )
    chat = Chat(agent)
    stream = chat.stream("hello")
    await anext(stream)
    await gate.entered.wait()
    await stream.aclose()
    assert await chat.send("again") == "two"
    assert chat.agent is not None
    assert "TurnCancelled" in await types(agent.engine, agent.thread_id)


async def test_a_chat_goes_on_from_a_turn_that_failed() -> None:
    model = scripted(CallFailure("refused", "no"), "two")
    chat = Chat(SimpleAgent("Ada", "", models=model))
    with pytest.raises(ModelError) as failed:
        await chat.send("first")
    assert chat.agent == failed.value.agent
    assert await chat.send("second") == "two"
    assert chat.agent.parent_id == failed.value.agent.id


async def test_what_is_said_at_once_is_answered_one_after_the_other() -> None:
    chat = Chat(SimpleAgent("Ada", "", models=scripted("one", "two")))
    answers = await asyncio.gather(chat.send("first"), chat.send("second"))
    assert list(answers) == ["one", "two"]
    assert chat.agent is not None
    said = [m.text for m in await chat.agent.messages()]
    assert said == ["first", "one", "second", "two"]


async def test_a_chat_has_the_tools_that_it_is_given_in_each_of_its_threads() -> None:
    @tool
    def population(city: str) -> int:
        """Tell how many people live in a city."""
        return len(city)

    asks = call("population", city="Kyoto")
    model = scripted(asks, "five", asks, "still five", asks, "five again")
    chat = Chat(WRITTEN, engine=engine_on(MemoryStore(), model), tools=[population])
    assert await chat.send("how many?") == "five"
    assert await chat.send("and now?") == "still five"
    chat.new_thread()
    assert await chat.send("and here?") == "five again"
    assert {tuple(t.name for t in r.tools) for r in model.requests} == {("population",)}


async def test_a_chat_without_an_engine_is_kept_in_memory_and_lets_go_of_it_alone() -> None:
    async with Chat(AgentDefinition(role="A clerk."), model="offline") as chat:
        assert await chat.send("What is 42 * 7?") == "42 * 7 = 294."
    engine = engine_on(MemoryStore(), scripted("one"))
    async with Chat(WRITTEN, engine=engine):
        pass
    await engine.ping()


async def test_what_is_neither_an_agent_nor_a_definition_is_refused() -> None:
    with pytest.raises(ValidationError) as refused:
        Chat("Ada")  # type: ignore[arg-type]  # that is what is tried
    assert refused.value.field == "of"
    agent = SimpleAgent("Ada", "")
    with pytest.raises(ValidationError) as refused:
        Chat(agent, engine=engine_on(MemoryStore()))
    assert refused.value.field == "engine"
