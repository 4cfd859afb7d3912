"""An answer that must be a value: of the type that was asked for, or sent back once."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter

from messagedb_agent.errors import (
    ModelError,
    NotFound,
    ValidationError,
)
from messagedb_agent.events.request import Reply
from messagedb_agent.llm.offline import OfflineModel
from messagedb_agent.llm.scripted import call
from messagedb_agent.projections.requests import OUTPUT_INSTRUCTION
from messagedb_agent.store.memory import MemoryStore
from tests.unit.agents.bills import (
    BILL,
    GOOD,
    SCHEMA,
    Bill,
    Pair,
    Point,
    note,
    repairs,
    texts,
    verdicts,
)
from tests.unit.engine.world import (
    WatchedStore,
    assert_sound,
    engine_on,
    events,
    look,
    scripted,
    types,
)


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
