"""A `check` tool whose worker died is asked what became of the call."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest

from messagedb_agent.agent.commands import Cancel, DenyTool
from messagedb_agent.agents.agent import Agent
from messagedb_agent.agents.engine import Engine
from messagedb_agent.errors import ConfigurationError, Refused, ValidationError
from messagedb_agent.events.request import ToolAnswer
from messagedb_agent.events.schema import (
    Event,
    ToolExecutionCompleted,
    ToolExecutionFailed,
    ToolExecutionStarted,
    ToolOutcomeResolved,
)
from messagedb_agent.llm.scripted import ScriptedModel, call
from messagedb_agent.tools.function_tool import tool
from messagedb_agent.tools.object_tool import AnyTool
from messagedb_agent.tools.reconciling import Reconciled
from messagedb_agent.tools.tool import ToolContext
from messagedb_agent.tools.toolbox import Toolbox
from tests.unit.engine.world import (
    Gate,
    WatchedStore,
    assert_sound,
    engine_on,
    events,
    scripted,
    stream_of,
    types,
    under_way,
)
from tests.waiting import until

PATIENT_S, HASTY_S = 60.0, 0.02


@dataclass
class World:
    """A store in which a worker has died while `work` ran.

    Attributes:
        store: what is left.
        keys: the key of each run of the tool.
        asked: the key of each question.
    """

    store: WatchedStore = field(default_factory=WatchedStore)
    keys: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def tool(self, answer: Callable[[str], Any], gate: Gate | None = None) -> AnyTool:
        def reconcile(key: str) -> Any:
            self.asked.append(key)
            return answer(key)

        @tool(effect="check", reconcile=reconcile)
        async def work(context: ToolContext) -> str:
            """Work."""
            self.keys.append(context.idempotency_key)
            if gate:
                await gate.pass_through()
            return "worked"

        return work

    def engine(self, model: ScriptedModel, *tools: AnyTool, ask_s: float = PATIENT_S) -> Engine:
        box = Toolbox(*tools, ask_timeout_s=ask_s)
        return Engine(self.store, lambda _: model, box)

    async def die(self, *, times: int = 1) -> None:
        """Let workers die in the tool, each taking the call up from the one before it."""
        for attempt in range(times):
            gate = Gate()
            work = self.tool(lambda _: Reconciled.not_done(), gate)
            engine = engine_on(self.store, scripted(call("work")), work)
            turn = (await engine.latest("last")).resume() if attempt else engine.start("go")
            async with under_way(turn):
                await gate.entered.wait()

    async def survive(
        self, answer: Callable[[str], Any], *, ask_s: float = PATIENT_S
    ) -> tuple[Agent, str, list[Event]]:
        """Take the thread up; return it, what the model was told, and the events of the call."""
        model = scripted("I see.")
        engine = self.engine(model, self.tool(answer), ask_s=ask_s)
        async with under_way((await engine.latest("last")).resume()) as turn:
            agent = await turn
        told = model.requests[0].messages[-1]
        assert isinstance(told, ToolAnswer)
        await assert_sound(engine, agent.thread_id)
        return agent, told.text, await self.of_call(engine, agent.thread_id)

    async def of_call(self, engine: Engine, thread_id: str) -> list[Event]:
        kinds = (
            ToolExecutionStarted, ToolExecutionCompleted, ToolExecutionFailed, ToolOutcomeResolved,
        )  # fmt: skip
        rows = [recorded.event for recorded in await events(engine, thread_id)]
        return [event for event in rows if isinstance(event, kinds)]


@pytest.fixture
async def world() -> World:
    world = World()
    await world.die()
    return world


async def _later(answer: Reconciled) -> Reconciled:
    await asyncio.sleep(0)
    return answer


@pytest.mark.parametrize("later", [False, True])
async def test_a_call_that_is_done_gets_the_result_that_its_tool_tells(
    world: World, later: bool
) -> None:
    done = Reconciled.done({"receipt": 7})
    agent, told, (started, completed) = await world.survive(
        (lambda _: _later(done)) if later else (lambda _: done)
    )
    assert agent.answer == "I see."
    assert told == '{"receipt": 7}'
    assert isinstance(started, ToolExecutionStarted)
    assert isinstance(completed, ToolExecutionCompleted)
    assert completed.attempt == started.attempt == 1
    assert world.asked == [started.idempotency_key]
    assert len(world.keys) == 1


async def test_who_is_asked_may_be_a_coroutine_function_or_a_method_of_an_object(
    world: World,
) -> None:
    class Work:
        name = "work"
        effect = "check"
        parameters = {"type": "object", "properties": {}}  # noqa: RUF012 - a value of a test

        async def execute(self, arguments: Any, context: ToolContext) -> str:
            raise AssertionError("it must not run")

        async def reconcile(self, key: str) -> Reconciled:
            world.asked.append(key)
            return await _later(Reconciled.done("found"))

    engine = engine_on(world.store, scripted("I see."), Work())
    agent = await (await engine.latest("last")).resume()
    assert agent.answer == "I see."
    assert world.asked == world.keys
    assert isinstance((await world.of_call(engine, agent.thread_id))[-1], ToolExecutionCompleted)


async def test_a_call_that_is_not_done_begins_again_with_the_same_key(world: World) -> None:
    _, told, stands = await world.survive(lambda _: Reconciled.not_done())
    assert told == "worked"
    assert world.keys[0] == world.keys[1]
    assert len(world.keys) == 2
    starts = [event for event in stands if isinstance(event, ToolExecutionStarted)]
    assert [start.attempt for start in starts] == [1, 2]
    assert {start.idempotency_key for start in starts} == {world.keys[0]}


async def test_a_call_that_failed_has_the_reason_that_its_tool_tells(world: World) -> None:
    agent, told, (_, failed) = await world.survive(lambda _: Reconciled.failed("card refused"))
    assert told == "Error (raised): card refused"
    assert isinstance(failed, ToolExecutionFailed)
    assert agent.view.conversation.state.unknown == frozenset()


def _raises(_: str) -> Reconciled:
    raise OSError("no route")


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (lambda _: Reconciled.unknown("ask the bank"), "ask the bank"),
        (lambda _: Reconciled.unknown(), "the tool does not know what became of the call"),
        (_raises, "the tool could not say what became of the call: OSError: no route"),
        (lambda _: None, "value of type NoneType, no Reconciled"),
        (lambda _: Reconciled("perhaps"), "status 'perhaps' is none of done,"),  # type: ignore[arg-type]  # as a tool may
        (lambda _: Reconciled.done(object()), "JSON cannot hold"),
    ],
)
async def test_a_tool_that_cannot_say_leaves_the_outcome_unknown(
    world: World, answer: Callable[[str], Any], why: str
) -> None:
    agent, told, (_, failed) = await world.survive(answer)
    assert told.startswith("Error (outcome_unknown): ")
    assert why in told
    assert isinstance(failed, ToolExecutionFailed)
    assert agent.view.conversation.state.unknown == {failed.call_id}
    assert len(world.keys) == 1


async def test_a_tool_that_hangs_when_it_is_asked_leaves_the_outcome_unknown(world: World) -> None:
    async def hang() -> Reconciled:
        await asyncio.Event().wait()
        return Reconciled.not_done()

    _, told, _ = await world.survive(lambda _: hang(), ask_s=HASTY_S)
    assert told == (
        "Error (outcome_unknown): the tool did not say within 0.02 s what became of the call"
    )


async def test_a_call_that_was_never_done_is_given_up_after_three_attempts() -> None:
    world = World()
    await world.die(times=3)
    agent, told, stands = await world.survive(lambda _: Reconciled.not_done())
    assert told == "Error (raised): given up after 3 attempts, none of which took effect"
    assert len(world.keys) == 3
    assert [type(event).__name__ for event in stands] == [
        *["ToolExecutionStarted"] * 3, "ToolExecutionFailed",
    ]  # fmt: skip
    assert agent.view.conversation.state.unknown == frozenset()


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Reconciled.not_done(), "cancelled"),
        (Reconciled.unknown(), "outcome_unknown"),
        (Reconciled.done("late"), None),
    ],
)
async def test_after_a_cancel_the_tool_is_asked_and_nothing_begins_again(
    world: World, answer: Reconciled, kind: str | None
) -> None:
    engine = world.engine(scripted(), world.tool(lambda _: _later(answer)))
    async with under_way(engine.ask(await engine.latest("last"), Cancel())) as turn:
        agent = await turn
    assert agent.status == "waiting"
    assert len(world.keys) == 1
    assert world.asked == world.keys
    last = (await world.of_call(engine, agent.thread_id))[-1]
    assert (last.kind if isinstance(last, ToolExecutionFailed) else None) == kind
    if kind == "cancelled":
        assert "has taken no effect" in str(last)
    await assert_sound(engine, agent.thread_id)


async def test_the_question_is_not_cancelled_with_its_turn(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = list[str]()

    async def stream_version(stream: str) -> int:
        looks.append(stream)
        return await WatchedStore.stream_version(world.store, stream)

    async def tell() -> Reconciled:
        await until(lambda: len(looks) >= 2)  # by then the loop has come past the cancel
        return Reconciled.done("late")

    engine = world.engine(scripted(), world.tool(lambda _: tell()))
    left = await engine.latest("last")
    monkeypatch.setattr(world.store, "stream_version", stream_version)
    async with under_way(engine.ask(left, Cancel())) as turn:
        agent = await turn
    completed = (await world.of_call(engine, agent.thread_id))[-1]
    assert isinstance(completed, ToolExecutionCompleted)


async def test_who_lacks_the_tool_lets_the_thread_go_and_records_nothing(world: World) -> None:
    engine = world.engine(scripted())
    left = await engine.latest("last")
    before = await types(engine, left.thread_id)
    with pytest.raises(ConfigurationError, match="work"):
        await engine.ask(left)
    assert await types(engine, left.thread_id) == before
    assert not world.store.in_hand
    _, told, _ = await world.survive(lambda _: Reconciled.done("worked after all"))
    assert told == "worked after all"


async def test_who_lacks_the_tool_may_say_something_all_the_same() -> None:
    """An approval of another call stands, and is carried out by whoever has the tools."""
    store, gate = WatchedStore(), Gate()

    @tool(needs_approval=True)
    def rm() -> str:
        """Remove."""
        return "removed"

    @tool(effect="retry")
    async def work() -> str:
        """Work."""
        await gate.pass_through()
        return "worked"

    first = engine_on(store, scripted((call("work"), call("rm"))), work, rm)
    async with under_way(first.start("go")):
        await gate.entered.wait()
    left = await first.latest("last")
    (asked,) = left.approvals
    toolless = engine_on(store, scripted())
    with pytest.raises(ConfigurationError):
        await toolless.ask(await toolless.latest("last"), DenyTool(asked.call_id))
    assert (await types(first, left.thread_id))[-1] == "ToolExecutionDenied"
    with pytest.raises(Refused):
        await first.ask(left, DenyTool(asked.call_id))


async def test_who_lacks_the_tool_of_a_stopped_turn_closes_it_as_unknown(world: World) -> None:
    engine = world.engine(scripted())
    agent = await (await engine.latest("last")).end()
    assert agent.status == "ended"
    (_, failed) = await world.of_call(engine, agent.thread_id)
    assert isinstance(failed, ToolExecutionFailed)
    assert failed.kind == "outcome_unknown"


@asynccontextmanager
async def asleep(store: WatchedStore, gate: Gate, work: AnyTool) -> AsyncIterator[Engine]:
    """Yield an engine whose worker runs a tool, and has lost the thread without hearing of it."""
    engine = engine_on(store, scripted(call("work"), "I was asleep."), work)
    async with under_way(engine.start("go")) as turn:
        await gate.entered.wait()
        store.disown(stream_of(engine, (await engine.latest("last")).thread_id))
        yield engine
        gate.opened.set()
        await turn


def _given(answer: Reconciled, _: str) -> Reconciled:
    return answer


async def test_what_a_sleeper_brings_late_stands_once_whatever_the_tool_has_said() -> None:
    for answer in (Reconciled.done("found"), Reconciled.unknown(), Reconciled.failed("refused")):
        world, gate = World(), Gate()
        async with asleep(world.store, gate, world.tool(lambda _: None, gate)):
            agent, _, _ = await world.survive(partial(_given, answer))
        engine = engine_on(world.store)
        stands = [type(e).__name__ for e in await world.of_call(engine, agent.thread_id)]
        first = "Completed" if answer.status == "done" else "Failed"
        late = ["ToolOutcomeResolved"] if answer.status == "unknown" else []
        assert stands == ["ToolExecutionStarted", f"ToolExecution{first}", *late]


async def test_a_check_tool_must_say_how_it_is_asked_and_no_other_may() -> None:
    with pytest.raises(ValidationError, match="must be a function"):
        tool(effect="check")(asked_for)
    with pytest.raises(ValidationError, match="alone"):
        tool(effect="keyed", reconcile=lambda _: Reconciled.unknown())(asked_for)


def asked_for() -> str:
    """Be asked for."""
    return ""
