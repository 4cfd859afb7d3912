"""W3C Trace Context: what is one, and what is none."""

import pytest

from messagedb_agent.events.trace_context import (
    TraceContext,
    is_malformed_in,
    trace_context,
    trace_context_in,
)

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
GOOD = f"00-{TRACE}-{SPAN}-01"


def test_a_traceparent_names_a_span_and_whether_its_trace_is_kept() -> None:
    assert trace_context(GOOD) == TraceContext(TRACE, SPAN)
    assert trace_context(f"00-{TRACE}-{SPAN}-00") == TraceContext(TRACE, SPAN, is_sampled=False)
    assert trace_context(GOOD, "vendor=1") == TraceContext(TRACE, SPAN, state="vendor=1")


def test_one_of_a_later_version_is_read_as_far_as_this_one_goes() -> None:
    assert trace_context(f"cc-{TRACE}-{SPAN}-01-what-comes-later") == TraceContext(TRACE, SPAN)


@pytest.mark.parametrize(
    "given",
    [
        None,
        7,
        {},
        "",
        "nonsense",
        GOOD[:-1],
        GOOD.upper(),
        f"{GOOD}-more",
        f"{GOOD}\n",
        f" {GOOD}",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        "0" * 100_000,
    ],
)
def test_what_is_malformed_is_none(given: object) -> None:
    assert trace_context(given) is None


@pytest.mark.parametrize("state", [7, "", "x" * 513, "line\nfeed", "\x00", "ü=1"])
def test_a_tracestate_that_is_none_does_not_spoil_its_traceparent(state: object) -> None:
    assert trace_context(GOOD, state) == TraceContext(TRACE, SPAN)


def test_what_is_written_into_properties_is_read_from_them() -> None:
    context = TraceContext(TRACE, SPAN, is_sampled=False, state='a="b"')
    assert trace_context_in(context.properties) == context
    assert not is_malformed_in(context.properties)


@pytest.mark.parametrize(
    "properties", [None, "{}", '{"tenant":"traceparent"}', '["traceparent"]', '"traceparent"']
)
def test_properties_without_one_have_none(properties: str | None) -> None:
    assert trace_context_in(properties) is None
    assert not is_malformed_in(properties)


@pytest.mark.parametrize("value", ['"nonsense"', "7", "null", "{}"])
def test_one_that_is_malformed_in_properties_is_known_as_such(value: str) -> None:
    properties = f'{{"traceparent":{value}}}'
    assert trace_context_in(properties) is None
    assert is_malformed_in(properties)
