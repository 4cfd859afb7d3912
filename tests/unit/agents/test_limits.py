"""Limits stop a turn before the next model call, and a person lets it go on."""

import pytest

from messagedb_agent.agents.agent import Agent
from messagedb_agent.agents.engine import Engine
from messagedb_agent.errors import LimitReached, Refused
from messagedb_agent.events.schema import AgentRedefined
from messagedb_agent.events.schema import LimitReached as Reached
from messagedb_agent.events.values import Limits
from messagedb_agent.llm.scripted import ScriptedModel, call
from messagedb_agent.store.memory import MemoryStore
from tests.unit.engine.world import assert_sound, engine_on, events, look, types


def looking(*answers: str, times: int) -> Engine:
    model = ScriptedModel(*[call("look")] * times, *answers)
    return engine_on(MemoryStore(), model, look)


async def test_an_error_says_how_far_which_limit_was_reached_and_what_goes_on() -> None:
    agent = await looking(times=3).create_agent(limits=Limits(rounds_per_turn=2))
    told = r"^limit reached: roundsPerTurn \(2 of 2\); its `agent` can `resume`$"
    with pytest.raises(LimitReached, match=told):
        await agent.advance("go")


async def stopped_at(agent: Agent, text: str = "go") -> Agent:
    with pytest.raises(LimitReached) as caught:
        await agent.advance(text)
    assert isinstance(caught.value.agent, Agent)
    return caught.value.agent


@pytest.mark.parametrize(
    ("limits", "name"),
    [
        (Limits(calls_per_turn=2), "callsPerTurn"),
        (Limits(rounds_per_turn=2), "roundsPerTurn"),
    ],
)
async def test_a_turn_stops_at_its_limit_and_goes_on_when_told_to(
    limits: Limits, name: str
) -> None:
    engine = looking("seen enough", times=3)
    agent = await engine.create_agent(limits=limits)
    stopped = await stopped_at(agent)
    assert stopped.status == "limit"
    last = (await events(engine, agent.thread_id))[-1]
    assert stopped.id == last.id
    assert isinstance(last.event, Reached)
    assert [(r.name, r.limit, r.reached) for r in last.event.limits] == [(name, "2", "2")]
    assert (await types(engine, agent.thread_id)).count("ToolExecutionCompleted") == 2

    resumed = await stopped.resume()  # another allowance of two
    assert resumed.answer == "seen enough"
    await assert_sound(engine, agent.thread_id)


async def test_a_message_opens_a_new_allowance() -> None:
    engine = looking("at last", times=1)
    agent = await engine.create_agent(limits=Limits(calls_per_turn=1))
    stopped = await stopped_at(agent)
    answered = await stopped.advance("go on")
    assert answered.answer == "at last"
    assert answered.thread_id == agent.thread_id


async def test_a_limit_of_the_session_must_be_raised_before_it_goes_on() -> None:
    engine = looking("cheap", "dear", times=0)
    agent = await engine.create_agent(limits=Limits(tokens_per_thread=5))
    answered = await agent.advance("a question of several words")
    stopped = await stopped_at(answered, "and one more")
    before = await types(engine, agent.thread_id)
    with pytest.raises(Refused, match="tokensPerThread"):
        await stopped.resume()
    with pytest.raises(Refused):
        await stopped.resume(limits=Limits(tokens_per_thread=6))
    assert await types(engine, agent.thread_id) == before
    assert (await engine.latest(agent.thread_id)).status == "limit"

    resumed = await stopped.resume(limits=Limits(tokens_per_thread=10_000))
    assert resumed.answer == "dear"
    assert resumed.view.conversation.state.limits.tokens_per_thread == 10_000
    assert (await types(engine, agent.thread_id)).count("SessionContinued") == 1
    await assert_sound(engine, agent.thread_id)


async def test_a_message_does_not_raise_a_limit_of_the_session() -> None:
    engine = looking("one", times=0)
    agent = await engine.create_agent(limits=Limits(tokens_per_thread=1))
    answered = await agent.advance("a question of several words")
    stopped = await stopped_at(answered, "again")
    still = await stopped_at(stopped, "and again")
    assert still.thread_id == agent.thread_id
    assert still.status == "limit"


async def test_limits_that_a_call_brings_hold_from_then_on() -> None:
    engine = looking("one", times=2)
    agent = await engine.create_agent()
    with pytest.raises(LimitReached):
        await agent.advance("go", limits=Limits(calls_per_turn=1))
    assert "AgentRedefined" in await types(engine, agent.thread_id)


async def test_limits_that_were_raised_stay_raised_when_another_agent_goes_on() -> None:
    engine = looking("cheap", "dear", "dearer", "in the fork", times=0)
    agent = await engine.create_agent(limits=Limits(tokens_per_thread=5, calls_per_turn=9))
    stopped = await stopped_at(await agent.advance("a question of several words"), "and more")
    raised = await stopped.resume(limits=Limits(tokens_per_thread=10_000))
    in_force = Limits(tokens_per_thread=10_000, calls_per_turn=9)

    redefined = await raised.advance("go on", model="another")
    rows = [r.event for r in await events(engine, agent.thread_id)]
    [recorded] = [e.definition for e in rows if isinstance(e, AgentRedefined)]
    assert (recorded.model, recorded.limits) == ("another", in_force)
    assert redefined.answer == "dearer"
    assert redefined.view.conversation.state.limits == in_force

    fork = await raised.advance("or here", model="a third")
    assert fork.thread_id != agent.thread_id
    assert fork.answer == "in the fork"
    assert fork.view.conversation.state.limits == in_force
