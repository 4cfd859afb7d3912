"""Tools that a person must allow first."""

import pytest

from messagedb_agent.agents.agent import Agent
from messagedb_agent.agents.engine import Engine
from messagedb_agent.errors import NotFound, Refused
from messagedb_agent.events.request import ToolAnswer
from messagedb_agent.llm.scripted import ScriptedModel, call
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.tools.function_tool import tool
from tests.unit.engine.world import assert_sound, engine_on, scripted, types

burnt: list[str] = []


@tool(needs_approval=True)
def burn(what: str) -> str:
    """Burn something."""
    burnt.append(what)
    return f"{what} is ash"


@pytest.fixture(autouse=True)
def _nothing_burnt() -> None:
    burnt.clear()


async def waiting_for_two(*answers: str) -> tuple[Engine, Agent, ScriptedModel]:
    model = scripted((call("burn", what="a"), call("burn", what="b")), *answers)
    engine = engine_on(MemoryStore(), model, burn)
    return engine, await engine.start("burn both"), model


async def test_a_tool_that_needs_approval_waits_for_it() -> None:
    _, agent, model = await waiting_for_two()
    assert agent.status == "approval"
    assert [asked.arguments for asked in agent.approvals] == ['{"what": "a"}', '{"what": "b"}']
    assert burnt == []
    assert len(model.requests) == 1
    assert await agent.resume() == agent


async def test_an_end_of_an_id_that_names_no_one_call_approves_and_denies_none() -> None:
    engine, agent, _ = await waiting_for_two("done")
    first, second = agent.approvals
    for suffix in ("", "zzz", "_"):
        with pytest.raises(NotFound):
            await agent.approve(suffix)
    rest = await agent.approve("_0")
    for suffix in ("", first.call_id):
        with pytest.raises(NotFound):
            await rest.approve(suffix)
        with pytest.raises(NotFound):
            await rest.deny(suffix)
    assert (rest.approvals, burnt) == ((second,), ["a"])
    await assert_sound(engine, agent.thread_id)


async def test_what_waits_survives_its_engine() -> None:
    engine, _, model = await waiting_for_two("done")
    again = await engine_on(engine.store, model, burn).latest("last")
    assert again.status == "approval"
    first, second = again.approvals
    halfway = await again.approve(first.call_id)
    assert (halfway.status, burnt) == ("approval", ["a"])
    assert halfway.approvals == (second,)
    done = await halfway.approve(second.call_id)
    assert (done.answer, burnt) == ("done", ["a", "b"])
    await assert_sound(engine, done.thread_id)


async def test_calls_are_approved_in_any_order_also_through_an_older_state() -> None:
    engine, agent, model = await waiting_for_two("done")
    first, second = agent.approvals
    await agent.approve(second.call_id)
    done = await agent.approve(first.call_id)
    assert done.thread_id == agent.thread_id
    assert burnt == ["b", "a"]
    results = [m.text for m in model.requests[1].messages if isinstance(m, ToolAnswer)]
    assert results == ["a is ash", "b is ash"]
    assert len(await engine.threads()) == 1


async def test_a_unique_end_of_a_call_id_names_the_call() -> None:
    _, agent, _ = await waiting_for_two()
    halfway = await agent.approve("_1")
    assert burnt == ["b"]
    with pytest.raises(NotFound):
        await halfway.approve("_1")
    with pytest.raises(NotFound):
        await halfway.approve("nothing")


async def test_an_end_that_fits_two_calls_names_none() -> None:
    _, agent, _ = await waiting_for_two()
    with pytest.raises(NotFound):
        await agent.approve("")
    assert burnt == []


async def test_a_second_approval_and_a_denial_after_it_are_refused() -> None:
    engine, agent, _ = await waiting_for_two("done")
    first = agent.approvals[0].call_id
    await agent.approve(first)
    before = await types(engine, agent.thread_id)
    with pytest.raises(Refused):
        await agent.approve(first)
    with pytest.raises(Refused):
        await agent.deny(first)
    assert burnt == ["a"]
    assert await types(engine, agent.thread_id) == before
    assert len(await engine.threads()) == 1


async def test_a_denied_call_does_not_run_and_the_model_is_told_why() -> None:
    engine, agent, model = await waiting_for_two("I will not.")
    halfway = await agent.deny("_0", reason="it is mine")
    done = await halfway.deny("_1")
    assert done.answer == "I will not."
    assert burnt == []
    told = [m.text for m in model.requests[1].messages if isinstance(m, ToolAnswer)]
    assert told == [
        "The user did not allow this call: it is mine",
        "The user did not allow this call.",
    ]
    await assert_sound(engine, agent.thread_id)


async def test_a_message_while_a_call_waits_is_heard_once_the_round_is_done() -> None:
    _, agent, model = await waiting_for_two("done")
    still = await agent.advance("hurry")
    assert still.status == "approval"
    done = await (await still.approve("_0")).deny("_1")
    assert done.answer == "done"
    assert [m.text for m in model.requests[1].messages][-1] == "hurry"


async def test_what_a_fork_of_a_waiting_state_had_asked_for_never_runs() -> None:
    engine, agent, _ = await waiting_for_two("done", "in the fork")
    await (await agent.approve("_0")).approve("_1")
    fork = await agent.advance("do something else")
    assert fork.thread_id != agent.thread_id
    assert fork.answer == "in the fork"
    assert fork.approvals == ()
    assert burnt == ["a", "b"]
    await assert_sound(engine, fork.thread_id)
