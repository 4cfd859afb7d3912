"""Who owns a thread next closes what its last owner left open; nobody else does."""

import asyncio
from dataclasses import dataclass

import pytest

from messagedb_agent.errors import ModelError
from messagedb_agent.events.request import ToolAnswer
from messagedb_agent.events.schema import (
    LlmCallFailed,
    LlmCallStarted,
    ToolExecutionFailed,
    ToolExecutionStarted,
)
from messagedb_agent.events.words import EffectPolicy
from messagedb_agent.llm.scripted import ScriptedModel, call
from messagedb_agent.tools.function_tool import tool
from messagedb_agent.tools.object_tool import AnyTool
from messagedb_agent.tools.tool import ToolContext
from tests.unit.engine.world import (
    Gate,
    WatchedStore,
    assert_sound,
    engine_on,
    events,
    scripted,
    types,
    under_way,
)


@dataclass(frozen=True)
class Ran:
    """One run of a tool."""

    attempt: int
    key: str


def working(gate: Gate, runs: list[Ran], effect: EffectPolicy) -> AnyTool:
    """Return a tool that notes each run, and waits at the gate the first time."""

    @tool(name="work", effect=effect)
    async def work(context: ToolContext) -> str:
        """Work."""
        runs.append(Ran(context.attempt, context.idempotency_key))
        if len(runs) == 1:
            await gate.pass_through()
        return "worked"

    return work


@pytest.mark.parametrize("effect", ["retry", "keyed"])
async def test_a_repeatable_tool_runs_again_with_the_same_key_when_its_owner_has_died(
    effect: EffectPolicy,
) -> None:
    store, gate, runs = WatchedStore(), Gate(), list[Ran]()
    first = engine_on(store, scripted(call("work")), working(gate, runs, effect))
    async with under_way(first.start("go")):
        await gate.entered.wait()
    assert not store.in_hand

    model = scripted("done")
    second = engine_on(store, model, working(gate, runs, effect))
    agent = await (await second.latest("last")).resume()
    assert agent.answer == "done"
    assert [run.attempt for run in runs] == [1, 2]
    assert runs[0].key == runs[1].key
    started = [
        r for r in await events(second, agent.thread_id)
        if isinstance(r.event, ToolExecutionStarted)
    ]  # fmt: skip
    assert [s.event.attempt for s in started if isinstance(s.event, ToolExecutionStarted)] == [1, 2]
    assert started[0].id == runs[0].key
    await assert_sound(second, agent.thread_id)


async def test_any_other_tool_is_not_run_again_and_the_model_is_told() -> None:
    store, gate, runs = WatchedStore(), Gate(), list[Ran]()
    first = engine_on(store, scripted(call("work")), working(gate, runs, "never"))
    async with under_way(first.start("go")):
        await gate.entered.wait()

    model = scripted("I do not know whether it worked.")
    second = engine_on(store, model, working(gate, runs, "never"))
    agent = await (await second.latest("last")).resume()
    assert len(runs) == 1
    told = model.requests[0].messages[-1]
    assert isinstance(told, ToolAnswer)
    assert told.text.startswith("Error (outcome_unknown): ")
    assert agent.status == "waiting"
    await assert_sound(second, agent.thread_id)


async def test_a_tool_that_kills_its_owners_is_given_up_after_three_attempts() -> None:
    store, runs = WatchedStore(), list[int]()

    @tool(effect="retry")
    async def kill(context: ToolContext) -> str:
        """Kill."""
        runs.append(context.attempt)
        here.set()
        await asyncio.Event().wait()
        return "never"

    model = scripted(call("kill"), "It never worked.")
    engine = engine_on(store, model, kill)
    agent = await engine.create_agent()
    for attempt in range(3):
        here = asyncio.Event()
        again = engine_on(store, model, kill)
        newest = await again.latest("last")
        work = newest.resume() if attempt else agent.advance("go")
        async with under_way(work):
            await here.wait()
    answered = await (await engine.latest("last")).resume()
    assert runs == [1, 2, 3]
    failed = [
        r.event for r in await events(engine, agent.thread_id)
        if isinstance(r.event, ToolExecutionFailed)
    ]  # fmt: skip
    assert [f.kind for f in failed] == ["outcome_unknown"]
    assert answered.answer == "It never worked."


async def test_a_model_call_is_asked_again_at_most_three_times() -> None:
    store, gate = WatchedStore(), Gate()
    model = ScriptedModel(*[gate.answer("never")] * 3, "at last")
    engine = engine_on(store, model)
    agent = await engine.create_agent()
    for attempt in range(3):
        newest = await engine_on(store, model).latest("last")
        work = newest.resume() if attempt else agent.advance("hi")
        gate.entered.clear()
        async with under_way(work):
            await gate.entered.wait()
    with pytest.raises(ModelError) as caught:
        await (await engine.latest("last")).resume()
    assert caught.value.kind == "interrupted"
    assert len(model.requests) == 3
    rows = [r.event for r in await events(engine, agent.thread_id)]
    assert [e.attempt for e in rows if isinstance(e, LlmCallStarted)] == [1, 2, 3]
    assert [e.kind for e in rows if isinstance(e, LlmCallFailed)] == ["interrupted"] * 3
    answered = await (await engine.latest("last")).resume()  # a person has looked
    assert answered.answer == "at last"
    await assert_sound(engine, agent.thread_id)


async def test_two_who_resume_at_once_do_every_step_once_and_see_the_same_end() -> None:
    store, gate, runs = WatchedStore(), Gate(), list[Ran]()
    model = scripted(call("work"), "done")
    dead = engine_on(store, model, working(gate, runs, "retry"))
    async with under_way(dead.start("go")):
        await gate.entered.wait()
    engines = [engine_on(store, model, working(gate, runs, "retry")) for _ in range(4)]
    agents = [await engine.latest("last") for engine in engines]
    async with asyncio.timeout(20):
        ended = await asyncio.gather(*(agent.resume() for agent in agents))
    assert len(set(ended)) == 1
    assert ended[0].answer == "done"
    assert [run.attempt for run in runs] == [1, 2]
    assert len(model.requests) == 2
    assert not store.in_hand
    await assert_sound(dead, ended[0].thread_id)


async def test_who_resumes_a_thread_that_is_worked_on_follows_it() -> None:
    store, gate = WatchedStore(), Gate()
    model = scripted(gate.answer("slow"))
    first, second = engine_on(store, model), engine_on(store, model)
    async with under_way(first.start("hi")) as turn:
        await gate.entered.wait()
        follower = await second.latest("last")
        assert follower.status == "running"
        async with under_way(follower.resume()) as following:
            await store.tried_again()
            assert not following.done()
            gate.opened.set()
            assert await following == await turn
    assert len(model.requests) == 1
    assert (await types(first, follower.thread_id)).count("LlmCallStarted") == 1


async def test_who_follows_takes_over_when_the_owner_dies() -> None:
    store, gate = WatchedStore(), Gate()
    model = scripted(gate.answer("never"), "from the follower")
    first, second = engine_on(store, model), engine_on(store, model)
    async with under_way(first.start("hi")) as turn:
        await gate.entered.wait()
        async with under_way((await second.latest("last")).resume()) as following:
            await store.tried_again()
            turn.cancel()
            assert (await following).answer == "from the follower"
    await assert_sound(second, (await following).thread_id)


async def test_a_turn_whose_task_is_cancelled_is_taken_up_where_it_was() -> None:
    """As Ctrl-C does it."""
    store, gate = WatchedStore(), Gate()
    model = scripted(gate.answer("never"), "after all")
    engine = engine_on(store, model)
    async with under_way(engine.start("hi")) as turn:
        await gate.entered.wait()
        turn.cancel()
        with pytest.raises(asyncio.CancelledError):
            await turn
    agent = await engine.latest("last")
    assert agent.status == "running"
    resumed = await agent.resume()
    assert resumed.answer == "after all"
    assert (await types(engine, agent.thread_id))[-4:] == (
        "LlmCallStarted",
        "LlmCallFailed",
        "LlmCallStarted",
        "LlmResponseReceived",
    )
