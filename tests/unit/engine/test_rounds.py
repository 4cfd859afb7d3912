"""Tool calls of a round: at once, each with an outcome, and the model again when all are there."""

import asyncio
from decimal import Decimal

import pytest

from messagedb_agent.agent.bounds import MAX_PARALLEL_CALLS, MAX_TEXT_BYTES
from messagedb_agent.agents.engine import Engine
from messagedb_agent.errors import ConfigurationError, ModelError, ToolError
from messagedb_agent.events.request import Reply, RequestedCall, ToolAnswer
from messagedb_agent.events.schema import (
    LlmCallFailed,
    LlmResponseReceived,
    ToolExecutionFailed,
)
from messagedb_agent.events.values import Usage
from messagedb_agent.llm.model import LanguageModel
from messagedb_agent.llm.scripted import ScriptedModel, call, say
from messagedb_agent.projections.usage import usage
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.tools.function_tool import tool
from messagedb_agent.tools.tool import MayBegin, ToolContext, ToolFailure, ToolResult, at_once
from messagedb_agent.tools.toolbox import Toolbox
from tests.unit.engine.world import (
    Gate,
    WatchedStore,
    assert_sound,
    engine_on,
    events,
    scripted,
    types,
    under_way,
)
from tests.waiting import until


async def test_calls_of_one_reply_run_at_the_same_time() -> None:
    together = asyncio.Barrier(3)

    @tool
    async def meet(who: str) -> str:
        """Wait for the others."""
        async with asyncio.timeout(10):
            await together.wait()
        return f"{who} was there"

    calls = tuple(call("meet", who=name) for name in "abc")
    model = scripted(calls, "All met.")
    agent = await engine_on(MemoryStore(), model, meet).start("meet")
    assert agent.answer == "All met."
    results = [m.text for m in model.requests[1].messages if isinstance(m, ToolAnswer)]
    assert results == ["a was there", "b was there", "c was there"]


async def test_of_many_calls_a_bounded_number_runs_at_once_and_all_run() -> None:
    running, most, gate = 0, 0, Gate()

    @tool(effect="retry")
    async def look(where: int) -> int:
        """Look."""
        nonlocal running, most
        running += 1
        most = max(most, running)
        if running == MAX_PARALLEL_CALLS:
            gate.entered.set()
        await gate.opened.wait()
        running -= 1
        return where

    calls = tuple(call("look", where=n) for n in range(3 * MAX_PARALLEL_CALLS + 1))
    model = scripted(calls, "done")
    engine = engine_on(MemoryStore(), model, look)
    async with under_way(engine.start("go")) as turn:
        await gate.entered.wait()
        claimed = await types(engine, (await engine.latest("last")).thread_id)
        assert claimed.count("ToolExecutionStarted") == MAX_PARALLEL_CALLS
        gate.opened.set()
        agent = await turn
    assert most == MAX_PARALLEL_CALLS
    answers = [m.text for m in model.requests[1].messages if isinstance(m, ToolAnswer)]
    assert answers == [str(n) for n in range(len(calls))]
    await assert_sound(engine, agent.thread_id)


async def test_outcomes_stand_in_the_log_as_they_come_and_the_model_waits_for_all() -> None:
    slow = Gate()

    @tool
    async def work(hard: bool) -> str:
        """Work."""
        if hard:
            await slow.pass_through()
        return "hard" if hard else "easy"

    store = WatchedStore()
    model = scripted((call("work", hard=True), call("work", hard=False)), "Done.")
    engine = engine_on(store, model, work)
    agent = await engine.create_agent()
    async with under_way(agent.advance("work")) as turn:
        await slow.entered.wait()
        await until(lambda: store.commits[-1].types == ("ToolExecutionCompleted",))
        assert len(model.requests) == 1
        slow.opened.set()
        answered = await turn
    assert store.commits[-2].types == ("ToolExecutionCompleted", "LlmCallStarted")
    results = [m.text for m in model.requests[1].messages if isinstance(m, ToolAnswer)]
    assert results == ["hard", "easy"]  # in the order of the reply, not of the log
    await assert_sound(engine, answered.thread_id)


@pytest.mark.parametrize(
    ("asked", "finish_reason", "kind"),
    [
        (RequestedCall("1", "nobody", "{}"), "tool_calls", "unknown_tool"),
        (RequestedCall("1", "note", '{"text": 7}'), "tool_calls", "bad_arguments"),
        (RequestedCall("1", "note", "not JSON"), "tool_calls", "bad_arguments"),
        (RequestedCall("1", "note", '{"text": "half'), "length", "cut_off"),
    ],
)
async def test_a_call_that_cannot_run_fails_at_once_and_the_model_is_told(
    asked: RequestedCall, finish_reason: str, kind: str
) -> None:
    noted: list[str] = []

    @tool
    def note(text: str) -> None:
        """Note it."""
        noted.append(text)

    reply = Reply("scripted", "", finish_reason, (asked,))
    store = WatchedStore()
    model = scripted(reply, "I see.")
    agent = await engine_on(store, model, note).start("note")
    assert agent.answer == "I see."
    assert noted == []
    assert [c.types for c in store.commits][1:] == [
        ("LlmResponseReceived", "ToolExecutionFailed", "LlmCallStarted"),
        ("LlmResponseReceived",),
    ]
    told = model.requests[1].messages[-1]
    assert isinstance(told, ToolAnswer)
    assert told.text.startswith(f"Error ({kind}): ")


async def test_a_call_that_cannot_run_does_not_keep_its_neighbour_from_running() -> None:
    @tool
    def note(text: str) -> str:
        """Note it."""
        return f"noted {text}"

    model = scripted((call("nobody"), call("note", text="x")), "ok")
    agent = await engine_on(MemoryStore(), model, note).start("go")
    told = [m.text for m in model.requests[1].messages if isinstance(m, ToolAnswer)]
    assert told[0].startswith("Error (unknown_tool)")
    assert told[1] == "noted x"
    assert agent.status == "waiting"


async def test_what_goes_wrong_in_a_tool_is_an_outcome_that_the_model_sees() -> None:
    @tool
    def explode() -> str:
        """Explode."""
        raise RuntimeError("boom")

    @tool
    def refuse() -> str:
        """Refuse."""
        raise ToolError("no such account")

    @tool
    def leave() -> str:
        """Leave."""
        raise SystemExit(3)

    @tool(timeout_s=0.05)
    async def hang() -> str:
        """Hang."""
        await asyncio.Event().wait()
        return "never"

    model = scripted((call("explode"), call("refuse"), call("leave"), call("hang")), "I see.")
    engine = engine_on(MemoryStore(), model, explode, refuse, leave, hang)
    agent = await engine.start("go")
    told = [m.text for m in model.requests[1].messages if isinstance(m, ToolAnswer)]
    assert told[0] == "Error (raised): RuntimeError: boom"
    assert told[1] == "Error (raised): no such account"
    assert told[2].startswith("Error (raised): SystemExit")
    assert told[3].startswith("Error (timed_out): ")
    assert agent.answer == "I see."
    await assert_sound(engine, agent.thread_id)


@pytest.mark.parametrize("text", ["é" * 300_000, "\x01" * 100_000])
async def test_a_result_that_is_too_large_is_a_failure_that_the_model_sees(text: str) -> None:
    @tool
    def read() -> str:
        """Read it all."""
        return text

    model = scripted(call("read"), "Too much.")
    store = MemoryStore()
    engine = Engine(store, lambda _: model, Toolbox(read, max_output_chars=10**9))
    agent = await engine.start("read")
    assert agent.answer == "Too much."
    told = model.requests[1].messages[-1]
    assert isinstance(told, ToolAnswer)
    assert str(MAX_TEXT_BYTES) in told.text
    await assert_sound(engine, agent.thread_id)


@pytest.mark.parametrize(
    "reply",
    [
        say("x" * (MAX_TEXT_BYTES + 1)),
        say("\x01" * 100_000),
        say("", call("look", where="y" * MAX_TEXT_BYTES)),
    ],
)
async def test_a_reply_that_is_too_large_fails_the_turn_and_is_recorded(reply: str) -> None:
    engine = engine_on(MemoryStore(), scripted(reply, "Short."))
    with pytest.raises(ModelError) as caught:
        await engine.start("tell me everything")
    assert caught.value.kind == "too_large"
    agent = await (await engine.latest("last")).resume()
    assert agent.answer == "Short."
    await assert_sound(engine, agent.thread_id)


async def test_an_answer_that_cannot_be_used_has_used_its_tokens_all_the_same() -> None:
    used = Usage(input_tokens=1200, output_tokens=90)
    reply = Reply(model="m", text="x" * MAX_TEXT_BYTES, finish_reason="stop", usage=used)
    engine = engine_on(MemoryStore(), scripted(reply))
    with pytest.raises(ModelError) as caught:
        await engine.start("tell me everything")
    assert caught.value.kind == "too_large"
    thread = await engine.fold((await engine.latest("last")).thread_id, usage)
    assert thread.models.tokens == used


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class Broken:
    """A model's adapter with a bug, or with no key."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    async def complete(self, *_: object, **__: object) -> Reply:
        raise self.error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (KeyError("choices"), "internal"),
        (Unprintable(), "internal"),
        (SystemExit(3), "internal"),
        (GeneratorExit(), "internal"),
        (asyncio.CancelledError(), "internal"),
        (ConfigurationError("no key", field="KEY"), "configuration"),
    ],
)
async def test_an_adapter_that_raises_fails_the_turn_and_is_recorded(
    error: BaseException, kind: str
) -> None:
    engine = engine_on(MemoryStore(), Broken(error))
    with pytest.raises(ModelError) as caught:
        await engine.start("hi")
    assert caught.value.kind == kind
    last = (await events(engine, (await engine.latest("last")).thread_id))[-1].event
    assert isinstance(last, LlmCallFailed)
    assert last.kind == kind


async def test_an_unknown_model_fails_the_turn_and_is_recorded() -> None:
    def nobody(name: str) -> LanguageModel:
        raise ConfigurationError(f"no model {name}", field="model")

    engine = Engine(MemoryStore(), nobody, Toolbox())
    with pytest.raises(ModelError, match="no model"):
        await engine.start("hi")


@pytest.mark.parametrize(
    "reply",
    [
        Reply("scripted", "", "stop", cost_usd=Decimal("NaN")),
        None,
        Reply("scripted", 7, "stop"),  # type: ignore[arg-type]  # an adapter's bug
    ],
)
async def test_a_reply_that_cannot_be_recorded_is_the_adapters_fault(reply: Reply) -> None:
    engine = engine_on(MemoryStore(), ScriptedModel(lambda _: reply))
    with pytest.raises(ModelError) as caught:
        await engine.start("hi")
    assert caught.value.kind == "internal"


async def test_halves_of_surrogates_and_nul_in_replies_and_results_are_mended() -> None:
    @tool
    def odd() -> str:
        """Odd."""
        return "a\x00b\ud800c"

    engine = engine_on(MemoryStore(), scripted(call("odd"), "x\ud83dy\x00z"), odd)
    agent = await engine.start("go")
    assert agent.answer == "x\ufffdy\ufffdz"
    await assert_sound(engine, agent.thread_id)


@pytest.mark.parametrize("error", [LookupError("look"), SystemExit(1), Unprintable()])
async def test_a_toolbox_with_a_bug_is_an_outcome(error: BaseException) -> None:
    class Leaky(Toolbox):
        async def run(
            self,
            name: str,
            arguments: str,
            context: ToolContext,
            *,
            may_begin: MayBegin = at_once,
        ) -> ToolResult | ToolFailure:
            raise error

    @tool
    def look() -> str:
        """Look."""
        return ""

    model = scripted(call("look"), "Odd.")
    engine = Engine(MemoryStore(), lambda _: model, Leaky(look))
    agent = await engine.start("go")
    assert agent.answer == "Odd."
    failed = [e.event for e in await events(engine, agent.thread_id)][-3]
    assert isinstance(failed, ToolExecutionFailed)
    assert failed.kind == "raised"


async def test_two_calls_of_the_same_provider_id_are_two_calls_of_ours() -> None:
    @tool
    def look(where: str) -> str:
        """Look."""
        return where

    twice = tuple(RequestedCall("same", "look", f'{{"where": "{w}"}}') for w in "ab")
    engine = engine_on(MemoryStore(), scripted(twice, "ok"), look)
    agent = await engine.start("go")
    reply = next(
        e.event for e in await events(engine, agent.thread_id)
        if isinstance(e.event, LlmResponseReceived)
    )  # fmt: skip
    assert len({c.call_id for c in reply.tool_calls}) == 2
    assert (await types(engine, agent.thread_id)).count("ToolExecutionCompleted") == 2
