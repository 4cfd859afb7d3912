"""Ending and cancelling while effects run, and what a run leaves behind: nothing."""

import asyncio
import random

import pytest

from messagedb_agent import containing
from messagedb_agent.agent.commands import Cancel, End
from messagedb_agent.agents.progress import Progress
from messagedb_agent.engine.batch import Draft
from messagedb_agent.engine.ended import Ended
from messagedb_agent.engine.plan import Effect, RunTool
from messagedb_agent.engine.running import Running
from messagedb_agent.engine.saying import Saying
from messagedb_agent.errors import ModelError, StoreUnavailable
from messagedb_agent.events.recorded import Recorded
from messagedb_agent.events.request import Reply, Request, RequestedCall
from messagedb_agent.events.schema import (
    LlmCallFailed,
    SessionTitled,
    ToolExecutionCompleted,
    ToolExecutionFailed,
)
from messagedb_agent.events.words import EffectPolicy
from messagedb_agent.llm.model import OnDelta
from messagedb_agent.llm.scripted import ScriptedModel, call
from messagedb_agent.store.message import NewMessage
from messagedb_agent.tools.function_tool import tool
from tests.unit.engine.world import (
    Gate,
    WatchedStore,
    assert_sound,
    engine_on,
    events,
    journal_of,
    look,
    scripted,
    stubborn,
    types,
    under_way,
)
from tests.waiting import until


async def test_ending_a_thread_from_elsewhere_cancels_its_model_call() -> None:
    store, gate = WatchedStore(), Gate()
    engine, other = engine_on(store, scripted(gate.answer("never"))), engine_on(store)
    async with under_way(engine.start("hi")) as turn:
        await gate.entered.wait()
        ended = await (await other.latest("last")).end(reason="enough")
        assert ended.status == "ended"
        assert await turn == ended
    assert gate.left == 0
    rows = [r.event for r in await events(engine, ended.thread_id)]
    assert [e.kind for e in rows if isinstance(e, LlmCallFailed)] == ["cancelled"]
    assert (await types(engine, ended.thread_id))[-3:] == (
        "SessionTerminationRequested",
        "LlmCallFailed",
        "SessionCompleted",
    )
    assert not store.in_hand


@pytest.mark.parametrize(("effect", "kind"), [("retry", "cancelled"), ("never", "outcome_unknown")])
async def test_ending_a_thread_from_elsewhere_cancels_its_tools(
    effect: EffectPolicy, kind: str
) -> None:
    store, gate = WatchedStore(), Gate()

    @tool(effect=effect)
    async def work() -> str:
        """Work."""
        await gate.pass_through()
        return "never"

    model = scripted((call("work"), call("work")))
    engine, other = engine_on(store, model, work), engine_on(store, None, work)
    async with under_way(engine.start("hi")) as turn:
        await gate.entered.wait()
        ended = await (await other.latest("last")).end()
        assert await turn == ended
    assert ended.status == "ended"
    assert gate.left == 0
    rows = [r.event for r in await events(engine, ended.thread_id)]
    assert [e.kind for e in rows if isinstance(e, ToolExecutionFailed)] == [kind] * 2
    await assert_sound(engine, ended.thread_id)


async def test_effects_that_will_not_stop_are_left_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(containing, "GRACE_S", 0.01)
    store, gate, refused = WatchedStore(), Gate(), list[str]()

    class Stubborn:
        async def complete(self, request: Request, *, on_delta: OnDelta | None = None) -> Reply:
            gate.entered.set()
            while True:
                try:
                    await gate.opened.wait()
                except asyncio.CancelledError:
                    refused.append("cancel")
                else:
                    return Reply(model="m", text="too late", finish_reason="stop")

    engine, other = engine_on(store, Stubborn()), engine_on(store)
    async with under_way(engine.start("hi")) as turn:
        await gate.entered.wait()
        ended = await (await other.latest("last")).end()
        assert await turn == ended
    assert refused == ["cancel"]
    rows = [r.event for r in await events(engine, ended.thread_id)]
    assert [e.kind for e in rows if isinstance(e, LlmCallFailed)] == ["cancelled"]
    gate.opened.set()
    await assert_sound(engine, ended.thread_id)


async def test_an_effect_that_takes_its_time_to_stop_is_cancelled_once() -> None:
    began, tidied, cancels = asyncio.Event(), asyncio.Event(), list[str]()

    async def perform(effect: Effect) -> Draft:
        began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancels.append("once")
        await tidied.wait()
        return Draft("id", SessionTitled(title="tidy"))

    running = Running(perform, look_s=60)
    running.start([RunTool("call", 1, "work", "{}", 1, "key", "never")])
    await began.wait()
    for _ in range(3):
        running.cancel()
        await asyncio.sleep(0)
    stopped = asyncio.create_task(running.stop())
    await asyncio.sleep(0)
    tidied.set()
    assert [fact.id for fact in await stopped] == ["id"]
    assert cancels == ["once"]


async def test_the_stream_is_looked_at_when_nothing_was_recorded_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop, gate = asyncio.get_running_loop(), asyncio.Event()
    now = loop.time()
    monkeypatch.setattr(loop, "time", lambda: now)

    async def perform(effect: Effect) -> Draft:
        await gate.wait()
        return Draft("id", SessionTitled(title="late"))

    async def is_looked_at(waiting: asyncio.Task[tuple[Ended, ...]]) -> bool:
        for _ in range(3):
            await asyncio.sleep(0)
        return waiting.done()

    running = Running(perform, look_s=10)
    running.start([RunTool("call", 1, "work", "{}", 1, "key", "never")])
    waiting = asyncio.create_task(running.next_ended())
    assert not await is_looked_at(waiting)
    now += 9
    running.recorded()
    now += 9
    assert not await is_looked_at(waiting)
    now += 2
    assert await is_looked_at(waiting)
    assert await waiting == ()
    gate.set()
    await running.stop()


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


async def test_a_cancelled_turn_clears_what_was_owed_and_never_runs_later() -> None:
    store, gate, runs = WatchedStore(), Gate(), list[str]()

    @tool(needs_approval=True)
    def burn(what: str) -> str:
        """Burn it."""
        runs.append(what)
        return "burnt"

    @tool(effect="retry")
    async def work() -> str:
        """Work."""
        await gate.pass_through()
        return "never"

    model = scripted((call("work"), call("burn", what="x")), "next")
    engine = engine_on(store, model, work, burn)
    async with under_way(engine.start("hi")) as turn:
        await gate.entered.wait()
        waiting = await engine.latest("last")
        journal = await journal_of(engine, waiting.thread_id)
        await journal.claim(Saying(lambda _: (Cancel(reason="stop"),)))
        stopped = await turn
    assert stopped.status == "waiting"
    assert stopped.answer is None
    assert len(model.requests) == 1
    assert (await stopped.resume()) == stopped
    assert len(model.requests) == 1
    with pytest.raises(Exception, match="does not wait"):
        await waiting.approve(waiting.approvals[0].call_id)
    assert runs == []
    answered = await stopped.advance("and now?")
    assert answered.answer == "next"
    assert runs == []
    await assert_sound(engine, stopped.thread_id)


async def test_a_cancel_during_a_model_call_keeps_no_debt() -> None:
    store, gate = WatchedStore(), Gate()
    engine = engine_on(store, scripted(gate.answer("never")))
    async with under_way(engine.start("hi")) as turn:
        await gate.entered.wait()
        journal = await journal_of(engine, (await engine.latest("last")).thread_id)
        await journal.claim(Saying(lambda _: (Cancel(),)))
        stopped = await turn
    assert stopped.status == "waiting"
    assert stopped.view.conversation.state.owed is None


async def test_a_message_after_the_request_to_end_withdraws_it() -> None:
    store, gate = WatchedStore(), Gate()
    engine = engine_on(store, scripted(gate.answer("never"), "still here"))
    async with under_way(engine.start("hi")) as turn:
        await gate.entered.wait()
        agent = await engine.latest("last")
        journal = await journal_of(engine, agent.thread_id)
        await journal.claim(Saying(lambda _: (End(),)))
        newest = await engine_on(store).latest("last")
        async with under_way(newest.advance("no, stay")) as saying:
            await until(lambda: store.commits[-1].types == ("UserMessageAdded",))
            gate.opened.set()
            answered = await saying
        await turn
    assert answered.answer == "still here"
    assert await engine.latest("last") == answered
    await assert_sound(engine, agent.thread_id)


async def test_a_message_reopens_an_ended_session() -> None:
    engine = engine_on(WatchedStore(), scripted("one", "two"))
    ended = await (await engine.start("hi")).end()
    assert ended.status == "ended"
    assert await ended.end() == ended
    assert (await ended.advance("again")).answer == "two"


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
