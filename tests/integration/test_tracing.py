"""Tracing as it happens, and afterwards, at a receiver that decodes what arrives."""

import asyncio
import logging
import threading
from dataclasses import replace

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from messagedb_agent import MemoryStore, connect
from messagedb_agent.agents.snapshot_policy import SnapshotPolicy
from messagedb_agent.errors import ModelError
from messagedb_agent.events.request import CallFailure
from messagedb_agent.llm.scripted import ScriptedModel, call
from messagedb_agent.observability import tracing as tracing_module
from messagedb_agent.observability.tracing import Tracing
from messagedb_agent.store.message_db import MessageDbStore
from tests.integration.ledger import Ledger
from tests.integration.traced import (
    SPAN,
    TRACE,
    TRACEPARENT,
    by_id,
    engine_on,
    sent_afterwards,
)
from tests.integration.transacting import paid, paying
from tests.otlp_receiver import Receiver


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
        again = replace(engine, _workings=replace(engine._workings, watching=two))
        await (await again.latest(agent.thread_id)).advance("again")
    assert by_id(receiver.spans) == by_id(await sent_afterwards(engine, agent.thread_id))


async def test_behind_a_snapshot_in_the_middle_of_a_turn_its_trace_goes_on(
    receiver: Receiver,
) -> None:
    store, often = MemoryStore(), SnapshotPolicy(every=10)
    model = ScriptedModel(call("lookup", word="a"), "done", call("remove", path="x"))
    async with Tracing() as one:
        engine = engine_on(store, one, model)
        engine = replace(engine, _workings=replace(engine._workings, snapshots=often))
        agent = await engine.start("go")
        agent = await agent.advance("again", traceparent=TRACEPARENT)
        assert agent.status == "approval"
        await engine._runs.close()  # waits for the snapshot
    async with Tracing() as two:
        engine = engine_on(store, two, ScriptedModel("done"))
        engine = replace(engine, _workings=replace(engine._workings, snapshots=often))
        await (await engine.latest(agent.thread_id)).approve()
    assert by_id(receiver.spans) == by_id(await sent_afterwards(engine, agent.thread_id))
    assert [span.trace_id for span in receiver.spans][-4:] == [TRACE] * 4


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
