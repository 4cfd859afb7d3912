"""A receiver of OpenTelemetry's protocol on loopback: it decodes what arrives, and keeps it."""

import gzip
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class Arrived:
    """A span that arrived."""

    name: str
    kind: int
    trace_id: str
    span_id: str
    parent_id: str
    start_ns: int
    end_ns: int
    attributes: dict[str, Any]
    happenings: tuple[str, ...]
    links: tuple[tuple[str, str], ...]
    is_error: bool
    message: str
    state: str


@dataclass
class Receiver:
    """What has arrived.

    Attributes:
        url: the endpoint.
        status: what requests are answered with.
    """

    url: str
    status: int = 200
    requests: list[bytes] = field(default_factory=list)
    metric_requests: list[bytes] = field(default_factory=list)
    held: threading.Event | None = None

    @property
    def spans(self) -> list[Arrived]:
        found = []
        for request in self.requests:
            found += spans_in(ExportTraceServiceRequest.FromString(request))
        return found

    @property
    def services(self) -> set[str]:
        return {
            attribute.value.string_value
            for request in self.requests
            for part in ExportTraceServiceRequest.FromString(request).resource_spans
            for attribute in part.resource.attributes
            if attribute.key == "service.name"
        }

    @property
    def metrics(self) -> dict[str, list[tuple[dict[str, Any], Any]]]:
        """Data points by metric, with their attributes, of the last request."""
        found: dict[str, list[tuple[dict[str, Any], Any]]] = {}
        for request in self.metric_requests[-1:]:
            for part in ExportMetricsServiceRequest.FromString(request).resource_metrics:
                for scope in part.scope_metrics:
                    for metric in scope.metrics:
                        found[metric.name] = [
                            (_values(point.attributes), point)
                            for point in metric.histogram.data_points
                        ]
        return found


def spans_in(request: Any) -> list[Arrived]:
    return [
        Arrived(
            name=span.name,
            kind=span.kind,
            trace_id=span.trace_id.hex(),
            span_id=span.span_id.hex(),
            parent_id=span.parent_span_id.hex(),
            start_ns=span.start_time_unix_nano,
            end_ns=span.end_time_unix_nano,
            attributes=_values(span.attributes),
            happenings=tuple(event.name for event in span.events),
            links=tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
            is_error=span.status.code == 2,
            message=span.status.message,
            state=span.trace_state,
        )
        for part in request.resource_spans
        for scope in part.scope_spans
        for span in scope.spans
    ]


def _values(attributes: Sequence[Any]) -> dict[str, Any]:
    return {attribute.key: _value(attribute.value) for attribute in attributes}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    return getattr(value, kind)


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Receive while the context lasts."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            if receiver.held:
                receiver.held.wait(60)
            is_traces = self.path == "/v1/traces"
            (receiver.requests if is_traces else receiver.metric_requests).append(body)
            self.send_response(receiver.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver = Receiver(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield receiver
    finally:
        if receiver.held:
            receiver.held.set()
        server.shutdown()
        server.server_close()
        thread.join()
