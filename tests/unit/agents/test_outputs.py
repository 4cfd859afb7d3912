"""An answer that must be a value: of the type that was asked for, or sent back once."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from pydantic import BaseModel, TypeAdapter, field_validator
from typing_extensions import TypedDict

from messagedb_agent.agent.commands import Say
from messagedb_agent.agents.agent import Agent
from messagedb_agent.agents.outputs import wanted
from messagedb_agent.errors import (
    DuplicateMessage,
    LimitReached,
    ModelError,
    NotFound,
    ValidationError,
)
from messagedb_agent.events.request import Reply
from messagedb_agent.events.schema import (
    LlmCallStarted,
    LlmResponseReceived,
    UserMessageAdded,
)
from messagedb_agent.events.values import Limits
from messagedb_agent.llm.offline import OfflineModel
from messagedb_agent.llm.scripted import call
from messagedb_agent.projections.requests import OUTPUT_INSTRUCTION
from messagedb_agent.store.memory import MemoryStore
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


class Bill(BaseModel):
    """What is to be paid."""

    euro: int
    whom: str

    @field_validator("euro")
    @classmethod
    def not_negative(cls, value: int) -> int:
        if value < 0:
            raise ValueError("nobody owes less than nothing")
        return value


@dataclass
class Point:
    x: int
    y: int = 0


class Pair(TypedDict):
    one: str
    other: str


GOOD = '{"euro": 7, "whom": "Ada"}'
BILL = Bill(euro=7, whom="Ada")
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


def texts(messages: Any) -> list[str]:
    return [m.text for m in messages]


def note(problem: str) -> str:
    return f"[Note: that is not the output that was asked for: {problem}. Answer once more.]"


async def verdicts(engine: Any, thread_id: str) -> list[str | None]:
    found = [one.event for one in await events(engine, thread_id)]
    judged = [e.output for e in found if isinstance(e, LlmResponseReceived) and e.output]
    return [verdict.problem for verdict in judged]


async def repairs(engine: Any, thread_id: str) -> list[bool]:
    found = [one.event for one in await events(engine, thread_id)]
    return [e.repairs for e in found if isinstance(e, LlmCallStarted)]


@pytest.mark.parametrize(
    ("output", "answer", "value"),
    [
        (Bill, GOOD, BILL),
        (Point, '{"x": 1}', Point(1)),
        (Pair, ' {"one": "a", "other": "b"}\n', {"one": "a", "other": "b"}),
        (TypeAdapter(Bill), GOOD, BILL),
        (list[int], '{"value": [1, 2]}', [1, 2]),
        (int | str, '{"value": "é"}', "é"),
        (list[Bill], json.dumps({"value": [json.loads(GOOD)]}), [BILL]),
        (SCHEMA, '{"n": 3}', {"n": 3}),
        ({"type": "integer"}, '{"value": 3}', 3),
    ],
    ids=str,
)
async def test_the_answer_is_a_value_of_the_type_that_was_asked_for(
    output: Any, answer: str, value: object
) -> None:
    model = scripted(answer, "free", answer)
    engine = engine_on(MemoryStore(), model)
    agent = await engine.start("how much?", output=output)
    assert agent.output == value
    assert agent.answer == answer
    schema = model.requests[0].output_schema
    assert schema is not None
    assert json.loads(schema)["type"] == "object"
    assert texts(model.requests[0].messages) == ["how much?", OUTPUT_INSTRUCTION + schema]

    free = await agent.advance("thanks")
    assert model.requests[1].output_schema is None
    assert texts(model.requests[1].messages) == ["how much?", answer, "thanks"]
    with pytest.raises(NotFound):
        _ = free.output

    again = await free.advance("and now?", output=output)
    assert again.output == value
    loaded = await engine_on(engine.store).load_agent(again.id)
    assert loaded.output == json.loads(answer)
    assert loaded.output_as(output) == value
    assert await repairs(engine, agent.thread_id) == [False, False, False]
    await assert_sound(engine, agent.thread_id)


def cut(text: str) -> Callable[[Any], Reply]:
    return lambda request: Reply(request.model, text, "length")


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        ("I would say seven.", "it is not JSON: Expecting value at character 1"),
        ("", "it is empty"),
        (f"```json\n{GOOD}\n```", "it stands in a code fence"),
        (f"{GOOD} There you are.", "there is other text after the JSON value"),
        (f"Here: {GOOD}", "it is not JSON: Expecting value at character 1"),
        ('{"euro": 7}', "whom: is missing"),
        ('{"euro": "much", "whom": 1}', "euro: Input should be a valid integer"),
        ('{"euro": -1, "whom": "Ada"}', "euro: Value error, nobody owes less than nothing"),
        ('{"euro": NaN, "whom": "Ada"}', "it is not JSON: NaN is no JSON number"),
        ("[" * 100_000, "it is nested too deeply"),
        ('{"euro": ' + "7" * 5000 + ', "whom": "Ada"}', "it holds a number that is too long"),
        ('{"euro": 1e400, "whom": "Ada"}', "it holds a number that is too large"),
        ("[1]", "Input should be an object"),
        ("I cannot help with that.", "it is not JSON: Expecting value at character 1"),
        (cut('{"euro": 7, "wh'), "it was cut off before its end"),
    ],
)
async def test_a_bad_answer_is_sent_back_once_with_what_is_wrong(bad: Any, problem: str) -> None:
    model = scripted(bad, GOOD, "free")
    engine = engine_on(MemoryStore(), model)
    agent = await engine.start("how much?", output=Bill)
    assert agent.output == BILL

    [told, *_] = verdict = await verdicts(engine, agent.thread_id)
    assert told is not None
    assert told.startswith(problem)
    assert verdict == [told, None]
    assert await repairs(engine, agent.thread_id) == [False, True]
    *shown, instruction = model.requests[1].messages
    said = [] if bad == "" else [bad if isinstance(bad, str) else '{"euro": 7, "wh']
    assert texts(shown) == ["how much?", *said, note(told)]
    assert instruction == model.requests[0].messages[-1]
    assert agent.view.lineage.states[-1].id == agent.id
    assert agent.parent_id == agent.view.lineage.states[0].id

    free = await agent.advance("thanks")
    assert texts(model.requests[2].messages) == [*texts(shown), GOOD, "thanks"]
    assert free.status == "waiting"
    await assert_sound(engine, agent.thread_id)


async def test_a_second_bad_answer_is_an_error_that_holds_the_recorded_state() -> None:
    model = scripted("hello", "no", "nor now", "still not", GOOD)
    engine = engine_on(MemoryStore(), model)
    agent = await engine.start("hi")
    before = agent.view
    with pytest.raises(ModelError, match="not JSON") as caught:
        await agent.advance("how much?", output=Bill)
    failed = caught.value.agent
    assert (caught.value.kind, failed.status) == ("bad_output", "failed")
    assert (await events(engine, agent.thread_id))[-1].id == failed.id
    assert failed.parent_id == agent.id
    assert agent.view is before
    assert agent.status == "waiting"
    with pytest.raises(NotFound):
        _ = failed.output

    resumed = await failed.resume()  # anew, and with one repair more
    assert resumed.output == BILL
    assert await repairs(engine, agent.thread_id) == [False, False, True, False, True]
    await assert_sound(engine, agent.thread_id)


async def test_a_message_that_goes_on_from_two_bad_answers_is_answered_freely() -> None:
    model = scripted("no", "nor now", "as you like")
    engine = engine_on(MemoryStore(), model)
    with pytest.raises(ModelError) as caught:
        await engine.start("how much?", output=Bill)
    agent = await caught.value.agent.advance("never mind")
    assert agent.answer == "as you like"
    assert model.requests[2].output_schema is None
    assert await repairs(engine, agent.thread_id) == [False, True, False]
    await assert_sound(engine, agent.thread_id)


async def test_tools_are_called_in_the_same_turn_and_in_the_repair() -> None:
    model = scripted(call("look"), "a lot", call("look"), GOOD)
    engine = engine_on(MemoryStore(), model, look)
    agent = await engine.start("how much?", output=Bill)
    assert agent.output == BILL
    assert [len(request.tools) for request in model.requests] == [1, 1, 1, 1]
    assert all(request.output_schema for request in model.requests)
    assert await repairs(engine, agent.thread_id) == [False, False, True, True]
    assert len(await verdicts(engine, agent.thread_id)) == 2
    await assert_sound(engine, agent.thread_id)


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


class _Opaque:
    """Nothing that JSON knows."""


@pytest.mark.parametrize("output", [_Opaque, Callable[[], None], {"type": 7}, {"n": _Opaque()}])
async def test_what_no_schema_can_be_made_of_is_refused_before_anything_is_written(
    output: Any,
) -> None:
    store = WatchedStore()
    engine = engine_on(store)
    with pytest.raises(ValidationError) as caught:
        await engine.start("how much?", output=output)
    assert caught.value.field == "output"
    assert store.commits == []


async def test_an_agent_whose_turn_asked_for_nothing_has_no_output() -> None:
    engine = engine_on(MemoryStore(), scripted(GOOD))
    agent = await engine.start("how much?")
    for read in (lambda: agent.output, lambda: agent.output_as(Bill)):
        with pytest.raises(NotFound):
            read()


class Tree(BaseModel):
    """A value that holds others of its kind."""

    name: str
    size: float = 1.5
    leaves: list["Tree"] = []


@pytest.mark.parametrize("output", [Bill, Point, Pair, list[int], int | str, Tree, SCHEMA])
async def test_the_offline_model_answers_with_a_plain_value(output: Any) -> None:
    engine = engine_on(MemoryStore(), OfflineModel(), look)
    agent = await engine.start("call look", output=output)
    assert "ToolExecutionCompleted" in await types(engine, agent.thread_id)
    assert agent.output_as(output) == agent.output
    assert await repairs(engine, agent.thread_id) == [False, False]
