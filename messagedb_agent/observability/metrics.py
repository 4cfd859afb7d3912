"""Metrics of spans that have ended, by the semantic conventions for generative AI.

Source: OpenTelemetry, `semantic-conventions-genai`, `docs/gen-ai/gen-ai-metrics.md`, for names,
units, buckets and attributes.
"""

from opentelemetry.metrics import Histogram, Meter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource

from messagedb_agent.observability.endpoint import session
from messagedb_agent.observability.spans import Attribute, Span

_SECONDS = [0.01 * 2**n for n in range(14)]
_LONG_SECONDS = [0.1 * 2**n for n in range(13)]
_TOKENS = [float(4**n) for n in range(14)]

_OF_CALLS = (
    "gen_ai.operation.name",
    "gen_ai.provider.name",
    "gen_ai.request.model",
    "gen_ai.response.model",
)
_OF_TOOLS = ("gen_ai.tool.name", "gen_ai.tool.type", "gen_ai.agent.name")
_OF_TURNS = ("gen_ai.agent.name",)
_KINDS_OF_TOKENS = {
    "input": "gen_ai.usage.input_tokens",
    "output": "gen_ai.usage.output_tokens",
}


def exported_metrics(resource: Resource) -> MeterProvider:
    """Return a provider whose metrics are exported by OTLP over HTTP, as `OTEL_*` say."""
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

    reader = PeriodicExportingMetricReader(OTLPMetricExporter(session=session()))
    return MeterProvider([reader], resource=resource, shutdown_on_exit=False)


class Metrics:
    """Durations and tokens.

    Args:
        meter: makes the instruments.
    """

    def __init__(self, meter: Meter) -> None:
        def durations(name: str, what: str, buckets: list[float]) -> Histogram:
            return meter.create_histogram(
                name, "s", what, explicit_bucket_boundaries_advisory=buckets
            )

        self._calls = durations(
            "gen_ai.client.operation.duration", "Duration of a model call.", _SECONDS
        )
        self._tools = durations(
            "gen_ai.execute_tool.duration", "Duration of a tool call.", _SECONDS
        )
        self._turns = durations(
            "gen_ai.invoke_agent.duration", "Duration of a turn.", _LONG_SECONDS
        )
        self._tokens = meter.create_histogram(
            "gen_ai.client.token.usage",
            "{token}",
            "Tokens of a model call.",
            explicit_bucket_boundaries_advisory=_TOKENS,
        )

    def record(self, span: Span) -> None:
        """Count a span that has ended."""
        match span.attributes.get("gen_ai.operation.name"):
            case "chat":
                values = _of(span, _OF_CALLS)
                self._calls.record(span.elapsed_s, values | _error(span))
                for kind, name in _KINDS_OF_TOKENS.items():
                    if isinstance(count := span.attributes.get(name), int):
                        self._tokens.record(count, values | {"gen_ai.token.type": kind})
            case "execute_tool":
                self._tools.record(span.elapsed_s, _of(span, _OF_TOOLS) | _error(span))
            case "invoke_agent":
                self._turns.record(span.elapsed_s, _of(span, _OF_TURNS) | _error(span))
            case _:
                pass


def _of(span: Span, names: tuple[str, ...]) -> dict[str, Attribute]:
    return {name: span.attributes[name] for name in names if name in span.attributes}


def _error(span: Span) -> dict[str, Attribute]:
    return {} if span.error is None else {"error.type": span.error}
