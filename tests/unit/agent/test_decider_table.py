"""Every row of the decider's table, and their order."""

from messagedb_agent.agent.decider import decide
from messagedb_agent.agent.state import State
from messagedb_agent.agent.steps import CallModel, Compact, Complete, Done, Stop, Wait
from messagedb_agent.events.recorded import UnknownEvent
from messagedb_agent.events.schema import SessionDeleted, SessionTitled
from messagedb_agent.events.values import Limits, ReachedLimit
from tests.given import (
    approved,
    asked,
    broke,
    call,
    cancelled,
    claim,
    denied,
    done,
    ended,
    ending,
    failed,
    given,
    refuse,
    replied,
    request,
    run,
    runs,
    spoken,
    started,
    stopped,
    tool,
    user,
)


def test_an_unknown_event_that_must_not_be_ignored_waits_for_newer_code() -> None:
    critical = UnknownEvent("ToolsFrozen", "unknown type", critical=True)
    given(started(), user("hi"), critical).says(Wait("upgrade"))
    given(critical).says(Wait("upgrade"))  # even before the start


def test_an_unknown_event_that_may_be_ignored_changes_nothing() -> None:
    given(started(), user("hi"), UnknownEvent("Seen", "unknown type")).says(CallModel())


def test_a_thread_that_was_not_started_waits_for_its_start() -> None:
    assert decide(State()) == Wait("start")
    given(user("is anybody there?")).says(Wait("start"))


def test_a_message_that_came_before_the_start_is_answered_after_it() -> None:
    given(user("is anybody there?"), started()).says(CallModel())


def test_open_claims_of_a_cancelled_turn_are_waited_for() -> None:
    spoken(cancelled()).says(Wait("effect"))
    spoken(replied("pay", "rm"), runs("pay"), cancelled()).says(Wait("effect"))


def test_open_claims_are_waited_for_before_a_session_ends() -> None:
    spoken(ending()).says(Wait("effect"))
    spoken(ended()).says(Wait("effect"))
    spoken(SessionDeleted()).says(Wait("effect"))


def test_an_ended_session_is_done() -> None:
    given(started(), user("hi"), ended()).says(Done())


def test_a_deleted_thread_is_done_even_where_an_answer_is_owed() -> None:
    given(started(), user("hi"), SessionDeleted()).says(Done())


def test_a_session_asked_to_end_is_completed() -> None:
    given(started(), user("hi"), ending()).says(Complete())


def test_calls_that_cannot_run_are_refused_before_anything_else_of_their_round() -> None:
    round_ = spoken(replied(call("ghost", problem="unknown_tool"), "rm", "pay"))
    round_.says(refuse("ghost"))
    round_.and_(broke("ghost", "unknown_tool")).says(request("rm"))


def test_approval_is_asked_for_before_other_calls_run() -> None:
    round_ = spoken(replied("rm", "pay"))
    round_.says(request("rm"))
    round_.and_(asked("rm")).says(run("pay"))


def test_calls_that_are_ready_run_all_at_once_in_the_replys_order() -> None:
    spoken(replied("pay", "look")).says(run("pay", "look"))


def test_an_approved_call_runs() -> None:
    spoken(replied("rm"), asked("rm"), approved("rm")).says(run("rm"))


def test_an_open_claim_is_waited_for() -> None:
    spoken().says(Wait("effect"))
    spoken(replied("pay"), runs("pay")).says(Wait("effect"))


def test_a_running_tool_is_waited_for_before_an_approval() -> None:
    spoken(replied("rm", "pay"), asked("rm"), runs("pay")).says(Wait("effect"))
    spoken(replied("rm", "pay"), asked("rm"), runs("pay"), done("pay")).says(Wait("approval"))


def test_a_model_call_that_failed_for_good_waits_for_a_person() -> None:
    spoken(failed("unavailable")).says(Wait("retry"))


def test_a_thread_stopped_by_a_limit_waits_for_a_person() -> None:
    given(started(), user("hi"), stopped("callsPerTurn")).says(Wait("limit"))


def test_every_limit_that_is_reached_stops_the_thread_before_the_next_model_call() -> None:
    limits = {
        "calls_per_turn": 1,
        "rounds_per_turn": 1,
        "elapsed_ms_per_turn": 30,
        "tokens_per_thread": 100,
        "cost_usd_per_thread": "0.50",
    }
    spoken(
        replied("pay", tokens=120, cost_usd="0.75", elapsed_ms=20),
        runs("pay"),
        done("pay", elapsed_ms=11),
        **limits,
    ).says(
        Stop(
            (
                ReachedLimit(name="callsPerTurn", limit="1", reached="1"),
                ReachedLimit(name="roundsPerTurn", limit="1", reached="1"),
                ReachedLimit(name="elapsedMsPerTurn", limit="30", reached="31"),
                ReachedLimit(name="tokensPerThread", limit="100", reached="120"),
                ReachedLimit(name="costUsdPerThread", limit="0.50", reached="0.75"),
            )
        )
    )


def test_a_limit_that_is_not_quite_reached_stops_nothing() -> None:
    round_ = spoken(
        replied("pay", tokens=99),
        runs("pay"),
        done("pay"),
        calls_per_turn=2,
        tokens_per_thread=100,
    )
    round_.says(CallModel())


def test_limits_do_not_stop_what_owes_no_answer() -> None:
    spoken(replied(text="hello"), calls_per_turn=1).says(Wait("user"))


def test_a_huge_number_is_a_limit_like_any_other() -> None:
    limits = Limits(tokens_per_thread=2**53)
    given(started(limits=limits), user("hi")).says(CallModel())


def test_an_overflown_context_is_summarised_before_the_model_is_asked_again() -> None:
    spoken(failed("context_overflow")).says(Compact())


def test_a_limit_comes_before_a_summary() -> None:
    reached = ReachedLimit(name="callsPerTurn", limit="1", reached="1")
    spoken(failed("context_overflow"), calls_per_turn=1).says(Stop((reached,)))


def test_an_owed_answer_asks_the_model() -> None:
    given(started(), user("hi")).says(CallModel())


def test_a_thread_that_owes_nothing_waits_for_its_user() -> None:
    given(started()).says(Wait("user"))
    spoken(replied(text="hello")).says(Wait("user"))
    spoken(replied(text="hello"), SessionTitled(title="Greetings")).says(Wait("user"))


def test_a_denied_tool_call_goes_back_to_the_model() -> None:
    given(
        started(tool("rm", approval=True)), user("clean up"), claim(), replied("rm"), asked("rm")
    ).and_(denied("rm", reason="not here")).says(CallModel())
