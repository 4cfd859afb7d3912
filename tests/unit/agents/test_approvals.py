"""Tools that a person must allow first."""

import asyncio

import pytest

from messagedb_agent.agents.agent import Agent
from messagedb_agent.agents.engine import Engine
from messagedb_agent.engine.batch import Draft
from messagedb_agent.errors import AmbiguousName, NotFound, Refused, ValidationError
from messagedb_agent.events.recorded import UnknownEvent
from messagedb_agent.events.request import ToolAnswer
from messagedb_agent.events.schema import Event, ToolApprovalRequested, ToolExecutionApproved
from messagedb_agent.llm.scripted import ScriptedModel, call
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.tools.function_tool import tool
from tests.unit.engine.world import (
    WatchedStore,
    assert_sound,
    engine_on,
    events,
    journal_of,
    scripted,
    types,
)
from tests.waiting import until

burnt: list[str] = []


@tool(needs_approval=True)
def burn(what: str) -> str:
    """Burn something."""
    burnt.append(what)
    return f"{what} is ash"


@tool(needs_approval=True)
def keep(what: str) -> str:
    """Keep something."""
    return f"{what} is kept"


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
    with pytest.raises(NotFound):
        await rest.approve("")
    with pytest.raises(Refused):
        await rest.approve(first.call_id)
    with pytest.raises(Refused):
        await rest.deny(first.call_id)
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
    with pytest.raises(Refused):
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


async def test_where_one_call_waits_none_need_be_named() -> None:
    _, agent, _ = await waiting_for_two("done")
    with pytest.raises(AmbiguousName) as ambiguous:
        await agent.approve()
    assert ambiguous.value.candidates == tuple(asked.call_id for asked in agent.approvals)
    done = await (await agent.approve("_1")).deny(by="ada")
    assert (done.answer, burnt) == ("done", ["b"])
    with pytest.raises(Refused, match="no tool call"):
        await done.approve()


async def test_a_beginning_of_an_id_names_a_call_where_it_is_the_only_one() -> None:
    _, agent, _ = await waiting_for_two("done")
    beginning = agent.approvals[0].call_id[:8]
    with pytest.raises(AmbiguousName):
        await agent.approve(beginning)
    await (await agent.deny("_0")).approve(beginning)
    assert burnt == ["b"]


async def test_changed_arguments_run_in_place_of_the_models_and_it_is_told() -> None:
    engine, agent, model = await waiting_for_two("done")
    halfway = await agent.approve("_0", arguments={"what": "c"}, by="ada", reason="not a")
    done = await halfway.approve("_1", arguments='{"what": "d"}')
    assert burnt == ["c", "d"]
    told = [m.text for m in model.requests[1].messages if isinstance(m, ToolAnswer)]
    assert told[0] == '(Run with arguments changed by the user: {"what":"c"})\nc is ash'
    said = [r.event for r in await events(engine, done.thread_id)]
    approved = [event for event in said if isinstance(event, ToolExecutionApproved)]
    assert [(e.by, e.reason, e.arguments) for e in approved] == [
        ("ada", "not a", '{"what":"c"}'),
        (None, None, '{"what": "d"}'),
    ]
    await assert_sound(engine, done.thread_id)


@pytest.mark.parametrize(
    "arguments", ["", "x", "[]", '{"whom": "c"}', {}, {"what": 1}, {"what": {1}}]
)
async def test_changed_arguments_that_the_tool_refuses_are_refused_first(
    arguments: dict[str, object] | str,
) -> None:
    engine, agent, _ = await waiting_for_two()
    before = await types(engine, agent.thread_id)
    with pytest.raises(ValidationError) as refused:
        await agent.approve("_0", arguments=arguments)
    assert refused.value.field == "arguments"
    assert await types(engine, agent.thread_id) == before


@pytest.mark.parametrize("asked", [("keep", '{"what": "a"}'), ("burn", '{"what": "nothing"}')])
async def test_what_a_foreign_writer_asked_about_is_all_that_an_approval_lets_run(
    asked: tuple[str, str],
) -> None:
    theirs = engine_on(MemoryStore(), scripted(call("burn", what="a")), burn)
    rows = await events(theirs, (await theirs.start("burn it")).thread_id)
    request = rows[-1].event
    assert isinstance(request, ToolApprovalRequested)
    name, arguments = asked
    forged = request.model_copy(update={"tool_name": name, "arguments": arguments})
    said: list[Event] = [r.event for r in rows[1:-1] if not isinstance(r.event, UnknownEvent)]
    told = [Draft(row.id, event) for row, event in zip(rows[1:], [*said, forged], strict=True)]
    engine = engine_on(MemoryStore(), scripted("I see"), burn, keep)
    agent = await engine.create_agent()
    await (await journal_of(engine, agent.thread_id)).record(told, then=lambda _: None)
    waiting = await engine.latest(agent.thread_id)
    assert [a.arguments for a in waiting.approvals] == [arguments]
    with pytest.raises(Refused, match="asked about"):
        await waiting.approve()
    assert burnt == []
    assert (await waiting.deny()).answer == "I see"


async def test_of_two_people_who_decide_at_once_one_wins() -> None:
    store = WatchedStore()
    engine = engine_on(store, scripted(call("burn", what="a"), "done"), burn)
    waiting = await engine.start("burn it")
    other = await engine_on(store, scripted("done"), burn).latest("last")

    denying: list[asyncio.Task[Agent]] = []

    async def deny_first(*_: object) -> None:
        store.before = None
        denying.append(asyncio.create_task(other.deny(reason="no")))
        await until(lambda: store.commits[-1].types == ("ToolExecutionDenied",))

    store.before = deny_first
    with pytest.raises(Refused, match="does not wait for approval"):
        await waiting.approve()
    assert (await denying[0]).answer == "done"
    assert burnt == []
    assert "ToolExecutionApproved" not in await types(engine, waiting.thread_id)
    await assert_sound(engine, waiting.thread_id)
