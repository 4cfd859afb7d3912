"""Spans afterwards: folded from the logs of threads, and sent or printed as OTLP."""

import base64
import json
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Protocol

from google.protobuf.json_format import MessageToDict
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from messagedb_agent.engine.history import read_rows
from messagedb_agent.observability.emitting import Emitter, named_resource
from messagedb_agent.observability.endpoint import session
from messagedb_agent.observability.folding import Traces, evolve
from messagedb_agent.observability.spans import Span
from messagedb_agent.projections.conversation import conversation
from messagedb_agent.store.store import Reader

MAX_SPANS = 512
"""How many spans are sent, or stand in a line, at the most."""

TRACES_PATH = "/v1/traces"

_IDS = frozenset({"traceId", "spanId", "parentSpanId"})


class Sink(Protocol):
    """Takes spans; says whether they have arrived."""

    def __call__(self, spans: Sequence[ReadableSpan]) -> bool: ...


async def spans_of(reader: Reader, stream: str, *, with_content: bool) -> AsyncIterator[Span]:
    """Fold a thread, and yield the spans that ended in its own stream.

    Args:
        reader: where the thread is kept.
        stream: full name of its stream.
        with_content: whether spans tell what was said.

    Raises:
        IntegrityError: a fork's parent is missing or cut, or forks lead in a circle.
        StoreUnavailable: the store was not reached.
    """
    traces, shown = Traces(with_content=with_content), conversation.initial
    async for message, decoded in read_rows(reader, stream):
        recorded, carried = decoded.recorded, decoded.metadata.travelling.properties
        after = conversation.evolve(shown, recorded)
        traces = evolve(traces, recorded, carried, shown, after)
        shown = after
        if message.stream_name == stream:
            for span in traces.ended:
                yield span


class Exporting:
    """Gives spans to a sink, some at a time; every span, whatever a sampler would say.

    Args:
        sink: takes them.
    """

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._collected = _Collected()
        provider = TracerProvider(
            sampler=ALWAYS_ON, resource=named_resource(), shutdown_on_exit=False
        )
        provider.add_span_processor(self._collected)
        self._emitter = Emitter(provider, None)
        self.sent = 0

    @property
    def is_full(self) -> bool:
        """Whether it is time to `flush`."""
        return len(self._collected.spans) >= MAX_SPANS

    def add(self, span: Span) -> None:
        """Take a span."""
        self._emitter.emit(span)

    def flush(self) -> bool:
        """Give the sink what was taken; say whether it has arrived."""
        spans, self._collected.spans = self._collected.spans, []
        if spans and not self._sink(spans):
            return False
        self.sent += len(spans)
        return True


class _Collected(SpanProcessor):
    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        self.spans.append(span)


def lines(write: Callable[[str], None]) -> Sink:
    """Return a sink that writes a line of OTLP's JSON for each request.

    Source: OpenTelemetry protocol 1, "JSON Protobuf Encoding": ids are hexadecimal, enums numbers.
    """

    def sink(spans: Sequence[ReadableSpan]) -> bool:
        values = MessageToDict(encode_spans(spans), use_integers_for_enums=True)
        write(json.dumps(_with_hex(values), separators=(",", ":")))
        return True

    return sink


def sending_to(url: str) -> Sink:
    """Return a sink that sends to an endpoint by OTLP over HTTP.

    Args:
        url: its address, as OTEL_EXPORTER_OTLP_ENDPOINT has it, or with the path of traces.
    """
    base = url.rstrip("/")
    address = base if base.endswith(TRACES_PATH) else base + TRACES_PATH
    exporter = OTLPSpanExporter(address, session=session())
    return lambda spans: exporter.export(spans) is SpanExportResult.SUCCESS


def _with_hex(value: Any, key: str = "") -> Any:
    match value:
        case dict():
            return {name: _with_hex(item, name) for name, item in value.items()}
        case list():
            return [_with_hex(item) for item in value]
        case str() if key in _IDS:
            return base64.b64decode(value).hex()
        case _:
            return value
