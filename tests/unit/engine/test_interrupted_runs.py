"""A run whose task is cancelled loses no result, and leaves nothing behind."""

import asyncio
import random

import pytest

from messagedb_agent.agents.progress import Progress
from messagedb_agent.errors import ModelError, StoreUnavailable
from messagedb_agent.events.recorded import Recorded
from messagedb_agent.events.request import Request, RequestedCall
from messagedb_agent.events.schema import (
    ToolExecutionCompleted,
)
from messagedb_agent.llm.scripted import ScriptedModel, call
from messagedb_agent.store.message import NewMessage
from messagedb_agent.tools.function_tool import tool
from tests.unit.engine.world import (
    Gate,
    WatchedStore,
    assert_sound,
    engine_on,
    look,
    scripted,
    stubborn,
    types,
    under_way,
)


async def test_a_result_that_answers_the_end_of_its_run_is_recorded() -> None:
    store, gate = WatchedStore(), Gate()

    engine = engine_on(store, scripted(call("work"), "good"), stubborn(gate))
    async with under_way(engine.start("go")) as turn:
        await gate.entered.wait()
        turn.cancel()
        with pytest.raises(asyncio.CancelledError):
            await turn
    agent = await engine.latest("last")
    assert (await types(engine, agent.thread_id))[-1] == "ToolExecutionCompleted"
    assert (await agent.resume()).answer == "good"
    assert gate.visits == 1
    await assert_sound(engine, agent.thread_id)


@pytest.mark.parametrize("has_committed", [False, True])
async def test_a_result_whose_append_is_cancelled_is_recorded(has_committed: bool) -> None:
    store, writing = WatchedStore(), asyncio.Event()

    async def stall(_: str, messages: tuple[NewMessage, ...]) -> None:
        if messages[0].type == "ToolExecutionCompleted" and not writing.is_set():
            writing.set()
            await asyncio.Event().wait()

    if has_committed:
        store.after = stall
    else:
        store.before = stall
    engine = engine_on(store, scripted(call("look"), "good"), look)
    async with under_way(engine.start("go")) as turn:
        await writing.wait()
        turn.cancel()
        with pytest.raises(asyncio.CancelledError):
            await turn
    agent = await engine.latest("last")
    assert (await types(engine, agent.thread_id)).count("ToolExecutionCompleted") == 1
    assert (await agent.resume()).answer == "good"
    await assert_sound(engine, agent.thread_id)


async def test_who_is_cancelled_while_the_store_is_away_hears_of_the_cancel() -> None:
    store, gate = WatchedStore(), Gate()

    async def away(*_: object) -> None:
        raise StoreUnavailable("the store is away")

    @tool
    async def work() -> str:
        """Work, and do not stop when asked to."""
        try:
            await gate.pass_through()
        except asyncio.CancelledError:
            store.before = away
        return "it was done"

    engine = engine_on(store, scripted(call("work"), "good"), work)
    async with under_way(engine.start("go")) as turn:
        await gate.entered.wait()
        turn.cancel()
        with pytest.raises(asyncio.CancelledError):
            await turn


async def test_a_run_leaves_no_task_and_no_ownership_behind() -> None:
    store = WatchedStore()
    before = asyncio.all_tasks()
    engine = engine_on(store, scripted("one"))
    await engine.start("hi")
    assert asyncio.all_tasks() == before
    assert not store.in_hand


async def test_two_hundred_turns_cancelled_at_any_moment_are_all_finished_by_resuming() -> None:
    """At any await of a turn, as every operation of the store yields to the loop here."""
    rng = random.Random(7)
    store = WatchedStore()

    async def yielding(*_ignored: object) -> None:
        for _ in range(rng.randrange(8)):
            await asyncio.sleep(0)

    store.before = store.after = yielding

    @tool(effect="retry")
    async def look() -> str:
        """Look."""
        await asyncio.sleep(0)
        return "seen"

    @tool
    async def pay() -> str:
        """Pay."""
        for _ in range(15):
            await asyncio.sleep(0)
        return "paid"

    async def slowly(_: Request) -> tuple[RequestedCall, ...]:
        await asyncio.sleep(0)
        return (call("look"), call("pay"))

    before = asyncio.all_tasks()
    stopped_at: set[tuple[str, ...]] = set()
    for _ in range(200):
        model = ScriptedModel(slowly, "done", repeat=True)
        engine = engine_on(store, model, look, pay)
        agent = await engine.create_agent()
        turn = asyncio.create_task(agent.advance("go"))
        for _ in range(rng.randrange(120)):
            await asyncio.sleep(0)
        turn.cancel()
        await asyncio.gather(turn, return_exceptions=True)
        assert not store.in_hand
        assert asyncio.all_tasks() == before
        stopped_at.add(await types(engine, agent.thread_id))
        newest = await engine_on(store, ScriptedModel("done", repeat=True), look, pay).latest(
            agent.thread_id
        )
        try:
            resumed = await newest.resume()
        except ModelError as error:
            raise AssertionError(error.agent) from error
        assert resumed.status == "waiting"
        stands = await types(engine, agent.thread_id)
        outcomes = stands.count("ToolExecutionCompleted") + stands.count("ToolExecutionFailed")
        assert outcomes in (0, 2)
        await assert_sound(engine, agent.thread_id)
    assert len(stopped_at) >= 6


async def test_a_cancel_is_heard_though_the_caller_cannot_be_told_of_events() -> None:
    gate = Gate()
    engine = engine_on(WatchedStore(), scripted(call("work"), "good"), stubborn(gate))

    def tell(recorded: Recorded) -> None:
        if isinstance(recorded.event, ToolExecutionCompleted):
            raise BrokenPipeError("nobody reads")

    async with under_way(engine.start("go", progress=Progress(on_event=tell))) as turn:
        await gate.entered.wait()
        turn.cancel()
        with pytest.raises(asyncio.CancelledError):
            await turn


async def test_a_second_cancel_loses_no_result() -> None:
    store, gate, tidying = WatchedStore(), Gate(), asyncio.Event()

    @tool
    async def tidy() -> str:
        """Work, and take a while to stop."""
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            tidying.set()
            await asyncio.sleep(0.2)
            raise
        return "never"

    calls = (call("work"), call("tidy"))
    engine = engine_on(store, scripted(calls, "good"), stubborn(gate), tidy)
    async with under_way(engine.start("go")) as turn:
        await gate.entered.wait()
        turn.cancel()
        await tidying.wait()
        turn.cancel()
        with pytest.raises(asyncio.CancelledError):
            await turn
    thread_id = (await engine.latest("last")).thread_id
    assert (await types(engine, thread_id))[-1] == "ToolExecutionCompleted"
    assert asyncio.all_tasks() == {asyncio.current_task()}
