"""Cancelling a run, from wherever."""

import pytest

from messagedb_agent.errors import Refused
from messagedb_agent.events.schema import TurnCancelled
from messagedb_agent.llm.scripted import call
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.tools.function_tool import tool
from tests.contract.messages import new
from tests.unit.engine.world import (
    Gate,
    WatchedStore,
    assert_sound,
    engine_on,
    scripted,
    types,
    under_way,
)


async def test_a_cancel_from_elsewhere_stops_a_model_call_and_the_next_message_is_answered() -> (
    None
):
    store, gate = WatchedStore(), Gate()
    engine, other = engine_on(store, scripted(gate.answer("never"), "two")), engine_on(store)
    async with under_way(engine.start("first")) as turn:
        await gate.entered.wait()
        cancelled = await (await other.latest("last")).cancel(reason="enough", by="ada")
        stopped = await turn
    assert stopped == cancelled
    assert (stopped.status, stopped.answer, gate.left) == ("waiting", None, 0)
    assert stopped.view.outcome.cancelled == TurnCancelled(by="ada", reason="enough")
    answered = await stopped.advance("second")
    assert answered.answer == "two"
    assert answered.view.outcome.cancelled is None
    await assert_sound(engine, answered.thread_id)


async def test_a_thread_that_is_deleted_during_a_turn_comes_to_its_end() -> None:
    store, gate = WatchedStore(), Gate()
    engine, other = engine_on(store, scripted(gate.answer("never"))), engine_on(store)
    async with under_way(engine.start("first")) as turn:
        await gate.entered.wait()
        deleted = await other.delete(await other.latest("last"), by="ada")
        stopped = await turn
    assert stopped == deleted
    assert (stopped.status, stopped.answer, gate.left) == ("deleted", None, 0)
    assert (await types(engine, stopped.thread_id))[-2:] == ("SessionDeleted", "LlmCallFailed")
    await assert_sound(engine, stopped.thread_id)


async def test_a_cancel_closes_what_a_dead_worker_left_open() -> None:
    store, gate = WatchedStore(), Gate()

    @tool
    async def pay() -> str:
        """Pay."""
        await gate.pass_through()
        return "never"

    engine = engine_on(store, scripted(call("pay"), "two"), pay)
    async with under_way(engine.start("first")) as turn:
        await gate.entered.wait()
        turn.cancel()
    left = await engine_on(store).latest("last")
    assert left.status == "running"
    cancelled = await left.cancel()
    assert cancelled.status == "waiting"
    assert (await types(engine, left.thread_id))[-2:] == ("TurnCancelled", "ToolExecutionFailed")
    await assert_sound(engine, left.thread_id)


async def test_a_thread_at_rest_is_not_cancelled_and_one_that_failed_owes_nothing_then() -> None:
    engine = engine_on(MemoryStore(), scripted("one"))
    agent = await engine.start("first")
    assert await agent.cancel() == agent
    assert "TurnCancelled" not in await types(engine, agent.thread_id)
    with pytest.raises(Exception, match="the script has 1 answers"):
        await agent.advance("second")
    failed = await engine.latest("last")
    assert failed.status == "failed"
    cancelled = await failed.cancel()
    assert cancelled.status == "waiting"
    assert await cancelled.resume() == cancelled


async def test_what_was_never_started_cannot_be_cancelled() -> None:
    store = MemoryStore()
    await store.append("agent:v0-theirs", new("Noted", "{}"))
    agent = await engine_on(store).latest("theirs")
    with pytest.raises(Refused):
        await agent.cancel()
