"""What spans a thread's events fold to."""

from dataclasses import replace

from messagedb_agent.events.schema import (
    LimitReached,
    SessionCompleted,
    SessionContinued,
    TurnCancelled,
)
from messagedb_agent.events.trace_context import TraceContext
from messagedb_agent.events.values import ReachedLimit
from tests.given import (
    Given,
    approved,
    asked,
    broke,
    call,
    claim,
    denied,
    done,
    failed,
    given,
    replied,
    runs,
    started,
    tool,
    user,
)
from tests.unit.observability.folded import named, names, traced

SENDER = TraceContext("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", state="v=1")
ONE_TURN = given(
    started(tool("add")),
    user("add"),
    claim(),
    replied("add", tokens=7),
    runs("add"),
    done("add"),
    claim(),
    replied(text="3", tokens=9),
)


def timed(history: Given) -> Given:
    """Return a history in which each event happens a second after the one before."""
    records = (replace(r, time_ms=1_000 * i) for i, r in enumerate(history.records))
    return replace(history, records=tuple(records))


def test_a_turn_is_one_trace_with_its_calls_below_it() -> None:
    spans, traces = traced(timed(ONE_TURN).records)
    assert names(spans) == [
        "chat scripted",
        "execute_tool add",
        "chat scripted",
        "invoke_agent helper",
    ]
    *below, turn = spans
    assert turn.parent is None
    assert {span.parent for span in below} == {turn.context}
    assert {span.context.trace_id for span in spans} == {turn.context.trace_id}
    assert len({span.context.span_id for span in spans}) == 4
    assert [(span.start_ms, span.end_ms) for span in spans] == [
        (2_000, 3_000),
        (4_000, 5_000),
        (6_000, 7_000),
        (1_000, 7_000),
    ]
    assert not traces.turns
    assert not traces.begun


def test_the_attributes_are_those_of_the_conventions() -> None:
    spans, _ = traced(ONE_TURN.records)
    asked_again, turn = spans[2], spans[3]
    assert asked_again.kind == "client"
    assert asked_again.attributes == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "_OTHER",
        "gen_ai.request.model": "scripted",
        "gen_ai.response.model": "scripted-1",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 9,
        "gen_ai.usage.output_tokens": 0,
        "gen_ai.agent.name": "helper",
        "gen_ai.conversation.id": "thread",
        "messagedb_agent.attempt": 1,
        "messagedb_agent.position": 6,
        "messagedb_agent.purpose": "answer",
        "messagedb_agent.stream": "agent:v0-thread",
    }
    assert (
        spans[1].attributes.items()
        >= {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": "add",
            "gen_ai.tool.type": "function",
            "gen_ai.tool.call.id": ONE_TURN.history.call("add"),
        }.items()
    )
    assert turn.kind == "internal"
    assert (
        turn.attributes.items()
        >= {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": "helper",
            "gen_ai.agent.id": ONE_TURN.records[-1].id,
            "gen_ai.usage.input_tokens": 16,
        }.items()
    )


def test_a_turn_belongs_to_the_span_of_who_sent_its_message() -> None:
    spans, _ = traced(ONE_TURN.records, {1: SENDER.properties})
    turn = spans[-1]
    assert turn.parent == SENDER
    assert {span.context.trace_id for span in spans} == {SENDER.trace_id}
    assert {span.context.state for span in spans} == {"v=1"}
    assert turn.context.span_id != SENDER.span_id


def test_a_malformed_traceparent_is_ignored_and_named() -> None:
    spans, _ = traced(ONE_TURN.records, {1: '{"traceparent":"nonsense"}'})
    turn = spans[-1]
    assert turn.parent is None
    assert [happening.name for happening in turn.happenings] == [
        "messagedb_agent.traceparent_ignored"
    ]


def test_a_turn_that_is_open_has_no_span_yet() -> None:
    spans, traces = traced(ONE_TURN.records[:-1])
    assert "invoke_agent helper" not in names(spans)
    assert len(traces.turns) == 1


def test_a_wait_for_a_person_is_a_span_in_a_turn_that_goes_on() -> None:
    waiting = given(
        started(tool("rm", approval=True)), user("rm"), claim(), replied("rm"), asked("rm")
    )
    spans, _ = traced(waiting.records)
    assert names(spans) == ["chat scripted"]
    allowed = waiting.and_(
        approved("rm"), runs("rm"), done("rm"), claim(), replied(text="it is gone")
    )
    spans, _ = traced(allowed.records)
    assert names(spans)[1:] == [
        "await_approval rm",
        "execute_tool rm",
        "chat scripted",
        "invoke_agent helper",
    ]
    assert spans[1].attributes["messagedb_agent.approval"] == "approved"
    refused, _ = traced(waiting.and_(denied("rm")).records)
    assert refused[-1].attributes["messagedb_agent.approval"] == "denied"
    left, _ = traced(waiting.and_(TurnCancelled()).records)
    assert left[1].attributes["messagedb_agent.approval"] == "dropped"
    assert left[-1].error == "cancelled"


def test_what_failed_is_an_error_with_its_kind_and_without_its_words() -> None:
    broken = given(
        started(tool("rm")),
        user("rm"),
        claim(),
        replied("rm"),
        runs("rm"),
        broke("rm", "timed_out"),
        claim(),
        failed("rate_limited"),
    )
    spans, _ = traced(broken.records)
    assert [(span.name, span.error) for span in spans] == [
        ("chat scripted", None),
        ("execute_tool rm", "timed_out"),
        ("chat scripted", "rate_limited"),
        ("invoke_agent helper", "rate_limited"),
    ]
    assert {span.message for span in spans} == {None}
    told, _ = traced(broken.records, with_content=True)
    assert named(told, "execute_tool rm").message == "no luck"


def test_a_call_that_never_ran_is_a_span_without_length() -> None:
    refused = given(
        started(tool("rm")), user("rm"), claim(), replied(call("rm", problem="unknown_tool"))
    ).and_(broke("rm", "unknown_tool"))
    span = named(traced(timed(refused).records)[0], "execute_tool rm")
    assert (span.error, span.start_ms == span.end_ms) == ("unknown_tool", True)


def test_calls_that_were_taken_over_are_seen_as_interrupted() -> None:
    again = given(
        started(tool("add", effect="retry")),
        user("add"),
        claim(),
        failed("interrupted"),
        claim(),
        replied("add"),
        runs("add"),
        runs("add", attempt=2),
        done("add"),
        claim(),
        replied(text="3"),
    )
    spans, _ = traced(again.records)
    assert [(span.name, span.error) for span in spans] == [
        ("chat scripted", "interrupted"),
        ("chat scripted", None),
        ("execute_tool add", "interrupted"),
        ("execute_tool add", None),
        ("chat scripted", None),
        ("invoke_agent helper", None),
    ]
    assert spans[3].attributes["messagedb_agent.attempt"] == 2


def test_each_message_has_a_turn_that_ends_with_its_own_answer() -> None:
    queued = given(
        started(),
        user("one"),
        claim(),
        user("two"),
        replied(text="1"),
        claim(),
        replied(text="2"),
    )
    spans, _ = traced(queued.records, {3: SENDER.properties})
    assert names(spans) == ["chat scripted", "invoke_agent helper"] * 2
    first, second = spans[1], spans[3]
    assert first.parent is None
    assert second.parent == SENDER
    assert (spans[0].parent, spans[2].parent) == (first.context, second.context)


def test_an_interrupted_turn_ends_as_cancelled_before_the_next_begins_to_work() -> None:
    over = given(
        started(),
        user("one"),
        claim(),
        TurnCancelled(),
        user("two"),
        failed("cancelled"),
        claim(),
        replied(text="2"),
    )
    spans, _ = traced(over.records)
    assert [(span.name, span.error) for span in spans] == [
        ("chat scripted", "cancelled"),
        ("invoke_agent helper", "cancelled"),
        ("chat scripted", None),
        ("invoke_agent helper", None),
    ]
    assert spans[2].parent == spans[3].context


def test_what_goes_on_from_a_failure_or_a_limit_is_a_turn_linked_to_it() -> None:
    stopped = given(started(), user("one"), claim(), failed("refused"))
    spans, _ = traced(stopped.and_(SessionContinued(), claim(), replied(text="1")).records)
    assert [(span.name, span.error) for span in spans] == [
        ("chat scripted", "refused"),
        ("invoke_agent helper", "refused"),
        ("chat scripted", None),
        ("invoke_agent helper", None),
    ]
    assert spans[3].links == (spans[1].context,)
    assert spans[3].context.trace_id != spans[1].context.trace_id
    limit = LimitReached(limits=(ReachedLimit(name="callsPerTurn", limit="1", reached="1"),))
    limited = given(started(), user("one"), limit)
    spans, _ = traced(limited.and_(SessionContinued(), claim(), replied(text="1")).records)
    assert [(span.name, span.error) for span in spans] == [
        ("invoke_agent helper", "limit_reached"),
        ("chat scripted", None),
        ("invoke_agent helper", None),
    ]
    assert spans[2].links == (spans[0].context,)


def test_the_end_of_a_session_ends_what_is_open() -> None:
    ended = given(started(), user("one"), SessionCompleted(ending="user"))
    spans, traces = traced(ended.records)
    assert [(span.name, span.error) for span in spans] == [("invoke_agent helper", "ended")]
    assert not traces.turns


def test_a_fork_is_linked_to_the_turn_that_it_branched_off_from() -> None:
    before, _ = traced(ONE_TURN.records)
    forked = ONE_TURN.forked().and_(user("again"), claim(), replied(text="4"))
    spans, _ = traced(forked.records)
    own = spans[len(before) :]
    assert names(own) == ["chat scripted", "invoke_agent helper"]
    assert own[-1].links == (before[-1].context,)
    assert own[-1].context.trace_id != before[-1].context.trace_id


def test_a_fork_in_the_middle_of_a_turn_begins_one_of_its_own() -> None:
    forked = replace(ONE_TURN, records=ONE_TURN.records[:3]).forked()
    spans, _ = traced(forked.and_(claim(), replied(text="4")).records)
    assert names(spans) == ["chat scripted", "invoke_agent helper"]
    assert len(spans[-1].links) == 1


def test_nothing_is_guessed_of_a_turn_whose_beginning_was_not_read() -> None:
    later = ONE_TURN.and_(user("again"), claim(), replied(text="4"))
    shown_late, _ = traced(later.records[4:])
    assert shown_late == []


def test_content_is_in_spans_where_it_is_asked_for_alone() -> None:
    words = given(
        started(tool("add")),
        user("canary-asked"),
        claim(),
        replied(call("add", '{"a":"canary-argument"}')),
        runs("add"),
        done("add", "canary-result"),
        claim(),
        replied(text="canary-answer"),
    )
    silent, _ = traced(words.records)
    assert "canary" not in repr(silent)
    assert "Be brief" not in repr(silent)
    spans, _ = traced(words.records, with_content=True)
    told = repr(spans)
    for word in ("asked", "argument", "result", "answer"):
        assert f"canary-{word}" in told
    assert "canary-result" in str(spans[2].attributes["gen_ai.input.messages"])
    assert spans[1].attributes["gen_ai.tool.call.result"] == "canary-result"
    assert "canary-answer" in str(spans[-1].attributes["gen_ai.output.messages"])


def test_folding_twice_gives_the_same_spans() -> None:
    assert traced(ONE_TURN.records)[0] == traced(ONE_TURN.records)[0]
