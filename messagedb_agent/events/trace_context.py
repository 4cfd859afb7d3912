"""Whose trace a message belongs to, as its sender says: W3C Trace Context in `properties`.

Source: W3C Trace Context, level 1, sections 3.2 and 3.3.
"""

import re

from messagedb_agent.events.canonical import canonical_text, read
from messagedb_agent.records import record

TRACEPARENT = "traceparent"
TRACESTATE = "tracestate"

MAX_TRACESTATE_CHARS = 512

_PARENT = re.compile(
    r"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})"
    r"(?P<rest>-.*)?"
)
_STATE = re.compile(r"[\x20-\x7e\t]+")
_SAMPLED = 1


@record
class TraceContext:
    """A span of somebody's, as its `traceparent` names it.

    Attributes:
        trace_id: 32 hexadecimal digits.
        span_id: 16 hexadecimal digits.
        is_sampled: whether its sender keeps its trace.
        state: its `tracestate`; empty where there is none.
    """

    trace_id: str
    span_id: str
    is_sampled: bool = True
    state: str = ""

    @property
    def traceparent(self) -> str:
        """The header that names this span."""
        return f"00-{self.trace_id}-{self.span_id}-{int(self.is_sampled):02x}"

    @property
    def properties(self) -> str:
        """A JSON object for `Travelling.properties`."""
        state = {TRACESTATE: self.state} if self.state else {}
        return canonical_text({TRACEPARENT: self.traceparent, **state})


def trace_context(traceparent: object, tracestate: object = None) -> TraceContext | None:
    """Read the two headers; None where the first is none, and without a second that is none.

    Args:
        traceparent: anything, such as what a foreign client has written.
        tracestate: likewise.
    """
    found = _PARENT.fullmatch(traceparent) if isinstance(traceparent, str) else None
    if found is None or found["version"] == "ff" or (found["version"] == "00" and found["rest"]):
        return None
    if not int(found["trace"], 16) or not int(found["span"], 16):
        return None
    is_sampled = bool(int(found["flags"], 16) & _SAMPLED)
    return TraceContext(found["trace"], found["span"], is_sampled, _state(tracestate))


def trace_context_in(properties: str | None) -> TraceContext | None:
    """Return the trace context that stands in properties, a JSON object as text."""
    values = _values(properties)
    return trace_context(values.get(TRACEPARENT), values.get(TRACESTATE))


def is_malformed_in(properties: str | None) -> bool:
    """Say whether properties have a `traceparent` that is none."""
    values = _values(properties)
    return TRACEPARENT in values and trace_context(values[TRACEPARENT]) is None


def _values(properties: str | None) -> dict[str, object]:
    if properties is None or TRACEPARENT not in properties:  # nearly always; nothing is parsed
        return {}
    values = read(properties)
    return values if isinstance(values, dict) else {}


def _state(value: object) -> str:
    if not isinstance(value, str) or len(value) > MAX_TRACESTATE_CHARS:
        return ""
    return value if _STATE.fullmatch(value) else ""
