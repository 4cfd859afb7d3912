"""From spans as values to OpenTelemetry's SDK: with the ids and times that they have already."""

import os
from collections import OrderedDict
from collections.abc import Mapping

from opentelemetry.context import Context
from opentelemetry.metrics import MeterProvider, NoOpMeterProvider
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import Tracer, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
    set_span_in_context,
)

from messagedb_agent.events.trace_context import TraceContext
from messagedb_agent.observability.endpoint import session
from messagedb_agent.observability.metrics import Metrics, exported_metrics
from messagedb_agent.observability.spans import Span

SCOPE = "messagedb_agent"
SERVICE = "messagedb-agent"

_MOST_REMEMBERED = 10_000
_KINDS: Mapping[str, SpanKind] = {"internal": SpanKind.INTERNAL, "client": SpanKind.CLIENT}
_NS = 1_000_000  # in a millisecond
_LATEST_MS = (2**64 - 1) // _NS  # the protocol's; it knows nothing before 1970, either


class _Given(IdGenerator):
    """Gives a span the ids that it has."""

    def __init__(self) -> None:
        self.context = TraceContext("", "")

    def generate_trace_id(self) -> int:
        return int(self.context.trace_id, 16)

    def generate_span_id(self) -> int:
        return int(self.context.span_id, 16)


class Emitter:
    """Gives spans to a provider, and what they say to its meters. Of one thread at a time.

    Args:
        tracer_provider: gets the spans; its sampler is asked about each turn, and its limits hold.
        meter_provider: gets the metrics; None for nobody.
        closes: whether both end with this.
    """

    def __init__(
        self,
        tracer_provider: TracerProvider,
        meter_provider: MeterProvider | None,
        *,
        closes: bool = False,
    ) -> None:
        self._provider = tracer_provider
        self._meters = meter_provider or NoOpMeterProvider()
        self._closes = closes
        self._given = _Given()
        self._tracer = tracer_provider.get_tracer(SCOPE)
        if isinstance(self._tracer, Tracer):  # else the SDK is disabled
            self._tracer.id_generator = self._given
        self._metrics = Metrics(self._meters.get_meter(SCOPE))
        self._known: OrderedDict[str, None] = OrderedDict()

    def emit(self, span: Span) -> None:
        """Export a span, but not twice where two runs of this process have seen its end."""
        if span.context.span_id in self._known:
            return
        self._known[span.context.span_id] = None
        if len(self._known) > _MOST_REMEMBERED:
            self._known.popitem(last=False)
        self._metrics.record(span)
        if isinstance(self._tracer, Tracer):
            self._start(self._tracer, span)

    def _start(self, tracer: Tracer, span: Span) -> None:
        self._given.context = span.context
        started = tracer.start_span(
            span.name,
            context=self._parent(tracer, span),
            kind=_KINDS[span.kind],
            attributes=span.attributes,
            links=[Link(_context(link, is_remote=True)) for link in span.links],
            start_time=_ns(span.start_ms),
        )
        for happening in span.happenings:
            started.add_event(
                happening.name, dict(happening.attributes), timestamp=_ns(happening.time_ms)
            )
        if span.error is not None:
            started.set_attribute("error.type", span.error)
            started.set_status(Status(StatusCode.ERROR, span.message))
        started.end(end_time=_ns(span.end_ms))

    def _parent(self, tracer: Tracer, span: Span) -> Context:
        if span.parent is None:
            return Context()
        if span.is_turn:
            return _within(_context(span.parent, is_remote=True))
        # What is sampled is the turn; its own span is the last to end.
        sender = _within(_context(span.sender, is_remote=True)) if span.sender else Context()
        trace_id = int(span.context.trace_id, 16)
        decided = tracer.sampler.should_sample(sender, trace_id, "invoke_agent", SpanKind.INTERNAL)
        is_sampled = decided.decision is Decision.RECORD_AND_SAMPLE
        return _within(_context(span.parent, is_remote=False, is_sampled=is_sampled))

    def close(self) -> None:
        """Let what was emitted be exported."""
        if not self._closes:
            return
        self._provider.shutdown()
        if shutdown := getattr(self._meters, "shutdown", None):
            shutdown()


def exporting(meter_provider: MeterProvider | None = None) -> Emitter:
    """Return an emitter that exports by OTLP over HTTP, as the `OTEL_*` variables say.

    Args:
        meter_provider: gets the metrics in place of an exporter.
    """
    provider = TracerProvider(resource=named_resource(), shutdown_on_exit=False)
    if is_exported("TRACES"):
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(session=session())))
    meters = meter_provider
    if meters is None and is_exported("METRICS"):
        meters = exported_metrics(provider.resource)
    return Emitter(provider, meters, closes=True)


def named_resource() -> Resource:
    """Return what the `OTEL_*` variables say of this service; it is named after us else."""
    resource = Resource.create()
    is_named = not str(resource.attributes[SERVICE_NAME]).startswith("unknown_service")
    return resource if is_named else resource.merge(Resource({SERVICE_NAME: SERVICE}))


def is_exported(signal: str) -> bool:
    """Say whether `OTEL_{signal}_EXPORTER` lets something be exported."""
    return os.environ.get(f"OTEL_{signal}_EXPORTER", "").strip().lower() != "none"


def _ns(time_ms: int) -> int:
    """Return a time as the protocol can hold it: rows of others say whatever they like."""
    return min(max(time_ms, 0), _LATEST_MS) * _NS


def _context(
    named: TraceContext, *, is_remote: bool, is_sampled: bool | None = None
) -> SpanContext:
    sampled = named.is_sampled if is_sampled is None else is_sampled
    return SpanContext(
        int(named.trace_id, 16),
        int(named.span_id, 16),
        is_remote,
        TraceFlags(TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT),
        TraceState.from_header([named.state]) if named.state else TraceState(),
    )


def _within(context: SpanContext) -> Context:
    return set_span_in_context(NonRecordingSpan(context), Context())
