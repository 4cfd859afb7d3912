"""What a fork takes over from its parent, and what it closes."""

import pytest

from messagedb_agent.agent.steps import CallModel, Compact, Wait
from messagedb_agent.events.recorded import UnknownEvent
from messagedb_agent.events.request import AskedCall, AssistantReply, ToolAnswer, UserText
from messagedb_agent.events.schema import SessionDeleted
from messagedb_agent.projections.conversation import NOT_RUN
from tests.given import (
    FORK,
    Given,
    asked,
    broke,
    cancelled,
    claim,
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


def answers(thread: Given) -> list[str]:
    return [m.text for m in thread.messages if isinstance(m, ToolAnswer)]


def test_an_open_model_call_becomes_a_debt_of_the_fork() -> None:
    fork = spoken().forked()
    fork.says(CallModel())
    assert fork.state.model_call is None
    assert fork.state.owed == 0  # the fork's own first event


def test_a_cancelled_model_call_becomes_no_debt() -> None:
    spoken(cancelled()).forked().says(Wait("user"))


def test_an_open_summary_leaves_the_debt_that_it_was_for() -> None:
    spoken(failed("context_overflow"), claim("summary")).forked().says(Compact())
    spoken(replied(text="hi"), claim("summary")).forked().says(Wait("user"))


def test_an_open_round_is_finished_with_calls_that_were_not_run() -> None:
    fork = spoken(replied("pay", "look", "rm"), runs("pay"), runs("look"), done("look", "seen"))
    fork = fork.forked()
    fork.says(CallModel())
    assert answers(fork) == [NOT_RUN, "seen", NOT_RUN]


def test_a_dropped_round_owes_nothing_in_the_fork_either() -> None:
    fork = spoken(replied("pay"), runs("pay"), cancelled()).forked()
    fork.says(Wait("user"))
    assert answers(fork) == [NOT_RUN]


def test_a_fork_may_give_results_to_calls_without_an_outcome() -> None:
    thread = spoken(replied("pay", "look"), runs("pay"), runs("look"), done("look", "seen"))
    call = thread.history.call
    results = f'{{"{call("pay")}": "paid", "{call("look")}": "not this"}}'
    assert answers(thread.forked(results)) == ["paid", "seen"]


@pytest.mark.parametrize("results", ["", "{", "[]", "null", '{"x":', '{"c":"\\ud800"}', "[" * 2000])
def test_results_that_cannot_be_read_are_not_given(results: str) -> None:
    assert answers(spoken(replied("pay")).forked(results)) == [NOT_RUN]


def test_a_given_result_that_is_no_text_is_not_given() -> None:
    thread = spoken(replied("pay"))
    assert answers(thread.forked(f'{{"{thread.history.call("pay")}": 5}}')) == [NOT_RUN]


def test_a_given_result_may_be_empty() -> None:
    thread = spoken(replied("pay"))
    assert answers(thread.forked(f'{{"{thread.history.call("pay")}": ""}}')) == ["(no output)"]


def test_what_was_said_while_the_parent_was_busy_is_shown_in_the_fork() -> None:
    fork = spoken(replied("pay"), runs("pay"), user("hurry")).forked()
    assert fork.messages == (
        UserText("hello"),
        AssistantReply("", (AskedCall(fork.history.call("pay"), "pay", "{}"),)),
        ToolAnswer(fork.history.call("pay"), "pay", NOT_RUN),
        UserText("hurry"),
    )


def test_a_fork_reopens_what_was_ended_failed_or_stopped() -> None:
    given(started(), ended()).forked().says(Wait("user"))
    given(started(), ending()).forked().says(Wait("user"))
    given(started(), SessionDeleted()).forked().says(Wait("user"))
    spoken(failed("unavailable")).forked().says(CallModel())
    given(started(), user("hi"), stopped("callsPerTurn")).forked().says(CallModel())


def test_a_fork_keeps_session_totals_and_starts_a_turn_of_its_own() -> None:
    parent = spoken(replied("pay", tokens=5, elapsed_ms=9))
    fork = parent.forked()
    assert fork.state.total == parent.state.total
    assert fork.state.turn.calls == fork.state.turn.rounds == fork.state.turn.elapsed_ms == 0


def test_a_fork_has_its_own_definition() -> None:
    fork = spoken().forked(None, tool("new"))
    assert tuple(fork.state.rules) == ("new",)
    assert fork.shown.definition is not None
    assert [t.name for t in fork.shown.definition.tools] == ["new"]


def test_a_fork_still_waits_for_code_that_knows_its_prefix() -> None:
    critical = UnknownEvent("X", "unknown type", critical=True)
    given(started(), critical).forked().says(Wait("upgrade"))


def test_an_unknown_outcome_of_the_prefix_may_be_resolved_in_the_fork() -> None:
    fork = spoken(replied("pay"), runs("pay"), broke("pay", "outcome_unknown")).forked()
    assert UserText(f"[Note: call {fork.history.call('pay')} has completed after all: ok]") in (
        fork.and_(resolved("pay", "ok")).messages
    )


def test_outcomes_of_the_parents_claims_change_nothing_in_the_fork() -> None:
    for late in (replied(text="late"), failed("unavailable")):
        fork = spoken().forked()
        assert fork.and_(late).shown == fork.shown
    for late in (done("pay"), broke("pay"), runs("pay")):
        fork = spoken(replied("pay"), runs("pay")).forked()
        assert fork.and_(late).shown == fork.shown
    fork = spoken(replied("rm"), asked("rm")).forked()
    assert fork.and_(denied("rm")).shown == fork.shown


def test_only_the_first_event_of_a_stream_makes_it_a_fork() -> None:
    fork = spoken().forked()
    again = fork.records[-1].event
    assert fork.and_(again).shown == fork.shown


def test_a_fork_may_be_forked() -> None:
    fork = spoken().forked()
    assert fork.state.stream == FORK
    fork.and_(claim(), replied(text="hello")).says(Wait("user"))
