"""An agent in memory, with nothing to set up."""

import asyncio
from decimal import Decimal

import pytest

import messagedb_agent
from messagedb_agent.agents.agent import Agent
from messagedb_agent.agents.simple import SimpleAgent
from messagedb_agent.errors import ValidationError
from messagedb_agent.events.values import Limits
from messagedb_agent.llm.scripted import call
from messagedb_agent.tools.function_tool import tool
from tests.unit.engine.world import assert_sound, scripted


async def test_a_simple_agent_does_what_every_agent_does() -> None:
    agent = SimpleAgent("Ada", "You are helpful.", "offline", metadata={"topic": "sums"})
    assert (agent.name, agent.system_prompt, agent.model) == ("Ada", "You are helpful.", "offline")
    assert (agent.parent_id, agent.metadata, agent.position) == (None, {"topic": "sums"}, 0)
    later = await agent.advance("What is 42 * 7?")
    assert (later.parent_id, later.answer) == (agent.id, "42 * 7 = 294.")
    assert await later.last_response() == later.answer
    assert [m.role for m in await later.messages()] == ["user", "assistant", "tool", "assistant"]
    used = await later.usage()
    assert (used.models.calls, used.cost_usd) == (2, Decimal(0))
    assert used.input_tokens > 0
    assert await agent.messages() == ()
    clone = await later.clone()
    other = await clone.with_metadata({"topic": "times"})
    assert (clone.metadata, other.metadata) == ({"topic": "sums"}, {"topic": "times"})
    assert await other.lineage() == (agent, later, clone, other)
    assert (await agent.advance("What is 2 + 2?")).thread_id != later.thread_id, "it forks"
    await assert_sound(agent.engine, later.thread_id)
    agent = later  # to type checkers too


async def test_a_simple_agent_is_an_agent_by_its_id() -> None:
    agent = SimpleAgent("Ada", "You are helpful.")
    loaded = await agent.at(0)
    assert isinstance(agent, Agent)
    assert type(loaded) is Agent
    assert {agent, loaded} == {loaded}
    assert SimpleAgent("Ada", "You are helpful.") != agent
    with pytest.raises(AttributeError):
        agent.id = "other"  # type: ignore[misc]  # that is what is tried


async def test_a_simple_agent_has_the_tools_the_model_and_the_fields_it_is_given() -> None:
    @tool
    def population(city: str) -> int:
        """Tell how many people live in a city."""
        return len(city)

    model = scripted(call("population", city="Kyoto"), "five")
    limits = Limits(calls_per_turn=2)
    agent = SimpleAgent("Ada", "", "any", tools=[population], models=model, limits=limits)
    assert (await agent.advance("how many?")).answer == "five"
    assert [t.name for t in model.requests[0].tools] == ["population"]
    assert agent.definition is not None
    assert agent.definition.limits == limits


def test_a_simple_agent_is_made_where_no_event_loop_runs() -> None:
    agent = SimpleAgent("Ada", "You are helpful.")
    assert asyncio.run(agent.advance("hello")).answer is not None


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"name": ""}, "name"),
        ({"model": ""}, "model"),
        ({"metadata": {"a": float("nan")}}, "metadata"),
        ({"tools": [object()]}, "tools"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_cannot_be_a_simple_agent_is_refused_by_name(
    given: dict[str, object], field: str
) -> None:
    said: dict[str, object] = {"name": "Ada", "system_prompt": "", "model": "offline", **given}
    with pytest.raises(ValidationError) as refused:
        SimpleAgent(**said)  # type: ignore[arg-type]  # that is what is tried
    assert refused.value.field == field


def test_both_light_objects_are_public() -> None:
    assert messagedb_agent.SimpleAgent is SimpleAgent
    assert messagedb_agent.Chat.__name__ == "Chat"
