"""Tracing as it happens: each span is exported once, by the process that wrote its last event.

A run is folded where it is read (`folding`), which is all that its own task does. What has ended
is handed to a thread that imports OpenTelemetry, when there is something to export, and exports it:
nothing waits for it, and nothing that goes wrong there is heard of by a turn.
"""

import asyncio
import importlib.util
import logging
import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

from messagedb_agent.agents.watching import Watch
from messagedb_agent.closing import Closing
from messagedb_agent.errors import ConfigurationError
from messagedb_agent.events.recorded import Recorded
from messagedb_agent.events.trace_context import (
    TRACEPARENT,
    TRACESTATE,
    TraceContext,
    trace_context,
)
from messagedb_agent.observability import content
from messagedb_agent.observability.folding import Traces, evolve
from messagedb_agent.observability.spans import Span
from messagedb_agent.observability.turns import IGNORED
from messagedb_agent.projections.conversation import Conversation

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.sdk.trace import TracerProvider

    from messagedb_agent.observability.emitting import Emitter

FLUSH_S = 2.0
"""How long an end waits for what is still to be exported, in seconds."""

EXTRA = "messagedb-agent[tracing]"

T = TypeVar("T")

_logger = logging.getLogger("messagedb_agent.observability")
_theirs = logging.getLogger("opentelemetry")
_NEEDED = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")


class Tracing(Closing):
    """Watches all threads of an engine, and exports their spans and metrics.

        async with Tracing() as tracing, connect(..., watching=tracing) as engine:
            ...

    Args:
        tracer_provider: gets the spans, a provider of OpenTelemetry's SDK; it stays the caller's.
            By default one that the `OTEL_*` variables configure, which exports by OTLP over HTTP.
        meter_provider: gets the metrics; by default likewise where no `tracer_provider` is given,
            else nobody.
        sender: the span that what is said belongs to where no span is the current one.
        with_content: whether spans tell what was said; by default as
            `OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT` says, which is no.

    Raises:
        ConfigurationError: the packages of the extra `tracing` are not installed.
    """

    def __init__(
        self,
        *,
        tracer_provider: "TracerProvider | None" = None,
        meter_provider: "MeterProvider | None" = None,
        sender: TraceContext | None = None,
        with_content: bool | None = None,
    ) -> None:
        require_packages()
        self._providers = tracer_provider, meter_provider
        self._sender = sender
        wanted = wants_content(os.environ)
        self._with_content = wanted if with_content is None else with_content
        self._ended: SimpleQueue[Sequence[Span] | Callable[[], object]] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    async def close(self) -> None:
        """Export what has ended, within `FLUSH_S`; what takes longer is left, and the log told."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is None:
            return
        loop, over = asyncio.get_running_loop(), asyncio.Event()
        self._ended.put(lambda: loop.call_soon_threadsafe(over.set))
        try:
            async with asyncio.timeout(FLUSH_S):
                await over.wait()
        except TimeoutError:
            # As OpenTelemetry's own errors: the command line makes one warning of them all.
            _theirs.error("the last spans were not exported in %g s, and are left", FLUSH_S)

    def watch(self) -> Watch:
        """Return who watches a thread from now on."""
        return _ThreadWatch(self)

    def sender(self) -> TraceContext | None:
        """Return the current span, where the caller has one; else the one that was given."""
        return _current() or self._sender

    @property
    def with_content(self) -> bool:
        """Whether spans tell what was said."""
        return self._with_content

    def export(self, spans: Sequence[Span]) -> None:
        """Hand spans that have ended to the thread that exports them."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="tracing", daemon=True)
                self._thread.start()
        self._ended.put(spans)

    def _run(self) -> None:
        """Export until the end is asked for, and say when it has come: the loop may be gone."""
        emitter = self._safely(self._emitter)
        while not callable(spans := self._ended.get()):
            if emitter:
                self._safely(partial(_emit_all, emitter, spans))
        if emitter:
            self._safely(emitter.close)
        with suppress(RuntimeError):
            spans()

    def _safely(self, work: Callable[[], T]) -> T | None:
        try:
            return work()
        except Exception as error:
            _logger.warning("spans are not exported: %s", type(error).__name__)
            _logger.debug("spans are not exported", exc_info=True)
            return None

    def _emitter(self) -> "Emitter":
        from messagedb_agent.observability.emitting import Emitter, exporting

        tracer_provider, meter_provider = self._providers
        if tracer_provider is None:
            return exporting(meter_provider)
        return Emitter(tracer_provider, meter_provider)


class _ThreadWatch:
    """Folds one thread, and exports what ends by this process's own events."""

    def __init__(self, tracing: Tracing) -> None:
        self._tracing = tracing
        self._traces = Traces(with_content=tracing.with_content)

    def see(
        self,
        recorded: Recorded,
        properties: str | None,
        before: Conversation,
        after: Conversation,
        *,
        is_ours: bool,
    ) -> None:
        try:
            self._traces = evolve(self._traces, recorded, properties, before, after)
        except Exception:
            _logger.debug("an event could not be traced", exc_info=True)
            return
        if is_ours and self._traces.ended:
            self._tell_of_ignored(self._traces.ended)
            self._tracing.export(self._traces.ended)

    def span_of_call(self, call_id: str) -> TraceContext | None:
        return self._traces.span_of_call(call_id)

    def _tell_of_ignored(self, spans: Sequence[Span]) -> None:
        for span in spans:
            if any(happening.name == IGNORED for happening in span.happenings):
                _logger.warning("the traceparent of a message is malformed, and was ignored")


class Untraced:
    """Traces nothing, and passes on whose span it is that what is said belongs to.

    Args:
        sender: that span; None for none.
    """

    def __init__(self, sender: TraceContext | None) -> None:
        self._sender = sender

    def watch(self) -> None:
        """Return nobody."""

    def sender(self) -> TraceContext | None:
        """Return the span that was given."""
        return self._sender


def _emit_all(emitter: "Emitter", spans: Sequence[Span]) -> None:
    for span in spans:
        emitter.emit(span)


def require_packages() -> None:
    """Find out whether OpenTelemetry is installed, without importing it.

    Raises:
        ConfigurationError: it is not, or not all of it.
    """
    for name in _NEEDED:
        try:
            found = importlib.util.find_spec(name)
        except ModuleNotFoundError:
            found = None
        if found is None:
            raise ConfigurationError(
                f"tracing needs {name.partition('.')[0]}, which comes with the extra: {EXTRA}",
                field="ENABLE_TRACING",
            )


def wants_content(environ: Mapping[str, str]) -> bool:
    """Say whether spans are to tell what was said."""
    return content.is_wanted(environ.get(content.VARIABLE))


def sender_of(environ: Mapping[str, str]) -> TraceContext | None:
    """Return the span that TRACEPARENT and TRACESTATE name; one that is none is told to the log."""
    given = environ.get(TRACEPARENT.upper())
    sender = trace_context(given, environ.get(TRACESTATE.upper()))
    if given and sender is None:
        _logger.warning("TRACEPARENT is malformed, and is ignored")
    return sender


def _current() -> TraceContext | None:
    """Return the span that is current where this is called; nothing is imported to find out."""
    api: Any = sys.modules.get("opentelemetry.trace")
    if api is None:
        return None
    try:
        span = api.get_current_span().get_span_context()
    except (AttributeError, ImportError):
        return None  # another thread is just importing it: nobody has a span by now
    if not span.is_valid:
        return None
    return TraceContext(
        api.format_trace_id(span.trace_id),
        api.format_span_id(span.span_id),
        span.trace_flags.sampled,
        span.trace_state.to_header(),
    )
