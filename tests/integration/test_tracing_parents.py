"""Whose trace a turn belongs to: its sender's, however that is known, and what it hands on."""

import sys
from types import ModuleType

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from messagedb_agent import MemoryStore, ToolContext, tool
from messagedb_agent.events.trace_context import trace_context
from messagedb_agent.llm.scripted import ScriptedModel, call
from messagedb_agent.observability.tracing import Tracing
from messagedb_agent.store.message import NewMessage
from tests.integration.traced import SPAN, TRACE, TRACEPARENT, engine_on
from tests.otlp_receiver import Receiver


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
            await engine.store.append(engine._stream(agent.thread_id), message)
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


async def test_the_turn_of_a_sender_who_keeps_no_trace_is_not_sent(receiver: Receiver) -> None:
    async with Tracing() as tracing:
        engine = engine_on(MemoryStore(), tracing, ScriptedModel("yes", repeat=True))
        await engine.start("go", traceparent=f"00-{TRACE}-{SPAN}-00")
        await engine.start("go", traceparent=TRACEPARENT)
    assert len(receiver.spans) == 2
    assert receiver.metrics["gen_ai.invoke_agent.duration"][0][1].count == 2
