"""Spans as values: what OpenTelemetry is given of a thread, live or afterwards."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from messagedb_agent.events.trace_context import TraceContext

Attribute = str | int | float | bool | tuple[str, ...]
Attributes = Mapping[str, Attribute]
SpanKind = Literal["internal", "client"]


@dataclass(frozen=True)
class Happening:
    """Something that happened within a span.

    Attributes:
        name: what.
        time_ms: when, milliseconds since 1970-01-01 UTC.
        attributes: what is known of it.
    """

    name: str
    time_ms: int
    attributes: Attributes = field(default_factory=dict)


@dataclass(frozen=True)
class Span:
    """A span that has ended.

    Attributes:
        name: what was done.
        kind: whether it was done in this process, or asked of a server.
        context: the span itself.
        parent: the span it belongs to; None for one that begins a trace.
        sender: the span of who sent the message that the turn answers; None where nobody said.
        start_ms: when it began, milliseconds since 1970-01-01 UTC.
        end_ms: when it ended; never before it began, whosever clock said so.
        attributes: what is known of it.
        happenings: what happened within it, in order.
        links: spans of other traces that it comes from.
        error: the class of the error that it ended in; None where it ended well.
        message: what the error says; None unless content was asked for.
    """

    name: str
    kind: SpanKind
    context: TraceContext
    parent: TraceContext | None
    sender: TraceContext | None
    start_ms: int
    end_ms: int
    attributes: Attributes
    happenings: tuple[Happening, ...] = ()
    links: tuple[TraceContext, ...] = ()
    error: str | None = None
    message: str | None = None

    @property
    def is_turn(self) -> bool:
        """Whether it is a turn as a whole."""
        return self.parent == self.sender

    @property
    def elapsed_s(self) -> float:
        """How long it took, in seconds."""
        return (self.end_ms - self.start_ms) / 1000


def trace_id(event_id: str) -> str:
    """Return the id of the trace that begins with an event: the same whoever makes it, and when."""
    return _digits(event_id, "trace", 32)


def span_id(event_id: str, role: str) -> str:
    """Return the id of the span that an event begins, as a `role`."""
    return _digits(event_id, role, 16)


def _digits(event_id: str, role: str, size: int) -> str:
    return hashlib.sha256(f"{event_id}\n{role}".encode()).hexdigest()[:size]
