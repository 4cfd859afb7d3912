"""What a person is shown."""

from typing import Any

import pytest

from messagedb_agent.events.recorded import UnknownEvent
from messagedb_agent.events.schema import (
    AgentRedefined,
    Event,
    SessionArchived,
    SessionDeleted,
    SessionTagged,
    SessionTitled,
    SessionUnarchived,
    ToolExecutionFailed,
    UserMessageAdded,
)
from messagedb_agent.events.values import Limits
from messagedb_agent.projections.conversation import NOT_RUN
from messagedb_agent.projections.items import Item, ShownCall
from messagedb_agent.projections.projection import fold
from messagedb_agent.projections.transcript import transcript
from tests.given import (
    Given,
    History,
    approved,
    asked,
    broke,
    call,
    cancelled,
    claim,
    compacted,
    continued,
    definition,
    denied,
    done,
    ended,
    ending,
    failed,
    given,
    replied,
    resolved,
    runs,
    spoken,
    started,
    stopped,
    tool,
    user,
)


def items(history: Given) -> list[Item]:
    shown = fold(transcript, history.records)
    return list(shown)


def kinds(history: Given) -> list[str]:
    return [item.kind for item in items(history)]


def texts(history: Given) -> list[tuple[str, str]]:
    return [(item.kind, item.text) for item in items(history)]


def calls(history: Given) -> dict[str, ShownCall]:
    return {item.call.tool: item.call for item in items(history) if item.call}


def outcomes(history: Given) -> dict[str, str]:
    return {name: call.outcome for name, call in calls(history).items()}


def test_a_message_and_its_answer_are_shown_in_order_with_place_and_time() -> None:
    history = spoken(replied(text="hi"))
    place: dict[str, Any] = {"stream": "agent:v0-thread", "time_ms": 0}
    assert items(history) == [
        Item(position=1, kind="user", text="hello", **place),
        Item(position=3, kind="assistant", text="hi", **place),
    ]


def test_who_spoke_is_shown() -> None:
    history = given(started(), UserMessageAdded(text="hello", user="ann"))
    assert [item.by for item in items(history)] == ["ann"]


def test_reasoning_stands_before_the_answer() -> None:
    history = spoken()
    reply = replied(text="hi")(history.history)
    thought = reply.model_copy(update={"reasoning": "a greeting"})
    assert texts(history.and_(thought))[1:] == [("reasoning", "a greeting"), ("assistant", "hi")]


def test_a_result_stands_at_its_call_whatever_came_in_between() -> None:
    history = spoken(
        replied("look", text="wait"), runs("look"), user("and?"), done("look", "42", 7)
    )
    assert kinds(history) == ["user", "assistant", "tool", "user"]
    assert calls(history)["look"].result == "42"
    assert calls(history)["look"].elapsed_ms == 7
    after = history.and_(claim(), replied(text="it is 42"))
    assert kinds(after) == ["user", "assistant", "tool", "user", "assistant"]
    assert outcomes(after) == {"look": "completed"}


def test_a_call_shows_how_far_it_has_come() -> None:
    history = spoken(replied("look", "rm"))
    assert outcomes(history) == {"look": "requested", "rm": "requested"}
    history = history.and_(asked("rm"), runs("look"))
    assert outcomes(history) == {"look": "running", "rm": "asked"}
    history = history.and_(broke("look", "raised", "no luck"), approved("rm"))
    assert outcomes(history) == {"look": "failed", "rm": "allowed"}
    assert calls(history)["look"].result == "raised: no luck"
    history = history.and_(runs("rm"), broke("rm", "outcome_unknown"))
    assert outcomes(history) == {"look": "failed", "rm": "unknown"}
    history = history.and_(resolved("rm"))
    assert texts(history)[-1] == ("note", "completed: it went through")


def test_a_timeout_may_have_taken_effect_unless_the_tool_may_run_again() -> None:
    history = spoken(replied("look", "pay"), runs("look"), runs("pay"))
    history = history.and_(broke("look", "timed_out"), broke("pay", "timed_out"))
    assert outcomes(history) == {"look": "failed", "pay": "unknown"}


def test_a_refused_call_has_failed_without_running() -> None:
    def refused(history: History) -> Event:
        return ToolExecutionFailed(
            call_id=history.call("look"),
            attempt=0,
            kind="bad_arguments",
            message="not an object",
            elapsed_ms=0,
        )

    history = spoken(replied(call("look", "[", problem="bad_arguments")), refused)
    shown = calls(history)["look"]
    assert (shown.arguments, shown.outcome) == ("[", "failed")
    assert (shown.result, shown.elapsed_ms) == ("bad_arguments: not an object", None)


def test_an_approval_is_shown_with_what_was_asked_and_decided() -> None:
    history = spoken(replied(call("rm", '{"path":"a"}')), asked("rm", '{"path":"a"}'))
    history = history.and_(approved("rm", '{"path":"b"}'))
    assert texts(history)[2:] == [("approval_asked", 'rm {"path":"a"}'), ("approved", "")]
    assert [item.arguments for item in items(history)[2:]] == [None, '{"path":"b"}']
    assert calls(history)["rm"].arguments == '{"path":"b"}'
    assert items(history)[-1].call_id == calls(history)["rm"].call_id


def test_a_denied_call_shows_the_reason() -> None:
    history = spoken(replied("rm"), asked("rm"), denied("rm", "not here"))
    assert texts(history)[-1] == ("denied", "not here")
    assert calls(history)["rm"].outcome == "denied"
    assert calls(history)["rm"].result == "not here"


def test_a_cancel_leaves_calls_that_had_not_started_as_not_run() -> None:
    history = spoken(replied("look", "rm"), asked("rm"), runs("look"), cancelled())
    assert outcomes(history) == {"look": "running", "rm": "not_run"}
    history = history.and_(broke("look", "cancelled"))
    assert outcomes(history) == {"look": "failed", "rm": "not_run"}
    assert kinds(history)[-1] == "cancelled"


def test_a_reply_to_a_cancelled_call_is_shown_and_its_calls_are_not_run() -> None:
    history = spoken(cancelled(), replied("look", text="late"))
    assert texts(history)[1:] == [("cancelled", ""), ("assistant", "late"), ("tool", "")]
    assert outcomes(history) == {"look": "not_run"}


def test_a_failure_is_shown_unless_its_call_was_cancelled() -> None:
    assert texts(spoken(failed("refused", "no")))[-1] == ("failure", "refused: no")
    assert kinds(spoken(cancelled(), failed("cancelled"))) == ["user", "cancelled"]


def test_calls_on_the_side_are_not_shown() -> None:
    talk = spoken(replied(text="hi"))
    assert kinds(talk.and_(claim("title"), replied(text="A title"))) == kinds(talk)
    assert kinds(talk.and_(claim("judge"), failed("refused"))) == kinds(talk)


def test_limits_and_who_raised_them_are_shown() -> None:
    history = given(started(limits=Limits(calls_per_turn=1)), user("hello"))
    history = history.and_(stopped("callsPerTurn"), continued(Limits(calls_per_turn=9)))
    assert texts(history)[1:] == [
        ("limit", "callsPerTurn (1 of 1)"),
        ("continued", "callsPerTurn 9"),
    ]


def test_a_summary_is_shown_where_it_was_made() -> None:
    history = spoken(failed("context_overflow"), claim("summary"), compacted(1, "so far"))
    assert texts(history)[-1] == ("summary", "so far")


def test_the_end_of_a_session_is_shown() -> None:
    history = spoken(replied(text="hi"), ending(), ended())
    assert texts(history)[-2:] == [("ending", ""), ("ended", "user")]


def test_what_is_said_of_a_thread_is_shown() -> None:
    history = given(
        started(),
        SessionTitled(title="Rivers"),
        SessionTagged(added=("a", "b"), removed=("c",)),
        SessionArchived(),
        SessionUnarchived(),
        SessionDeleted(reason="old"),
    )
    assert texts(history) == [
        ("title", "Rivers"),
        ("tags", "+a +b -c"),
        ("archived", ""),
        ("unarchived", ""),
        ("deleted", "old"),
    ]


def test_another_definition_is_shown_by_what_changed() -> None:
    other = definition(tool("look")).model_copy(
        update={"model": "other", "system_prompt": "Be long."}
    )
    history = given(started(), AgentRedefined(definition=other))
    assert texts(history) == [("redefined", "system prompt, model other, tools")]


def test_a_fork_shows_where_it_came_from_and_what_it_left_behind() -> None:
    parent = spoken(replied("look", "pay"), runs("look"))
    look = calls(parent)["look"].call_id
    fork = parent.forked()
    assert texts(fork)[-1] == ("fork", "agent:v0-thread/4")
    assert items(fork)[-1].stream == "agent:v0-fork"
    assert outcomes(fork) == {"look": "not_run", "pay": "not_run"}
    told = parent.forked(f'{{"{look}": "what if"}}')
    assert outcomes(told) == {"look": "completed", "pay": "not_run"}
    assert calls(told)["look"].result == "what if"


def test_results_that_cannot_be_read_are_as_good_as_none() -> None:
    for results in ("[1]", "{", "null"):
        assert outcomes(spoken(replied("look")).forked(results)) == {"look": "not_run"}


@pytest.mark.parametrize("given", ["5", "null", '["seen"]'])
def test_a_given_result_that_is_no_text_is_shown_as_the_model_is_told_of_it(given: str) -> None:
    parent = spoken(replied("look"))
    fork = parent.forked(f'{{"{parent.history.call("look")}": {given}}}')
    assert outcomes(fork) == {"look": "not_run"}
    assert fork.messages[-1].text == NOT_RUN


def test_foreign_and_unreadable_messages_are_shown_by_name_and_reason() -> None:
    history = spoken(
        UnknownEvent("Paid", "unknown type"), UnknownEvent("UserMessageAdded", "text: missing")
    )
    assert texts(history)[1:] == [
        ("foreign", "Paid: unknown type"),
        ("unreadable", "UserMessageAdded: text: missing"),
    ]


def test_what_does_not_count_is_not_shown() -> None:
    talk = spoken(replied("look"), runs("look"), done("look"))
    assert kinds(talk.and_(started(), done("look"), approved("look"), runs("look"))) == kinds(talk)


def test_folding_in_two_parts_equals_folding_at_once() -> None:
    history = spoken(
        replied("look", "rm"), asked("rm"), runs("look"), user("?"), done("look"), denied("rm")
    )
    whole = fold(transcript, history.records)
    for cut in range(len(history.records)):
        first = fold(transcript, history.records[:cut])
        before = list(first)
        assert fold(transcript, history.records[cut:], first) == whole
        assert list(first) == before
