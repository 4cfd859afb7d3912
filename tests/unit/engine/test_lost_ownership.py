"""Who loses a thread on the way stops, records what it knows, and leaves the rest to the next."""

import asyncio

import pytest

from messagedb_agent.errors import ToolError
from messagedb_agent.events.schema import (
    ToolExecutionCompleted,
    ToolExecutionFailed,
    ToolExecutionStarted,
    ToolOutcomeResolved,
)
from messagedb_agent.events.words import EffectPolicy
from messagedb_agent.llm.scripted import call
from messagedb_agent.store.message import NewMessage
from messagedb_agent.tools.function_tool import tool
from messagedb_agent.tools.reconciling import Reconciled
from messagedb_agent.tools.tool import ToolContext
from tests.unit.engine.world import (
    Gate,
    WatchedStore,
    assert_sound,
    engine_on,
    events,
    scripted,
    stream_of,
    stubborn,
    types,
    under_way,
)


async def test_a_model_call_is_cancelled_and_asked_again_by_who_owns_the_thread_then() -> None:
    store, gate = WatchedStore(), Gate()
    engine = engine_on(store, scripted(gate.answer("too late"), "here I am"))
    async with under_way(engine.start("go")) as turn:
        await gate.entered.wait()
        thread_id = (await engine.latest("last")).thread_id
        store.lose(stream_of(engine, thread_id))
        agent = await turn
    assert gate.gone == 1
    assert agent.answer == "here I am"
    stands = await types(engine, thread_id)
    assert stands.count("UserMessageAdded") == 1
    assert stands[-4:] == (
        "LlmCallStarted", "LlmCallFailed", "LlmCallStarted", "LlmResponseReceived",
    )  # fmt: skip
    await assert_sound(engine, thread_id)


@pytest.mark.parametrize(("effect", "times"), [("retry", 2), ("keyed", 2), ("never", 1)])
async def test_a_tool_is_cancelled_and_taken_over_by_its_policy(
    effect: EffectPolicy, times: int
) -> None:
    store, gate, keys = WatchedStore(), Gate(), list[str]()

    @tool(effect=effect)
    async def work() -> str:
        """Work."""
        keys.append("ran")
        if len(keys) == 1:
            await gate.pass_through()
        return "worked"

    engine = engine_on(store, scripted(call("work"), "done"), work)
    async with under_way(engine.start("go")) as turn:
        await gate.entered.wait()
        thread_id = (await engine.latest("last")).thread_id
        store.lose(stream_of(engine, thread_id))
        agent = await turn
    assert (agent.answer, len(keys), gate.left) == ("done", times, 0)
    stands = await types(engine, thread_id)
    assert stands.count("ToolExecutionStarted") == times
    assert stands.count("ToolExecutionFailed") == (times == 1)
    await assert_sound(engine, thread_id)


async def test_what_ended_all_the_same_is_recorded_as_it_ended() -> None:
    store, gate = WatchedStore(), Gate()

    engine = engine_on(store, scripted(call("work"), "good"), stubborn(gate))
    async with under_way(engine.start("go")) as turn:
        await gate.entered.wait()
        thread_id = (await engine.latest("last")).thread_id
        store.lose(stream_of(engine, thread_id))
        agent = await turn
    assert agent.answer == "good"
    history = await events(engine, thread_id)
    results = [r.event for r in history if isinstance(r.event, ToolExecutionCompleted)]
    assert [event.result for event in results] == ["it was done"]
    assert sum(isinstance(r.event, ToolExecutionStarted) for r in history) == 1
    await assert_sound(engine, thread_id)


async def test_an_attempt_that_was_taken_over_fails_too_late_to_count() -> None:
    store, gates = WatchedStore(), [Gate(), Gate()]

    @tool(effect="keyed")
    async def work(context: ToolContext) -> str:
        """Work."""
        await gates[context.attempt - 1].pass_through()
        if context.attempt == 1:
            raise ToolError("the line was cut")
        return "worked"

    model = scripted(call("work"), "done")
    first, second = engine_on(store, model, work), engine_on(store, model, work)
    async with under_way(first.start("go")) as turn:
        await gates[0].entered.wait()
        paused = await second.latest("last")
        store.disown(stream_of(second, paused.thread_id))
        async with under_way(paused.resume()) as taken_over:
            await gates[1].entered.wait()
            gates[0].opened.set()
            await store.tried_again(1)  # the first has heard of its failure, and follows
            gates[1].opened.set()
            assert await taken_over == await turn
    history = await events(second, paused.thread_id)
    ended = [r.event for r in history if isinstance(r.event, ToolExecutionFailed)]
    assert ended == []
    [completed] = [r.event for r in history if isinstance(r.event, ToolExecutionCompleted)]
    assert (completed.attempt, completed.result) == (2, "worked")
    await assert_sound(second, paused.thread_id)


@pytest.mark.parametrize(("fails", "told"), [(True, []), (False, ["completed"])])
async def test_an_early_attempt_says_late_that_it_worked_and_never_that_the_call_failed(
    fails: bool, told: list[str]
) -> None:
    store, gates = WatchedStore(), [Gate(), Gate(), Gate()]

    @tool(effect="keyed")
    async def work(context: ToolContext) -> str:
        """Work."""
        await gates[context.attempt - 1].pass_through()
        if fails:
            raise ToolError("the line was cut")
        return "worked"

    model = scripted(call("work"), "It may have worked.")
    first, second = engine_on(store, model, work), engine_on(store, model, work)
    async with under_way(first.start("go")) as turn:
        await gates[0].entered.wait()
        paused = await second.latest("last")
        store.disown(stream_of(second, paused.thread_id))
        for gate in gates[1:]:  # these two die, and may have done their work
            async with under_way(paused.resume()):
                await gate.entered.wait()
        given_up = await paused.resume()
        assert given_up.answer == "It may have worked."
        gates[0].opened.set()
        await turn
    history = await events(second, paused.thread_id)
    resolved = [r.event.status for r in history if isinstance(r.event, ToolOutcomeResolved)]
    assert resolved == told
    await assert_sound(second, paused.thread_id)


async def test_nothing_is_said_twice_by_who_lost_the_thread_before_its_first_claim() -> None:
    store = WatchedStore()
    engine = engine_on(store, scripted("hello"))
    agent = await engine.create_agent()
    stream = stream_of(engine, agent.thread_id)

    async def lose(*_: object) -> None:
        store.before = None
        store.lose(stream)

    store.before = lose
    assert (await agent.advance("hi")).answer == "hello"
    stands = await types(engine, agent.thread_id)
    assert stands.count("UserMessageAdded") == 1
    await assert_sound(engine, agent.thread_id)


@pytest.mark.parametrize(
    ("effect", "outcome"),
    [
        ("retry", "ToolExecutionCompleted"),
        ("keyed", "ToolExecutionCompleted"),
        ("check", "ToolExecutionFailed"),
        ("never", "ToolExecutionFailed"),
    ],
)
async def test_a_tool_that_runs_once_does_not_begin_where_the_thread_was_lost_unheard(
    effect: EffectPolicy, outcome: str
) -> None:
    store, runs = WatchedStore(), list[str]()

    reconcile = (lambda _: Reconciled.unknown()) if effect == "check" else None

    @tool(effect=effect, reconcile=reconcile)
    def work() -> str:
        """Work."""
        runs.append("ran")
        return "worked"

    async def lose(stream: str, messages: tuple[NewMessage, ...]) -> None:
        if messages[-1].type == "ToolExecutionStarted":
            store.lose_unheard(stream)

    store.after = lose
    engine = engine_on(store, scripted(call("work"), "good"), work)
    agent = await engine.start("go")
    assert agent.answer == "good"
    assert len(runs) == (outcome == "ToolExecutionCompleted")
    stands = await types(engine, agent.thread_id)
    assert [type for type in stands if type.startswith("ToolExecution")] == [
        "ToolExecutionStarted",
        outcome,
    ]
    await assert_sound(engine, agent.thread_id)


async def test_asking_for_the_thread_takes_nothing_of_a_tools_own_time() -> None:
    store, runs = WatchedStore(), list[str]()

    @tool(timeout_s=0.05)
    async def pay() -> str:
        """Pay."""
        runs.append("ran")
        return "paid"

    async def be_slow(stream: str, messages: tuple[NewMessage, ...]) -> None:
        if messages[-1].type == "ToolExecutionStarted":
            store.holds[stream].confirm = lambda: asyncio.sleep(0.2)

    store.after = be_slow
    engine = engine_on(store, scripted(call("pay"), "good"), pay)
    agent = await engine.start("go")
    assert runs == ["ran"]
    assert (await types(engine, agent.thread_id)).count("ToolExecutionCompleted") == 1
