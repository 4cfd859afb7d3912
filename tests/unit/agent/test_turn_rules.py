"""The rules of a turn: debts, rounds, failures, limits, cancelling, waiting."""

from decimal import Decimal
from typing import get_args

import pytest

from messagedb_agent.agent.bounds import MAX_INTERRUPTIONS
from messagedb_agent.agent.steps import CallModel, Compact, Complete, Done, Wait
from messagedb_agent.events.schema import AgentRedefined, LlmCallFailed
from messagedb_agent.events.values import Attempt, Limits, Usage
from messagedb_agent.events.words import FailureKind
from tests.given import (
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
    request,
    run,
    runs,
    spoken,
    started,
    stopped,
    tool,
    user,
)


class TestDebts:
    """What makes an answer due, and what clears that."""

    def test_the_claim_of_an_answer_clears_the_debt_and_not_the_reply(self) -> None:
        assert spoken().state.owed is None

    def test_a_message_during_a_call_is_still_owed_an_answer(self) -> None:
        spoken(user("and the time?"), replied(text="hello")).says(CallModel())

    def test_a_summary_does_not_clear_the_debt(self) -> None:
        overflown = spoken(
            replied(text="hello"), user("go on"), claim(), failed("context_overflow")
        )
        overflown.and_(claim("summary"), compacted(3)).says(CallModel())

    def test_a_title_does_not_clear_the_debt(self) -> None:
        given(started(), user("hi"), claim("title"), replied(text="Hi")).says(CallModel())

    def test_a_finished_round_owes_an_answer(self) -> None:
        spoken(replied("pay"), runs("pay"), done("pay")).says(CallModel())

    def test_a_round_is_finished_when_its_last_call_has_an_outcome(self) -> None:
        half = spoken(replied("pay", "look"), runs("pay"), runs("look"), done("look"))
        half.says(Wait("effect"))
        half.and_(done("pay")).says(CallModel())

    def test_a_message_during_a_round_is_answered_with_the_round(self) -> None:
        round_ = spoken(replied("pay"), runs("pay"), user("hurry"), done("pay"))
        round_.says(CallModel())
        round_.and_(claim(), replied(text="paid")).says(Wait("user"))

    def test_an_empty_reply_is_an_answer(self) -> None:
        spoken(replied(text="")).says(Wait("user"))

    def test_nothing_is_owed_after_a_cancelled_call_has_ended(self) -> None:
        spoken(cancelled(), failed("cancelled")).says(Wait("user"))
        spoken(cancelled(), replied("pay", text="too late")).says(Wait("user"))

    def test_nothing_is_owed_after_a_cancelled_round_has_ended(self) -> None:
        spoken(replied("pay"), runs("pay"), cancelled(), done("pay")).says(Wait("user"))

    def test_a_message_after_a_cancel_owes_by_itself(self) -> None:
        spoken(cancelled(), user("instead"), failed("cancelled")).says(CallModel())
        spoken(replied("pay"), runs("pay"), cancelled(), user("stop"), done("pay")).says(
            CallModel()
        )


class TestRounds:
    """What becomes of tool calls."""

    def test_a_failed_tool_is_an_outcome_and_not_the_end(self) -> None:
        spoken(replied("pay"), runs("pay"), broke("pay")).says(CallModel())

    def test_a_call_with_a_problem_fails_and_the_others_run(self) -> None:
        round_ = spoken(replied(call("ghost", problem="unknown_tool"), "pay"))
        round_.and_(broke("ghost", "unknown_tool")).says(run("pay"))

    def test_a_round_of_problems_goes_back_to_the_model(self) -> None:
        round_ = spoken(replied(call("ghost", problem="cut_off")), broke("ghost", "cut_off"))
        round_.says(CallModel())

    def test_an_approved_call_runs_beside_one_that_still_waits(self) -> None:
        tools = (tool("rm", approval=True), tool("mv", approval=True))
        round_ = given(started(*tools), user("tidy"), claim(), replied("rm", "mv"))
        round_.says(request("rm", "mv"))
        round_.and_(asked("rm"), asked("mv"), approved("mv")).says(run("mv"))

    def test_a_call_of_a_tool_nobody_declared_runs_without_approval(self) -> None:
        spoken(replied("ghost")).says(run("ghost"))  # the toolbox will say that there is none

    def test_rules_are_those_in_force_when_the_reply_came(self) -> None:
        stricter = AgentRedefined(definition=definition(tool("pay", approval=True)))
        spoken(replied("pay"), stricter).says(run("pay"))
        spoken(stricter, replied("pay")).says(request("pay"))


class TestFailures:
    """What a model call that gave no answer leads to."""

    @pytest.mark.parametrize(
        "kind", sorted({*get_args(FailureKind)} - {"interrupted", "cancelled", "context_overflow"})
    )
    def test_a_failure_is_final_and_waits_for_a_person(self, kind: FailureKind) -> None:
        spoken(failed(kind)).says(Wait("retry"))

    def test_somebody_who_continues_has_the_model_asked_again(self) -> None:
        spoken(failed("unavailable"), continued()).says(CallModel())

    def test_a_new_message_has_the_model_asked_again(self) -> None:
        spoken(failed("unavailable"), user("again, please")).says(CallModel())

    def test_an_interrupted_call_is_made_again_a_bounded_number_of_times(self) -> None:
        session = spoken()
        for _ in range(MAX_INTERRUPTIONS - 1):
            session = session.and_(failed("interrupted"))
            session.says(CallModel())
            session = session.and_(claim())
        session.and_(failed("interrupted")).says(Wait("retry"))

    def test_a_reply_forgives_earlier_interruptions(self) -> None:
        session = spoken(failed("interrupted"), claim(), failed("interrupted"), claim())
        assert session.and_(replied(text="hello")).state.interruptions == 0

    def test_an_interrupted_summary_is_made_again(self) -> None:
        spoken(failed("context_overflow"), claim("summary"), failed("interrupted")).says(Compact())

    def test_a_cancelled_failure_never_waits_for_a_person(self) -> None:
        spoken(failed("cancelled")).says(CallModel())

    def test_a_second_overflow_before_a_reply_is_final(self) -> None:
        once = spoken(failed("context_overflow"), claim("summary"), compacted(1))
        once.says(CallModel())
        once.and_(claim(), failed("context_overflow")).says(Wait("retry"))

    def test_an_overflow_after_a_reply_is_summarised_again(self) -> None:
        once = spoken(failed("context_overflow"), claim("summary"), compacted(1), claim())
        again = once.and_(replied(text="hello"), user("more"), claim(), failed("context_overflow"))
        again.says(Compact())

    def test_a_reply_with_calls_allows_a_second_summary_in_the_turn(self) -> None:
        once = spoken(failed("context_overflow"), claim("summary"), compacted(1), claim())
        round_ = once.and_(replied("pay"), runs("pay"), done("pay"), claim())
        round_.and_(failed("context_overflow")).says(Compact())

    def test_an_overflow_of_the_summary_is_final(self) -> None:
        spoken(failed("context_overflow"), claim("summary"), failed("context_overflow")).says(
            Wait("retry")
        )

    def test_after_an_overflow_of_the_summary_a_larger_model_may_answer(self) -> None:
        stuck = spoken(failed("context_overflow"), claim("summary"), failed("context_overflow"))
        larger = AgentRedefined(definition=definition())
        stuck.and_(larger, continued()).says(CallModel())

    def test_a_summary_that_failed_otherwise_is_tried_again_when_somebody_continues(self) -> None:
        stuck = spoken(failed("context_overflow"), claim("summary"), failed("unavailable"))
        stuck.says(Wait("retry"))
        stuck.and_(continued()).says(Compact())

    def test_a_reply_shows_that_the_failure_is_over(self) -> None:
        spoken(failed("unavailable"), claim(), replied(text="hello")).says(Wait("user"))

    def test_a_summary_that_nobody_needed_owes_nothing_when_it_fails(self) -> None:
        idle = spoken(replied(text="hello"), claim("summary"))
        idle.says(Wait("effect"))
        idle.and_(failed("unavailable")).says(Wait("user"))
        idle.and_(failed("interrupted")).says(Wait("user"))


class TestLimits:
    """What a turn and a session may use."""

    def test_a_message_opens_a_new_allowance_and_clears_the_stop(self) -> None:
        used = spoken(replied("pay"), runs("pay"), done("pay"), stopped("callsPerTurn"))
        used.says(Wait("limit"))
        again = used.and_(user("go on"))
        again.says(CallModel())
        assert (again.state.turn.calls, again.state.turn.rounds) == (0, 0)

    def test_continuing_opens_a_new_allowance_and_owes_nothing_itself(self) -> None:
        used = spoken(replied("pay"), runs("pay"), done("pay"), stopped("callsPerTurn"))
        used.and_(continued()).says(CallModel())
        spoken(replied(text="hello"), continued()).says(Wait("user"))

    def test_continuing_replaces_the_limits_that_it_names_and_keeps_the_others(self) -> None:
        limits = Limits.model_validate({"callsPerTurn": 3, "costUsdPerThread": "0.5"})
        more = Limits.model_validate({"costUsdPerThread": "1.5"})
        state = given(started(limits=limits), continued(more)).state
        assert state.limits.calls_per_turn == 3
        assert state.limits.cost_usd_per_thread == Decimal("1.5")

    def test_a_raised_money_limit_is_compared_as_money(self) -> None:
        limits = Limits.model_validate({"costUsdPerThread": "0.5"})
        more = Limits.model_validate({"costUsdPerThread": "1.5"})
        spent = given(
            started(limits=limits), user("hi"), claim(), replied(cost_usd="0.5"), user("more")
        )
        spent.and_(stopped("costUsdPerThread"), continued(more)).says(CallModel())

    def test_a_new_definition_brings_its_own_limits(self) -> None:
        strict = AgentRedefined(definition=definition(limits=Limits(calls_per_turn=1)))
        assert given(started(), strict).state.limits == Limits(calls_per_turn=1)

    def test_session_totals_outlive_turns(self) -> None:
        session = spoken(replied(text="a", tokens=5), user("b"), claim(), replied(tokens=6))
        assert session.state.total.tokens == 11

    def test_tries_that_failed_are_paid_for_too(self) -> None:
        def lost(history: History) -> LlmCallFailed:
            usage = Usage(input_tokens=7, output_tokens=2)
            tries = (Attempt(model="m", kind="cut_off", elapsed_ms=5, waited_ms=3, usage=usage),)
            return LlmCallFailed(
                llm_call_id=history.claim(), kind="cut_off", message="cut", attempts=tries
            )

        state = spoken(lost).state
        assert state.total.tokens == 9
        assert state.turn.elapsed_ms == 8

    def test_the_try_that_answered_is_paid_for_once(self) -> None:
        state = spoken(replied(text="a", tokens=5)).state
        assert state.total.tokens == 5

    def test_a_title_costs_tokens_and_no_call_of_the_turn(self) -> None:
        state = spoken(claim("title"), replied(text="T", tokens=5)).state
        assert state.total.tokens == 5
        assert state.turn.calls == 1

    def test_a_stop_that_names_no_limit_stops_nothing(self) -> None:
        given(started(), user("hi"), stopped()).says(CallModel())


class TestStopping:
    """Cancelling a turn and ending a session."""

    def test_calls_that_had_not_started_never_run(self) -> None:
        spoken(replied("pay", "rm"), cancelled()).says(Wait("user"))
        spoken(replied("rm"), asked("rm"), cancelled()).says(Wait("user"))

    def test_a_late_approval_changes_nothing(self) -> None:
        spoken(replied("rm"), asked("rm"), cancelled(), approved("rm")).says(Wait("user"))

    def test_messages_queued_before_a_cancel_are_dropped(self) -> None:
        spoken(user("and that"), cancelled(), failed("cancelled")).says(Wait("user"))

    def test_a_cancel_clears_failure_and_stop(self) -> None:
        spoken(failed("unavailable"), cancelled()).says(Wait("user"))
        given(started(), user("hi"), stopped("callsPerTurn"), cancelled()).says(Wait("user"))

    def test_an_interruption_by_the_user_waits_for_the_open_claim_and_then_answers(self) -> None:
        stopped_short = spoken(cancelled(), user("rather this"))
        stopped_short.says(Wait("effect"))
        stopped_short.and_(failed("cancelled")).says(CallModel())

    def test_effects_under_way_are_to_be_cancelled(self) -> None:
        for stop in (cancelled(), ending(), ended()):
            assert spoken(stop).state.to_cancel
            assert spoken(replied("pay"), runs("pay"), stop).state.to_cancel
        assert not spoken().state.to_cancel
        assert not given(started(), user("hi"), cancelled()).state.to_cancel

    def test_nothing_is_cancelled_once_the_effects_have_ended(self) -> None:
        round_ = spoken(replied("pay", "look"), runs("pay"), runs("look"), cancelled())
        assert round_.and_(done("pay")).state.to_cancel
        assert not round_.and_(done("pay"), done("look")).state.to_cancel

    def test_a_message_withdraws_a_request_to_end(self) -> None:
        given(started(), ending(), user("wait")).says(CallModel())

    def test_a_withdrawn_request_lets_a_cancelled_call_be_made_again(self) -> None:
        spoken(ending(), user("wait"), failed("cancelled")).says(CallModel())

    def test_a_message_reopens_a_completed_session(self) -> None:
        given(started(), ended(), user("one more thing")).says(CallModel())

    def test_a_cancel_does_not_withdraw_a_request_to_end(self) -> None:
        spoken(ending(), cancelled(), failed("cancelled")).says(Complete())

    def test_completion_drops_what_was_owed(self) -> None:
        given(started(), user("hi"), ended()).says(Done())
        assert given(started(), user("hi"), ended()).state.owed is None

    def test_a_request_to_end_an_ended_session_changes_nothing(self) -> None:
        session = given(started(), ended())
        assert session.and_(ending()).state == session.state

    def test_denying_the_last_call_of_a_round_finishes_it(self) -> None:
        spoken(replied("rm", "pay"), asked("rm"), runs("pay"), done("pay"), denied("rm")).says(
            CallModel()
        )
