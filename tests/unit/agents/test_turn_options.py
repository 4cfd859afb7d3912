"""What is other for one turn alone, and tools that an agent has from there on."""

import inspect
from decimal import Decimal
from typing import Any

import pytest

from messagedb_agent.agents.agent import Agent
from messagedb_agent.agents.attending import attend
from messagedb_agent.agents.engine import Engine
from messagedb_agent.agents.progress import SILENT
from messagedb_agent.definitions.authoring import AgentDefinition
from messagedb_agent.errors import LimitReached, ModelError, ValidationError
from messagedb_agent.events.request import CallFailure
from messagedb_agent.events.schema import AgentRedefined, SessionStarted
from messagedb_agent.events.values import Limits, ModelParameters
from messagedb_agent.llm.retrying import RetryPolicy
from messagedb_agent.llm.scripted import ScriptedModel, call
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.tools.function_tool import tool
from tests.unit.engine.world import (
    assert_sound,
    engine_on,
    events,
    look,
    scripted,
    types,
)


def asked_with(model: ScriptedModel) -> list[Decimal | None]:
    return [request.parameters.temperature for request in model.requests]


async def redefinitions(engine: Engine, agent: Agent) -> list[AgentRedefined]:
    rows = await events(engine, agent.thread_id)
    return [row.event for row in rows if isinstance(row.event, AgentRedefined)]


async def test_options_hold_for_their_turn_and_end_with_the_next_message() -> None:
    model = scripted(call("look"), "one", "two", "three")
    engine = engine_on(MemoryStore(), model, look)
    agent = await engine.create_agent(
        parameters=ModelParameters(temperature=Decimal("0.1"), max_tokens=9)
    )
    first = await agent.advance(
        "first", temperature=0.7, top_p=Decimal("0.5"), max_retries=0, timeout=1.5
    )
    second = await first.advance("second")
    await second.advance("third")
    own = ModelParameters(temperature=Decimal("0.1"), max_tokens=9)
    in_turn = ModelParameters(
        temperature=Decimal("0.7"),
        top_p=Decimal("0.5"),
        max_tokens=9,
        max_retries=0,
        timeout_ms=1500,
    )
    assert [r.parameters for r in model.requests] == [in_turn, in_turn, own, own]
    for state in (agent, first, second):
        assert state.definition is not None
        assert state.definition.parameters == own
    written = await redefinitions(engine, agent)
    assert [(e.for_turn, e.definition.parameters) for e in written] == [
        (True, in_turn),
        (False, own),
    ]
    await assert_sound(engine, agent.thread_id)


async def test_the_same_options_again_write_nothing_more() -> None:
    model = scripted("one", "two", "three")
    engine = engine_on(MemoryStore(), model)
    agent = await engine.create_agent()
    for text in ("first", "second", "third"):
        agent = await agent.advance(text, temperature=0)
    assert asked_with(model) == [Decimal(0)] * 3
    assert len(await redefinitions(engine, agent)) == 1


async def test_other_options_follow_each_other_and_what_is_lasting_stays_beside_them() -> None:
    model = scripted("one", "two", "three", "four")
    engine = engine_on(MemoryStore(), model)
    agent = await engine.create_agent(model="first")
    agent = await agent.advance("a", temperature=1)
    agent = await agent.advance("b", temperature=2, model="second")
    assert agent.model == "second"
    agent = await agent.advance("c", temperature=2)
    agent = await agent.advance("d")
    assert asked_with(model) == [Decimal(1), Decimal(2), Decimal(2), None]
    assert [request.model for request in model.requests] == ["first", *["second"] * 3]
    assert [e.for_turn for e in await redefinitions(engine, agent)] == [True, False, True, False]
    await assert_sound(engine, agent.thread_id)


async def test_a_turn_that_failed_goes_on_with_its_options() -> None:
    model = scripted(CallFailure("refused", "no"), "one", "two")
    engine = engine_on(MemoryStore(), model)
    agent = await engine.create_agent()
    with pytest.raises(ModelError) as failed:
        await agent.advance("a", temperature=1)
    other = engine_on(engine.store, model)
    later = await (await other.load_agent(failed.value.agent.id)).resume(model="second")
    await later.advance("b")
    assert asked_with(model) == [Decimal(1), Decimal(1), None]
    assert [request.model for request in model.requests[1:]] == ["second", "second"]
    await assert_sound(other, agent.thread_id)


async def test_rounds_of_a_turn_are_bounded_and_nothing_is_left_unanswered() -> None:
    model = scripted(*[call("look")] * 2, "after", *[call("look")] * 3, "done")
    engine = engine_on(MemoryStore(), model, look)
    agent = await engine.create_agent()
    with pytest.raises(LimitReached) as stopped:
        await agent.advance("look", max_tool_rounds=2)
    assert stopped.value.limits == ("roundsPerTurn",)
    said = await stopped.value.agent.messages()
    assert [m.role for m in said] == ["user", "assistant", "tool", "assistant", "tool"]
    assert (await stopped.value.agent.advance("go on", max_tool_rounds=2)).answer == "after"
    assert (await (await engine.latest(agent.thread_id)).advance("more")).answer == "done"
    await assert_sound(engine, agent.thread_id)


async def test_limits_that_were_raised_in_the_turn_stay_raised() -> None:
    model = scripted(*[call("look")] * 2, "after", "more", "done")
    engine = engine_on(MemoryStore(), model, look)
    agent = await engine.create_agent(limits=Limits(calls_per_turn=9, rounds_per_turn=5))
    with pytest.raises(LimitReached) as stopped:
        await agent.advance("look", max_tool_rounds=2)
    raised = Limits(calls_per_turn=20, rounds_per_turn=7)
    after = await stopped.value.agent.resume(limits=raised)
    later = await after.advance("more", temperature=1)
    last = await later.advance("done")
    assert last.view.conversation.state.limits == raised
    await assert_sound(engine, agent.thread_id)


async def test_a_bound_of_one_turn_is_gone_in_the_next_and_in_forks() -> None:
    model = scripted("one", "two", "three")
    engine = engine_on(MemoryStore(), model)
    agent = await engine.create_agent(limits=Limits(rounds_per_turn=5))
    first = await agent.advance("a", max_tool_rounds=1, temperature=1)
    assert first.view.conversation.state.limits.rounds_per_turn == 1
    for fork in (await first.clone(), await first.with_model("other"), await first.fork()):
        assert fork.definition is not None
        assert fork.definition.limits == Limits(rounds_per_turn=5)
        assert fork.view.conversation.definition == fork.definition
    second = await first.advance("b")
    assert second.view.conversation.state.limits.rounds_per_turn == 5
    branch = await first.advance("c")
    assert branch.view.conversation.state.limits.rounds_per_turn == 5
    assert asked_with(model) == [Decimal(1), None, None]


async def test_a_fork_in_the_middle_of_a_turn_goes_on_with_the_options_of_the_turn() -> None:
    model = scripted(*["said"] * 6)
    engine = engine_on(MemoryStore(), model)
    agent = await (await engine.create_agent()).advance("a", temperature=1)
    asked = next(row for row in await events(engine, agent.thread_id) if hasattr(row.event, "text"))
    middle = await engine.load_agent(asked.id)
    forks = [await middle.fork(), await (await middle.clone()).resume()]
    for fork in forks:
        await fork.advance("b")
        await assert_sound(engine, fork.thread_id)
    assert asked_with(model) == [Decimal(1), Decimal(1), Decimal(1), None, None]
    supposed = await engine.what_if(middle, model="other")
    assert model.requests[-1].parameters.temperature == Decimal(1)
    assert supposed.model == "other"


async def test_a_message_left_to_workers_has_its_options() -> None:
    model = scripted("one", "two")
    engine = engine_on(MemoryStore(), model)
    agent = await engine.create_agent()
    await agent.advance("a", temperature=1, detached=True)
    worker = engine_on(engine.store, model)
    answered = await (await worker.latest(agent.thread_id)).resume()
    await answered.advance("b")
    assert asked_with(model) == [Decimal(1), None]


async def test_a_state_that_forks_has_its_options_in_the_fork() -> None:
    model = scripted("one", "two")
    engine = engine_on(MemoryStore(), model)
    agent = await engine.create_agent()
    fork = await agent.advance("a", temperature=1)
    other = await agent.advance("b", temperature=1)
    assert other.thread_id != fork.thread_id
    assert asked_with(model) == [Decimal(1), Decimal(1)]
    assert (await types(engine, other.thread_id))[:3] == (
        "SessionStarted",
        "AgentRedefined",
        "UserMessageAdded",
    )
    start = (await events(engine, other.thread_id))[1].event
    assert isinstance(start, SessionStarted)
    assert start.definition.parameters == ModelParameters()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", "warm"),
        ("top_p", float("nan")),
        ("max_tokens", 0),
        ("max_tokens", True),
        ("max_retries", -1),
        ("max_retries", 1.5),
        ("timeout", 0),
        ("timeout", float("inf")),
        ("timeout", float("nan")),
        ("timeout", "soon"),
        ("timeout", True),
        ("max_tool_rounds", 0),
    ],
)
async def test_an_option_that_cannot_be_meant_is_refused_by_name(name: str, value: Any) -> None:
    engine = engine_on(MemoryStore(), scripted())
    agent = await engine.create_agent()
    with pytest.raises(ValidationError) as refused:
        await agent.advance("hi", **{name: value})
    assert refused.value.field == name
    assert name in str(refused.value)
    assert await types(engine, agent.thread_id) == ("SessionStarted",)


def test_the_defaults_that_are_shown_are_those_in_force_where_nothing_is_recorded() -> None:
    shown = {name: p.default for name, p in inspect.signature(Agent.advance).parameters.items()}
    policy = RetryPolicy()
    assert shown["max_retries"] == policy.max_retries == 3
    assert shown["timeout"] == policy.timeout_ms / 1000 == 120
    begun = Engine.define(engine_on(MemoryStore()))
    assert shown["max_tool_rounds"] == begun.limits.rounds_per_turn == 10
    assert begun.parameters == ModelParameters()
    assert inspect.iscoroutinefunction(Agent.advance)


async def test_a_turn_stops_after_ten_rounds_and_resume_gives_it_ten_more() -> None:
    model = scripted(*[call("look")] * 15, "found")
    engine = engine_on(MemoryStore(), model, look)
    agent = await engine.create_agent()
    with pytest.raises(LimitReached) as stopped:
        await agent.advance("look")
    assert stopped.value.limits == ("roundsPerTurn",)
    assert (await types(engine, agent.thread_id))[-1] == "LimitReached"
    said = await stopped.value.agent.messages()
    assert [m.role for m in said] == ["user", *["assistant", "tool"] * 10]
    assert len(model.requests) == 10
    assert (await stopped.value.agent.resume()).answer == "found"
    await assert_sound(engine, agent.thread_id)


@pytest.mark.parametrize("limits", [Limits(rounds_per_turn=13), Limits(calls_per_turn=13)])
async def test_what_is_recorded_stands_before_a_default_and_behind_what_is_said(
    limits: Limits,
) -> None:
    model = scripted(*[call("look")] * 12, "found", *[call("look")] * 10)
    own = ModelParameters(max_retries=5, timeout_ms=7000)
    engine = engine_on(MemoryStore(), model, look)
    agent = await engine.create_agent(limits=limits, parameters=own)
    found = await agent.advance("look")
    assert found.answer == "found"
    assert {request.parameters for request in model.requests} == {own}
    assert await redefinitions(engine, agent) == []
    with pytest.raises(LimitReached) as stopped:
        await found.advance("once more", max_retries=3, timeout=120, max_tool_rounds=10)
    assert stopped.value.limits == ("roundsPerTurn",)
    of_turn = ModelParameters(max_retries=3, timeout_ms=120_000)
    assert {request.parameters for request in model.requests[13:]} == {of_turn}


async def test_a_worker_and_a_fork_have_the_bound_on_rounds_that_was_recorded() -> None:
    model = scripted(*[call("look")] * 20)
    engine = engine_on(MemoryStore(), model, look)
    agent = await engine.create_agent()
    await agent.advance("look", detached=True)
    worker = engine_on(engine.store, model, look)
    await attend(worker._runs, agent.thread_id, SILENT)
    assert (await engine.latest(agent.thread_id)).status == "limit"
    assert len(model.requests) == 10
    with pytest.raises(LimitReached):
        await agent.advance("look there")
    assert len(model.requests) == 20


async def test_a_turn_is_bounded_whichever_way_its_limits_are_given() -> None:
    engine = engine_on(MemoryStore(), scripted("one", "two", "three"))
    cheap = Limits(cost_usd_per_thread=Decimal(1))
    bounded = cheap.model_copy(update={"rounds_per_turn": 10})
    clerk = AgentDefinition(role="A clerk.", limits=cheap)
    for fields in ({"limits": cheap}, {"limits": dict(cheap)}, {"definition": clerk}):
        agent = await engine.create_agent(**fields)
        assert agent.view.conversation.state.limits == bounded
        again = await agent.advance("hi", **fields)
        assert again.view.conversation.state.limits == bounded
        assert await redefinitions(engine, agent) == []


async def test_a_thread_that_was_begun_without_a_bound_keeps_it_so() -> None:
    model = scripted(*[call("look")] * 11, "found")
    engine = engine_on(MemoryStore(), model, look)
    older = engine.define().model_copy(update={"limits": Limits()})
    assert (await engine.start("look", definition=older)).answer == "found"


@tool(effect="retry")
def population(city: str) -> int:
    """Tell how many people live in a city."""
    return {"Kyoto": 1_460_000}[city]


async def test_tools_are_the_agents_from_there_on_and_no_others() -> None:
    asking = call("population", city="Kyoto")
    model = scripted(asking, "many", asking, "still", "none")
    engine = engine_on(MemoryStore(), model, look)
    agent = await engine.create_agent()
    first = await agent.advance("how many?", tools=[population])
    second = await first.advance("again?")
    assert second.answer == "still"
    assert await second.messages() == await (await engine.load_agent(second.id)).messages()
    assert [[t.name for t in r.tools] for r in model.requests] == [["population"]] * 4
    assert "1460000" in (await second.messages())[2].text
    await (await second.advance("bare", tools=[])).resume()
    assert model.requests[-1].tools == ()
    assert [spec.name for spec in engine.tools.specs()] == ["look"]


async def test_tools_may_be_named_and_the_same_tool_given_again() -> None:
    model = scripted(*["said"] * 4)
    engine = engine_on(MemoryStore(), model, look)
    agent = await (await engine.create_agent()).advance("a", tools=["look", population])
    agent = await agent.advance("b", tools=[population])
    agent = await agent.advance("c", tools=["look"])
    await agent.advance("d")
    offered = [[t.name for t in r.tools] for r in model.requests]
    assert offered == [["look", "population"], ["population"], ["look"], ["look"]]


async def test_tools_that_cannot_be_meant_are_refused_and_nothing_is_written() -> None:
    @tool(name="look")
    def other() -> str:
        """Look elsewhere."""
        return "there"

    engine = engine_on(MemoryStore(), scripted(), look)
    agent = await engine.create_agent()
    for wrong in (["fly"], [other], [object()], [lambda: 1]):
        with pytest.raises(ValidationError) as refused:
            await agent.advance("hi", tools=wrong)  # type: ignore[arg-type]  # that is tried
        assert refused.value.field == "tools"
    assert await types(engine, agent.thread_id) == ("SessionStarted",)
