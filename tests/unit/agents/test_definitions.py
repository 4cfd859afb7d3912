"""Agents that begin with what an author wrote of them."""

import pytest

from messagedb_agent import AgentDefinition
from messagedb_agent.context import last_n
from messagedb_agent.errors import ValidationError
from messagedb_agent.events.schema import AgentRedefined
from messagedb_agent.events.values import Limits, ModelParameters
from messagedb_agent.llm.scripted import ScriptedModel
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.tools.function_tool import tool
from tests.unit.engine.world import engine_on, events, look, scripted

CLERK = AgentDefinition(role="A clerk.", goal="Sell stamps.")


@tool
def sell(what: str = "stamps") -> str:
    """Sell something."""
    return f"{what} are sold"


async def test_an_agent_begins_with_the_prompt_and_the_settings_of_its_definition() -> None:
    model = scripted("Good day.")
    engine = engine_on(MemoryStore(), model, look)
    parameters, limits = ModelParameters(max_tokens=70), Limits(calls_per_turn=5)
    written = AgentDefinition(
        role="A clerk.",
        name="Ada",
        model="m-1",
        parameters=parameters,
        limits=limits,
        context=last_n(4),
    )
    agent = await engine.start("hello", definition=written)
    recorded = agent.definition
    assert recorded is not None
    assert recorded == engine.define(definition=written)
    assert (recorded.name, recorded.model) == ("Ada", "m-1")
    assert (recorded.parameters, recorded.limits) == (parameters, limits)
    assert recorded.context_strategy == "last_n:4"
    assert recorded.system_prompt == written.system_prompt == model.requests[0].system_prompt
    assert [spec.name for spec in recorded.tools] == ["look"]
    assert (await engine.verify(agent.thread_id)).finding is None


async def test_fields_that_are_given_stand_before_those_of_a_definition() -> None:
    engine = engine_on(MemoryStore())
    written = AgentDefinition(role="A clerk.", name="Ada", model="m-1")
    agent = await engine.create_agent("Bob", definition=written, model="m-2")
    assert agent.definition is not None
    assert (agent.definition.name, agent.definition.model) == ("Bob", "m-2")
    assert agent.definition.system_prompt == written.system_prompt
    plain = await engine.create_agent(definition=CLERK)
    assert plain.definition is not None
    assert (plain.definition.name, plain.definition.model) == ("assistant", "offline")


async def test_a_thread_begins_with_fields_and_a_message_at_once() -> None:
    engine = engine_on(MemoryStore(), scripted("Good day."))
    agent = await engine.start("hello", definition=CLERK, name="Bob", model="m-2")
    assert (agent.name, agent.model, agent.answer) == ("Bob", "m-2", "Good day.")
    assert agent.system_prompt == CLERK.system_prompt
    with pytest.raises(ValidationError, match="modell: "):
        await engine.start("hello", modell="m-2")
    with pytest.raises(ValidationError, match="made already") as caught:
        await engine.start("hello", definition=engine.define(), model="m-2")
    assert caught.value.field == "model"
    assert await engine.count_agents() == 1


async def test_a_second_prompt_beside_a_definition_is_refused() -> None:
    engine = engine_on(MemoryStore())
    with pytest.raises(ValidationError) as caught:
        await engine.create_agent(definition=CLERK, system_prompt="Be brief.")
    assert caught.value.field == "system_prompt"
    assert await engine.threads() == ()


async def test_an_agent_with_chosen_tools_keeps_them_when_others_come() -> None:
    written = AgentDefinition(role="A clerk.", tools=["sell"])
    store, model = MemoryStore(), ScriptedModel("one", "two", "three")
    agent = await engine_on(store, model, look, sell).start("hello", definition=written)
    elsewhere = engine_on(store, model, sell, look)
    later = await (await elsewhere.latest("last")).advance("again")
    for request in model.requests:
        assert [spec.name for spec in request.tools] == ["sell"]
    without = engine_on(store, model, look)
    last = await (await without.latest("last")).advance("and again")
    assert model.requests[-1].tools == ()
    redefined = [
        event.definition
        for event in (one.event for one in await events(without, agent.thread_id))
        if isinstance(event, AgentRedefined)
    ]
    assert [(one.tools, one.tool_names) for one in redefined] == [((), ("sell",))]
    assert later.definition == agent.definition != last.definition


async def test_an_agent_with_no_tools_is_given_none() -> None:
    model = scripted("one")
    engine = engine_on(MemoryStore(), model, look)
    await engine.start("hello", definition=AgentDefinition(role="A clerk.", tools=[]))
    assert model.requests[0].tools == ()


async def test_a_tool_that_is_not_there_is_refused_by_name_and_nothing_is_written() -> None:
    engine = engine_on(MemoryStore(), scripted("one"), look)
    written = AgentDefinition(role="A clerk.", tools=["look", "sell"])
    with pytest.raises(ValidationError, match="there is no tool 'sell'; there are: look") as caught:
        await engine.start("hello", definition=written)
    assert caught.value.field == "tools"
    assert await engine.threads() == ()
