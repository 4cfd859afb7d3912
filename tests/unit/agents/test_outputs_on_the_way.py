"""An output that is waited for, while others take the thread on, fork it or speak to it."""

from typing import Any
from uuid import uuid4

import pytest

from messagedb_agent.agent.commands import Say
from messagedb_agent.agents.agent import Agent
from messagedb_agent.agents.outputs import wanted
from messagedb_agent.errors import (
    DuplicateMessage,
    LimitReached,
    ModelError,
    NotFound,
)
from messagedb_agent.events.schema import (
    LlmCallStarted,
    UserMessageAdded,
)
from messagedb_agent.events.values import Limits
from messagedb_agent.llm.scripted import call
from messagedb_agent.store.memory import MemoryStore
from tests.unit.agents.bills import BILL, GOOD, Bill, Point, note, repairs, texts, verdicts
from tests.unit.engine.world import (
    Gate,
    WatchedStore,
    assert_sound,
    engine_on,
    events,
    look,
    scripted,
    types,
    under_way,
)
from tests.waiting import until


async def test_the_log_alone_tells_what_is_asked_for_when_the_asker_has_died() -> None:
    store, gate = WatchedStore(), Gate()
    engine = engine_on(store, scripted("a lot", gate.answer(GOOD)))
    async with under_way(engine.start("how much?", output=Bill)):
        await gate.entered.wait()
        stream = next(iter(store.in_hand))
        store.disown(stream)
        thread_id = stream.partition("-")[2]
        other = scripted(GOOD)
        taken = await (await engine_on(store, other).latest(thread_id)).resume()
    assert taken.output_as(Bill) == BILL
    assert texts(other.requests[0].messages)[1] == "a lot"
    assert other.requests[0].output_schema == wanted(Bill).schema
    assert await repairs(engine, thread_id) == [False, True, True]
    await assert_sound(engine, thread_id)


async def test_who_takes_a_thread_on_holds_the_answer_against_the_schema() -> None:
    model = scripted('{"euro": 7}', GOOD)
    engine = engine_on(MemoryStore(), model)
    begun = await engine.start("how much?", output=Bill, detached=True)
    with pytest.raises(NotFound):
        _ = begun.output
    agent = await (await engine.load_agent(begun.id)).resume()
    assert agent.output_as(Bill) == BILL
    assert await verdicts(engine, agent.thread_id) == ["'whom' is a required property", None]


async def test_what_the_schema_lets_pass_and_the_type_does_not_is_an_error() -> None:
    engine = engine_on(MemoryStore(), scripted('{"euro": -1, "whom": "Ada"}'))
    id = str(uuid4())
    begun = await engine.start("how much?", output=Bill, message_id=id, detached=True)
    await (await engine.load_agent(begun.id)).resume()
    with pytest.raises(ModelError, match="less than nothing") as caught:
        await engine.start("how much?", output=Bill, message_id=id)
    assert caught.value.kind == "bad_output"
    assert caught.value.agent.status == "waiting"


async def test_a_fork_in_the_middle_goes_on_with_the_output_and_its_one_repair() -> None:
    engine = engine_on(MemoryStore(), scripted("a lot", "much", "no", GOOD))
    with pytest.raises(ModelError) as caught:
        await engine.start("how much?", output=Bill)
    thread = await events(engine, caught.value.agent.thread_id)
    [asked, first, again] = [
        one for one in thread if isinstance(one.event, UserMessageAdded | LlmCallStarted)
    ]
    assert isinstance(again.event, LlmCallStarted)
    for at, answers, expected in (
        (asked, ("so much", GOOD), [False, True]),
        (first, ("so much", GOOD), [False, False, True]),
        (again, (GOOD,), [False, True, True]),
    ):
        model = scripted(*answers)
        other = engine_on(engine.store, model)
        fork = await (await other.load_agent(at.id)).fork()
        assert fork.output_as(Bill) == BILL
        assert all(request.output_schema for request in model.requests)
        assert await repairs(other, fork.thread_id) == expected
        await assert_sound(other, fork.thread_id)


async def test_what_is_said_on_the_way_leaves_the_output_as_it_is() -> None:
    gate = Gate()
    model = scripted(call("look"), gate.answer("a lot"), GOOD, "free")
    engine = engine_on(MemoryStore(), model, look)
    begun = await engine.create_agent()
    async with under_way(begun.advance("how much?", output=Bill)) as asking:
        await gate.entered.wait()
        said = await engine.ask(begun, Say("quickly, please"), detached=True)
        gate.opened.set()
        agent = await asking
    assert agent.output == BILL
    assert await repairs(engine, agent.thread_id) == [False, False, True]
    assert texts(model.requests[2].messages)[-4:-1] == [
        "a lot",
        note("it is not JSON: Expecting value at character 1"),
        "quickly, please",
    ]
    assert said.thread_id == agent.thread_id
    await assert_sound(engine, agent.thread_id)


async def test_another_output_takes_the_place_of_one_that_is_waited_for() -> None:
    gate = Gate()
    model = scripted(gate.answer("a lot"), "x is one", '{"x": 1}')
    engine = engine_on(MemoryStore(), model)
    begun = await engine.create_agent()
    async with under_way(begun.advance("how much?", output=Bill)) as asking:
        await gate.entered.wait()
        point = begun.advance("and where?", output=Point, at_head=True)
        async with under_way(point) as other:
            await until(lambda: has_said(engine, begun, 2))
            gate.opened.set()
            first = await asking
            second = await other
    with pytest.raises(NotFound):
        _ = first.output
    assert second.output == Point(1)
    assert await repairs(engine, begun.thread_id) == [False, False, True]
    await assert_sound(engine, begun.thread_id)


async def has_said(engine: Any, agent: Agent, count: int) -> bool:
    return (await types(engine, agent.thread_id)).count("UserMessageAdded") == count


async def test_a_cancel_drops_what_was_asked_for() -> None:
    gate = Gate()
    model = scripted(gate.answer("a lot"), "free")
    engine = engine_on(MemoryStore(), model)
    begun = await engine.create_agent()
    async with under_way(begun.advance("how much?", output=Bill)) as asking:
        await gate.entered.wait()
        await engine.ask(begun, Say("stop", during="interrupt"))
        agent = await asking
    with pytest.raises(NotFound):
        _ = agent.output
    assert model.requests[-1].output_schema is None
    await assert_sound(engine, begun.thread_id)


async def test_a_limit_stops_the_repair_and_resume_goes_on_with_it() -> None:
    engine = engine_on(MemoryStore(), scripted("a lot", GOOD))
    definition = engine.define(limits=Limits(calls_per_turn=1))
    with pytest.raises(LimitReached) as caught:
        await engine.start("how much?", output=Bill, definition=definition)
    agent = await caught.value.agent.resume(limits=Limits(calls_per_turn=5))
    assert agent.output == BILL
    await assert_sound(engine, agent.thread_id)


async def test_the_same_message_with_another_output_is_another_message() -> None:
    engine, id = engine_on(MemoryStore(), scripted(GOOD)), str(uuid4())
    first = await engine.start("how much?", output=Bill, message_id=id)
    again = await engine.start("how much?", output=Bill, message_id=id)
    assert again == first
    assert again.output == BILL
    for other in (None, Point):
        with pytest.raises(DuplicateMessage):
            await engine.start("how much?", output=other, message_id=id)
