"""A turn of the past, run on with something other than it was."""

from collections.abc import Sequence

import pytest

from messagedb_agent import Agent, Engine, tool
from messagedb_agent.agents.attending import attend
from messagedb_agent.agents.progress import SILENT
from messagedb_agent.agents.what_if import Supposing, branching
from messagedb_agent.agents.wish import Wish
from messagedb_agent.errors import NotFound, Refused
from messagedb_agent.events.recorded import Recorded
from messagedb_agent.events.schema import (
    SessionStarted,
    ToolExecutionCompleted,
    ToolExecutionFailed,
    TurnCancelled,
)
from messagedb_agent.llm.scripted import Answer, ScriptedModel, call
from messagedb_agent.store.memory import MemoryStore
from tests.unit.engine.world import assert_sound, engine_on, events, scripted, types

RUNS: list[str] = []


@pytest.fixture(autouse=True)
def _no_runs() -> None:
    RUNS.clear()


@tool(needs_approval=True)
def pay(to: str) -> str:
    """Pay somebody."""
    RUNS.append(to)
    return f"paid {to}, {len(RUNS)}"


@tool
def weigh(what: str) -> str:
    """Weigh something."""
    RUNS.append(what)
    return f"{what}: {len(RUNS)}"


async def own(engine: Engine, agent: Agent) -> Sequence[Recorded]:
    rows = await events(engine, agent.thread_id)
    return [r for r in rows if r.stream.endswith(agent.thread_id)]


def given(model: ScriptedModel) -> list[str]:
    """Return what the model was shown last."""
    return [m.text for m in model.requests[-1].messages]


async def thread(*answers: Answer) -> tuple[Engine, ScriptedModel, Agent]:
    model = ScriptedModel(*answers)
    engine = engine_on(MemoryStore(), model, weigh)
    return engine, model, await engine.start("weigh it")


async def test_the_same_call_is_answered_from_the_record_and_says_so_in_the_log() -> None:
    engine, model, agent = await thread(
        call("weigh", what="tea"), "light", call("weigh", what="tea"), "still light"
    )
    asked = await engine.load_agent((await events(engine, agent.thread_id))[1].id)
    fork = await engine.what_if(asked, system_prompt="Be brief.")
    assert (fork.answer, RUNS) == ("still light", ["tea"])
    assert given(model) == ["weigh it", "", "tea: 1"]
    assert model.requests[-1].system_prompt == "Be brief."
    (done,) = [
        r.event for r in await own(engine, fork) if isinstance(r.event, ToolExecutionCompleted)
    ]
    assert done.taken_from is not None
    source = (await events(engine, agent.thread_id))[done.taken_from.position]
    assert isinstance(source.event, ToolExecutionCompleted)
    assert (done.taken_from.stream_name, done.result) == (source.stream, source.event.result)
    await assert_sound(engine, fork.thread_id)


async def test_a_result_is_replaced_by_forking_before_it() -> None:
    engine, model, agent = await thread(
        (call("weigh", what="tea"), call("weigh", what="iron")), "so", "otherwise"
    )
    rows = await events(engine, agent.thread_id)
    first, second = [r.event.call_id for r in rows if isinstance(r.event, ToolExecutionCompleted)]
    fork = await engine.what_if(agent, results={first: "heavy"})
    assert given(model) == ["weigh it", "", "heavy", rows_text(rows, second)]
    assert fork.answer == "otherwise"
    start = (await own(engine, fork))[0].event
    assert isinstance(start, SessionStarted)
    assert start.forked_from is not None
    assert start.forked_from.recorded == (second,)
    assert start.forked_from.tools == "recorded"
    assert sorted(RUNS) == ["iron", "tea"]
    assert (await engine.latest(agent.thread_id)).answer == "so"
    await assert_sound(engine, fork.thread_id)


def rows_text(rows: Sequence[Recorded], call_id: str) -> str:
    return next(
        r.event.result
        for r in rows
        if isinstance(r.event, ToolExecutionCompleted) and r.event.call_id == call_id
    )


async def test_a_replaced_result_answers_the_same_call_of_another_model_too() -> None:
    engine, model, agent = await thread(
        call("weigh", what="tea"), "light", call("weigh", what="tea"), "heavy"
    )
    rows = await events(engine, agent.thread_id)
    (id,) = [r.event.call_id for r in rows if isinstance(r.event, ToolExecutionCompleted)]
    asked = await engine.load_agent(rows[1].id)
    fork = await engine.what_if(asked, results={id: "a ton"}, model="other")
    assert (given(model)[-1], model.requests[-1].model, fork.model) == ("a ton", "other", "other")
    (done,) = [
        r.event for r in await own(engine, fork) if isinstance(r.event, ToolExecutionCompleted)
    ]
    assert done.taken_from is not None
    assert done.taken_from.stream_name.endswith(fork.thread_id)
    await assert_sound(engine, fork.thread_id)


async def test_what_the_record_does_not_know_stops_the_turn_and_never_runs() -> None:
    engine, model, agent = await thread(
        call("weigh", what="tea"), "light", call("weigh", what="iron"), "never asked", "now"
    )
    asked = await engine.load_agent((await events(engine, agent.thread_id))[1].id)
    fork = await engine.what_if(asked)
    assert (fork.status, fork.answer, RUNS) == ("waiting", None, ["tea"])
    *_, failed, stopped = [r.event for r in await own(engine, fork)]
    assert isinstance(failed, ToolExecutionFailed)
    assert failed.kind == "not_recorded"
    assert isinstance(stopped, TurnCancelled)
    assert stopped.reason == 'the record has no result of weigh {"what": "iron"}'
    assert len(model.requests) == 3, "nobody asked the model in between"
    await assert_sound(engine, fork.thread_id)
    # Whoever takes the thread up later is held to it, and so is a fork of it.
    model_of_fork = scripted(call("weigh", what="lead"), call("weigh", what="gold"))
    later = engine_on(engine.store, model_of_fork, weigh)
    again = await (await later.latest(fork.thread_id)).advance("weigh on")
    assert again.view.outcome.cancelled is not None
    child = await (await later.latest(fork.thread_id)).fork()
    gold = await child.advance("and gold")
    assert gold.view.outcome.cancelled is not None
    assert RUNS == ["tea"]


async def test_several_calls_that_are_the_same_are_answered_in_their_order() -> None:
    tea = call("weigh", what="tea")
    engine, model, agent = await thread(tea, (tea, tea), "so", tea, (tea, tea), tea, "so")
    asked = await engine.load_agent((await events(engine, agent.thread_id))[1].id)
    await engine.what_if(asked)
    assert [text for text in given(model) if text.startswith("tea")] == [
        "tea: 1",
        "tea: 2",
        "tea: 3",
        "tea: 3",
    ]
    assert len(RUNS) == 3


async def test_nothing_waits_for_approval_where_no_tool_runs() -> None:
    pays = call("pay", to="ada")
    model = ScriptedModel(pays, "paid", pays, "paid again", pays, "and again")
    engine = engine_on(MemoryStore(), model, pay)
    agent = await (await engine.start("pay")).approve()
    assert RUNS == ["ada"]
    rows = await events(engine, agent.thread_id)
    asked = await engine.load_agent(rows[1].id)
    fork = await engine.what_if(asked)
    assert (fork.answer, given(model)[-1], RUNS) == ("paid again", "paid ada, 1", ["ada"])
    later = await fork.advance("again")
    assert (later.answer, RUNS) == ("and again", ["ada"])
    assert "AgentRedefined" not in await types(engine, fork.thread_id)
    assert "ToolApprovalRequested" not in await types(engine, fork.thread_id)
    await assert_sound(engine, fork.thread_id)


async def test_live_runs_what_the_record_does_not_know_and_nothing_else() -> None:
    engine, model, agent = await thread(
        call("weigh", what="tea"),
        "light",
        (call("weigh", what="tea"), call("weigh", what="lead")),
        "so",
    )
    asked = await engine.load_agent((await events(engine, agent.thread_id))[1].id)
    fork = await engine.what_if(asked, tools="live")
    assert (given(model)[-2:], RUNS) == (["tea: 1", "lead: 2"], ["tea", "lead"])
    taken = [
        r.event.taken_from is not None
        for r in await own(engine, fork)
        if isinstance(r.event, ToolExecutionCompleted)
    ]
    assert sorted(taken) == [False, True]
    await assert_sound(engine, fork.thread_id)


async def test_a_person_may_give_what_the_record_does_not_know() -> None:
    engine, model, agent = await thread(
        call("weigh", what="tea"),
        "light",
        call("weigh", what="iron"),
        call("weigh", what="lead"),
        "so",
    )
    asked = await engine.load_agent((await events(engine, agent.thread_id))[1].id)
    questions = []

    async def ask(name: str, arguments: str) -> str | None:
        questions.append((name, arguments))
        return "a lot" if "iron" in arguments else None

    fork = await engine.what_if(asked, tools="ask", ask=ask)
    assert questions == [("weigh", '{"what": "iron"}'), ("weigh", '{"what": "lead"}')]
    assert given(model)[-1] == "a lot"
    (done,) = [
        r.event for r in await own(engine, fork) if isinstance(r.event, ToolExecutionCompleted)
    ]
    assert (done.given_by, done.taken_from) == ("user", None)
    assert fork.view.outcome.cancelled is not None
    assert RUNS == ["tea"]
    await assert_sound(engine, fork.thread_id)


async def test_an_open_call_has_the_result_that_it_got_later() -> None:
    engine, model, agent = await thread(call("weigh", what="tea"), "light", "light as ever")
    rows = await events(engine, agent.thread_id)
    running = await engine.load_agent(rows[4].id)
    fork = await engine.what_if(running)
    assert given(model) == ["weigh it", "", "tea: 1"]
    assert await types(engine, fork.thread_id) == (
        "SessionStarted",
        "LlmCallStarted",
        "LlmResponseReceived",
    )


async def test_what_cannot_be_supposed_is_refused_and_leaves_no_fork() -> None:
    engine, _, agent = await thread(call("weigh", what="tea"), "light")
    with pytest.raises(Refused, match="nothing is to be done at position 7"):
        await engine.what_if(agent)
    with pytest.raises(NotFound, match="tool call"):
        await engine.what_if(agent, results={"nobody": "1"})
    fork = await agent.fork()
    rows = await events(engine, agent.thread_id)
    (id,) = [r.event.call_id for r in rows if isinstance(r.event, ToolExecutionCompleted)]
    with pytest.raises(Refused, match="in the past that is shared"):
        await engine.what_if(fork, results={id: "1"})
    waiting = engine_on(MemoryStore(), scripted(call("pay", to="ada")), pay)
    asked = await waiting.start("pay")
    with pytest.raises(Refused, match="the record has no result of pay"):
        await waiting.what_if(asked)
    assert len(await waiting.threads()) == 1
    assert len(await engine.threads()) == 2


async def test_a_failure_is_recorded_too_and_a_tool_need_not_be_here() -> None:
    @tool
    def broken(what: str) -> str:
        """Break."""
        raise ValueError(what)

    model = ScriptedModel(call("broken", what="a"), "sad", call("broken", what="a"), "sad again")
    engine = engine_on(MemoryStore(), model, broken)
    agent = await engine.start("break")
    without = engine_on(engine.store, model)
    rows = await events(without, agent.thread_id)
    fork = await without.what_if(await without.load_agent(rows[1].id))
    assert fork.answer == "sad again"
    assert given(model)[-1] == "Error (raised): ValueError: a"
    await assert_sound(engine, fork.thread_id)


async def test_a_worker_that_takes_such_a_thread_up_runs_no_tool_and_needs_none() -> None:
    engine, _, agent = await thread(call("weigh", what="tea"), "light")
    rows = await events(engine, agent.thread_id)
    asked = await engine.load_agent(rows[1].id)
    supposing = Supposing({}, "recorded", None, {})
    begins, differing = await branching(engine, asked, engine.tools.specs(), supposing)
    left = await engine._turns.fork(begins, Wish(detached=True), differing)
    weighs = ScriptedModel(call("weigh", what="tea"), call("weigh", what="iron"))
    worker = engine_on(engine.store, weighs)  # without the tool
    attended = await attend(worker._runs, left.thread_id, SILENT)
    assert attended.rests
    assert given(weighs)[-1] == "tea: 1"
    fork = await engine.latest(left.thread_id)
    assert fork.view.outcome.cancelled is not None
    assert RUNS == ["tea"]
    await assert_sound(engine, left.thread_id)
