"""Ending and cancelling a thread from elsewhere, while effects run."""

import asyncio

import pytest

from messagedb_agent import containing
from messagedb_agent.agent.commands import Cancel, End
from messagedb_agent.engine.batch import Draft
from messagedb_agent.engine.ended import Ended
from messagedb_agent.engine.plan import Effect, RunTool
from messagedb_agent.engine.running import Running
from messagedb_agent.engine.saying import Saying
from messagedb_agent.events.request import Reply, Request
from messagedb_agent.events.schema import (
    LlmCallFailed,
    SessionTitled,
    ToolExecutionFailed,
)
from messagedb_agent.events.words import EffectPolicy
from messagedb_agent.llm.model import OnDelta
from messagedb_agent.llm.scripted import call
from messagedb_agent.tools.function_tool import tool
from tests.unit.engine.world import (
    Gate,
    WatchedStore,
    assert_sound,
    engine_on,
    events,
    journal_of,
    scripted,
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
