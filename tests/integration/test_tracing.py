"""Tracing as it happens, and afterwards, at a receiver that decodes what arrives."""

import asyncio
import logging
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from types import ModuleType

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from messagedb_agent import (
    Engine,
    LanguageModel,
    MemoryStore,
    ToolContext,
    connect,
    tool,
)
from messagedb_agent.agents.snapshot_policy import SnapshotPolicy
from messagedb_agent.errors import ModelError
from messagedb_agent.events.request import CallFailure
from messagedb_agent.events.trace_context import trace_context
from messagedb_agent.llm.scripted import ScriptedModel, call
from messagedb_agent.observability import tracing as tracing_module
from messagedb_agent.observability.exporting import Exporting, sending_to, spans_of
from messagedb_agent.observability.tracing import Tracing
from messagedb_agent.store.message import NewMessage
from messagedb_agent.store.message_db import MessageDbStore
from messagedb_agent.tools.object_tool import AnyTool
from messagedb_agent.tools.toolbox import Toolbox
from tests.integration.ledger import Ledger
from tests.integration.transacting import paid, paying
from tests.otlp_receiver import Arrived, Receiver, receiving

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{SPAN}-01"


@tool(effect="retry")
def lookup(word: str) -> str:
    """Look a word up."""
    return f"canary-result {word}"


@tool(needs_approval=True)
def remove(path: str) -> str:
    """Remove a file."""
    raise ValueError(f"canary-raised {path}")


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    with receiving() as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
        yield receiver


def engine_on(
    store: MemoryStore, tracing: Tracing | None, model: LanguageModel, *tools: AnyTool
) -> Engine:
    """Return an engine; what closes it is its user's."""
    box = Toolbox(*(tools or (lookup, remove)))
    return Engine(store, lambda _: model, box, watching=tracing)


async def sent_afterwards(engine: Engine, thread_id: str) -> list[Arrived]:
    """Return the spans of a thread, exported from its log to a receiver of their own."""
    with receiving() as receiver:
        out = Exporting(sending_to(receiver.url))
        async for span in spans_of(
            engine.store, engine.turns.stream(thread_id), with_content=False
        ):
            out.add(span)
        assert await asyncio.to_thread(out.flush)
        return receiver.spans


def by_id(spans: list[Arrived]) -> dict[str, Arrived]:
    assert len({span.span_id for span in spans}) == len(spans)
    return {span.span_id: span for span in spans}


async def test_live_and_afterwards_the_spans_are_the_same(receiver: Receiver) -> None:
    model = ScriptedModel(
        call("lookup", word="a"),
        (call("remove", path="x"), call("lookup", word="b"), call("nonsense")),
        "done",
        CallFailure("refused", "no"),
        "fork",
    )
    async with Tracing() as tracing:
        engine = engine_on(MemoryStore(), tracing, model)
        waiting = await engine.start("go", traceparent=TRACEPARENT)
        agent = await waiting.approve()
        with pytest.raises(ModelError):
            await agent.advance("again")
        fork = await waiting.fork()
    live = by_id(receiver.spans)
    recorded = [
        *await sent_afterwards(engine, agent.thread_id),
        *await sent_afterwards(engine, fork.thread_id),
    ]
    assert by_id(recorded) == live
    assert [span.name for span in recorded if span.is_error] == [
        "execute_tool nonsense",
        "execute_tool remove",
        f"chat {agent.model}",
        "invoke_agent assistant",
    ]
    first = next(span for span in recorded if span.name.startswith("invoke"))
    assert (first.trace_id, first.parent_id) == (TRACE, SPAN)
    assert receiver.services == {"messagedb-agent"}


async def test_who_takes_a_turn_up_goes_on_with_its_trace(receiver: Receiver) -> None:
    store = MemoryStore()
    async with Tracing() as one:
        detached = await engine_on(store, one, ScriptedModel()).start("go", detached=True)
    assert receiver.spans == []  # nothing has ended
    async with Tracing() as two:
        engine = engine_on(store, two, ScriptedModel(call("remove", path="x"), "done"))
        waiting = await (await engine.latest(detached.thread_id)).resume()
    begun = receiver.spans
    assert [span.name for span in begun] == [f"chat {waiting.model}"]
    async with Tracing() as three:
        engine = engine_on(store, three, ScriptedModel("done"))
        await (await engine.latest(detached.thread_id)).approve()
    assert by_id(receiver.spans) == by_id(await sent_afterwards(engine, detached.thread_id))
    assert len({span.trace_id for span in receiver.spans}) == 1


async def test_what_two_runs_of_a_process_have_seen_is_sent_once(receiver: Receiver) -> None:
    async with Tracing() as tracing:
        engine = engine_on(MemoryStore(), tracing, ScriptedModel("yes", repeat=True))
        agent = await engine.start("go")
        await asyncio.gather(*(agent.advance(f"{n}", at_head=True) for n in range(4)))
    sent = by_id(receiver.spans)
    assert sent == by_id(await sent_afterwards(engine, agent.thread_id))
    assert receiver.metrics["gen_ai.invoke_agent.duration"][0][1].count == 5


async def test_what_is_read_again_is_not_sent_again(receiver: Receiver) -> None:
    async with Tracing() as one:
        engine = engine_on(MemoryStore(), one, ScriptedModel("yes", repeat=True))
        agent = await engine.start("go")
    async with Tracing() as two:  # the same writer, and nothing remembered
        again = replace(engine, watching=two)
        await (await again.latest(agent.thread_id)).advance("again")
    assert by_id(receiver.spans) == by_id(await sent_afterwards(engine, agent.thread_id))


async def test_behind_a_snapshot_in_the_middle_of_a_turn_its_trace_goes_on(
    receiver: Receiver,
) -> None:
    store, often = MemoryStore(), SnapshotPolicy(every=10)
    model = ScriptedModel(call("lookup", word="a"), "done", call("remove", path="x"))
    async with Tracing() as one:
        engine = replace(engine_on(store, one, model), snapshots=often)
        agent = await engine.start("go")
        agent = await agent.advance("again", traceparent=TRACEPARENT)
        assert agent.status == "approval"
        await engine.turns.close()  # waits for the snapshot
    async with Tracing() as two:
        engine = replace(engine_on(store, two, ScriptedModel("done")), snapshots=often)
        await (await engine.latest(agent.thread_id)).approve()
    assert by_id(receiver.spans) == by_id(await sent_afterwards(engine, agent.thread_id))
    assert [span.trace_id for span in receiver.spans][-4:] == [TRACE] * 4


async def test_the_current_span_is_the_parent_of_what_is_said_in_it(receiver: Receiver) -> None:
    caller = TracerProvider(shutdown_on_exit=False).get_tracer("caller")
    async with Tracing() as tracing:
        engine = engine_on(MemoryStore(), tracing, ScriptedModel("yes", "no"))
        with caller.start_as_current_span("request") as request:
            agent = await engine.start("go")
        await agent.advance("alone")
    said, alone = (span for span in receiver.spans if span.name.startswith("invoke"))
    context = request.get_span_context()
    assert said.trace_id == trace.format_trace_id(context.trace_id)
    assert said.parent_id == trace.format_span_id(context.span_id)
    assert alone.parent_id == ""
    assert alone.trace_id != said.trace_id


async def test_while_opentelemetry_is_being_imported_there_is_no_current_span(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.trace", ModuleType("opentelemetry.trace"))
    named = trace_context(TRACEPARENT)
    assert Tracing(sender=named).sender() == named


async def test_an_approval_does_not_move_a_turn_into_another_trace(receiver: Receiver) -> None:
    caller = TracerProvider(shutdown_on_exit=False).get_tracer("caller")
    async with Tracing() as tracing:
        engine = engine_on(MemoryStore(), tracing, ScriptedModel(call("remove", path="x"), "done"))
        agent = await engine.start("go", traceparent=TRACEPARENT)
        with caller.start_as_current_span("approving") as span:
            await agent.approve()
        other = trace.format_trace_id(span.get_span_context().trace_id)
    assert {span.trace_id for span in receiver.spans} == {TRACE}
    rows = [message async for message in engine.messages(agent.thread_id)]
    assert not any(other in (row.metadata or "") for row in rows)


async def test_a_foreign_client_gives_the_parent_in_its_metadata(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    metadata = (
        f'{{"properties":{{"traceparent":"{TRACEPARENT}","tracestate":"v=1","tenant":"t"}}}}',
        '{"properties":{"traceparent":"canary-nonsense"}}',
        '{"properties":{"traceparent":7}}',
        '{"properties":"traceparent"}',
    )
    async with Tracing() as tracing:
        engine = engine_on(MemoryStore(), tracing, ScriptedModel("yes", repeat=True))
        agent = await engine.start("go")
        for number, said in enumerate(metadata):
            id = f"00000000-0000-4000-8000-{number:012}"
            message = NewMessage(id, "UserMessageAdded", '{"text":"hello"}', said)
            await engine.store.append(engine.turns.stream(agent.thread_id), message)
            await (await engine.latest(agent.thread_id)).resume()
    turns = [span for span in receiver.spans if span.name.startswith("invoke")]
    assert [(turn.parent_id, turn.state) for turn in turns] == [
        ("", ""),
        (SPAN, "v=1"),
        ("", ""),
        ("", ""),
        ("", ""),
    ]
    assert [turn.happenings for turn in turns] == [
        (),
        (),
        ("messagedb_agent.traceparent_ignored",),
        ("messagedb_agent.traceparent_ignored",),
        (),
    ]
    assert caplog.text.count("malformed") == 2
    assert "canary" not in caplog.text


async def test_a_malformed_traceparent_of_a_caller_is_ignored_and_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    engine = engine_on(MemoryStore(), None, ScriptedModel("yes"))
    agent = await engine.start("go", traceparent="canary\nforged")
    assert agent.answer == "yes"
    assert "traceparent" in caplog.text
    assert "canary" not in caplog.text
    rows = [message async for message in engine.messages(agent.thread_id)]
    assert all("canary" not in (row.metadata or "") for row in rows)


async def test_a_tool_can_pass_its_span_on(receiver: Receiver) -> None:
    given: list[tuple[str | None, str | None]] = []

    @tool
    def ask(context: ToolContext) -> str:
        """Ask another service."""
        given.append((context.traceparent, context.tracestate))
        return "ok"

    async with Tracing() as tracing:
        model = ScriptedModel(call("ask"), "done")
        await engine_on(MemoryStore(), tracing, model, ask).start("go")
        (((header, state)),) = given
        plain = engine_on(MemoryStore(), None, ScriptedModel(call("ask"), "done"), ask)
        await plain.start("go", traceparent=TRACEPARENT)
        nobody = engine_on(MemoryStore(), None, ScriptedModel(call("ask"), "done"), ask)
        await nobody.start("go")
    ran = next(span for span in receiver.spans if span.name == "execute_tool ask")
    assert (header, state) == (f"00-{ran.trace_id}-{ran.span_id}-01", None)
    assert given[1:] == [(TRACEPARENT, None), (None, None)]


async def test_metrics_tell_of_calls_tools_turns_and_tokens(receiver: Receiver) -> None:
    async with Tracing() as tracing:
        model = ScriptedModel(call("lookup", word="a"), "done", CallFailure("refused", "no"))
        agent = await engine_on(MemoryStore(), tracing, model).start("go")
        with pytest.raises(ModelError):
            await agent.advance("again")
    metrics = receiver.metrics
    counts = {
        name: sorted((str(given.get("error.type")), point.count) for given, point in points)
        for name, points in metrics.items()
    }
    assert counts == {
        "gen_ai.client.operation.duration": [("None", 2), ("refused", 1)],
        "gen_ai.client.token.usage": [("None", 2), ("None", 2)],
        "gen_ai.execute_tool.duration": [("None", 1)],
        "gen_ai.invoke_agent.duration": [("None", 1), ("refused", 1)],
    }
    (tokens, point), *_ = metrics["gen_ai.client.token.usage"]
    assert tokens["gen_ai.token.type"] in ("input", "output")
    assert list(point.explicit_bounds)[:4] == [1, 4, 16, 64]


async def test_nothing_that_was_said_and_no_secret_is_in_spans_metrics_or_log(
    receiver: Receiver, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANARY_KEY", "canary-key")
    caplog.set_level(logging.DEBUG)
    failure = CallFailure("authentication", "canary-failure")
    model = ScriptedModel(
        (call("lookup", word="canary-argument"), call("remove", path="canary-path")),
        "canary-answer",
        failure,
    )
    async with Tracing() as tracing:
        engine = engine_on(MemoryStore(), tracing, model)
        agent = await engine.start(
            "canary-asked postgresql://me:canary-password@h/db",
            user="canary-user",
            metadata={"note": "canary-note"},
            definition=engine.define(system_prompt="canary-prompt"),
        )
        agent = await agent.approve(by="canary-by", reason="canary-reason")
        with pytest.raises(ModelError):
            await agent.advance("canary-again")
    arrived = b"".join(receiver.requests + receiver.metric_requests)
    assert len(receiver.spans) == 8
    assert b"canary" not in arrived
    assert "canary" not in caplog.text


async def test_what_was_said_is_told_where_it_is_asked_for(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "SPAN_ONLY")
    async with Tracing() as tracing:
        model = ScriptedModel(call("lookup", word="w"), "the answer")
        await engine_on(MemoryStore(), tracing, model).start("the question")
    chat = next(span for span in receiver.spans if span.name.startswith("chat"))
    assert "the question" in chat.attributes["gen_ai.input.messages"]
    ran = next(span for span in receiver.spans if span.name.startswith("execute"))
    assert ran.attributes["gen_ai.tool.call.result"] == "canary-result w"


async def test_the_turn_of_a_sender_who_keeps_no_trace_is_not_sent(receiver: Receiver) -> None:
    async with Tracing() as tracing:
        engine = engine_on(MemoryStore(), tracing, ScriptedModel("yes", repeat=True))
        await engine.start("go", traceparent=f"00-{TRACE}-{SPAN}-00")
        await engine.start("go", traceparent=TRACEPARENT)
    assert len(receiver.spans) == 2
    assert receiver.metrics["gen_ai.invoke_agent.duration"][0][1].count == 2


async def test_a_provider_of_the_callers_own_gets_the_spans_and_stays_open() -> None:
    kept = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(kept))
    async with Tracing(tracer_provider=provider) as tracing:
        await engine_on(MemoryStore(), tracing, ScriptedModel("yes")).start("go")
    chat, turn = kept.get_finished_spans()
    assert chat.parent
    assert turn.context
    assert chat.parent.span_id == turn.context.span_id
    with provider.get_tracer("caller").start_as_current_span("still open"):
        pass
    assert len(kept.get_finished_spans()) == 3


async def test_the_outcome_of_a_transactional_tool_ends_its_span_once(
    receiver: Receiver, store_url: str, category: str, ledger: Ledger
) -> None:
    store = await MessageDbStore.connect(store_url)
    model = paid("a")
    async with (
        Tracing() as tracing,
        connect(
            store, tools=[paying(ledger)], models=model, category=category, watching=tracing
        ) as engine,
    ):
        agent = await engine.start("go")
        await tracing.close()
        assert by_id(receiver.spans) == by_id(await sent_afterwards(engine, agent.thread_id))
    assert ledger.lines == ["a"]
    assert len(receiver.spans) == 4


async def test_an_endpoint_that_is_down_costs_a_turn_nothing_but_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.5")  # for its retries
    monkeypatch.setattr(tracing_module, "FLUSH_S", 0.2)
    async with Tracing() as tracing:
        agent = await engine_on(MemoryStore(), tracing, ScriptedModel("yes")).start("go")
    assert agent.answer == "yes"
    # Who gives up first, the exporter or the end, is a matter of their patience.
    assert "Failed to export" in caplog.text or "left" in caplog.text


async def test_an_endpoint_that_never_answers_holds_no_end(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.held = threading.Event()
    monkeypatch.setattr(tracing_module, "FLUSH_S", 0.2)
    async with Tracing() as tracing:
        agent = await engine_on(MemoryStore(), tracing, ScriptedModel("yes")).start("go")
    assert agent.answer == "yes"
    assert "left" in caplog.text
