"""What the next owner of a thread does with claims that were left open."""

import pytest

from messagedb_agent.agent.bounds import MAX_TOOL_ATTEMPTS
from messagedb_agent.agent.decider import (
    AskTool,
    CloseModelCall,
    CloseToolCall,
    RunAgain,
    abandoned,
    not_done,
)
from messagedb_agent.events.schema import AgentRedefined, Event, SessionDeleted
from messagedb_agent.events.words import EffectPolicy
from tests.given import (
    Given,
    cancelled,
    claim,
    definition,
    done,
    ended,
    ending,
    given,
    replied,
    runs,
    spoken,
    started,
    tool,
    user,
)

STOPS = [cancelled(), ending(), ended(), SessionDeleted()]


def running(effect: EffectPolicy, attempt: int = 1) -> Given:
    thread = given(started(tool("t", effect=effect)), user("hi"), claim(), replied("t"))
    for number in range(1, attempt + 1):
        thread = thread.and_(runs("t", number))
    return thread


def test_nothing_is_closed_where_nothing_is_open() -> None:
    assert abandoned(given(started(), user("hi")).state) == ()
    assert abandoned(spoken(replied("rm")).state) == ()


def test_a_model_call_is_closed_as_interrupted() -> None:
    thread = spoken()
    assert abandoned(thread.state) == (CloseModelCall(thread.history.claim(), "interrupted"),)


@pytest.mark.parametrize("stop", STOPS)
def test_a_model_call_of_a_stopped_turn_is_closed_as_cancelled(stop: Event) -> None:
    thread = spoken(stop)
    assert abandoned(thread.state) == (CloseModelCall(thread.history.claim(), "cancelled"),)


@pytest.mark.parametrize("effect", ["retry", "keyed"])
def test_a_harmless_or_keyed_tool_runs_again(effect: EffectPolicy) -> None:
    thread = running(effect)
    assert abandoned(thread.state) == (RunAgain(thread.history.call("t")),)


@pytest.mark.parametrize("effect", ["retry", "keyed"])
def test_a_tool_that_was_tried_too_often_has_an_unknown_outcome(effect: EffectPolicy) -> None:
    id = running(effect).history.call("t")
    nearly = running(effect, MAX_TOOL_ATTEMPTS - 1)
    assert abandoned(nearly.state) == (RunAgain(id),)
    often = running(effect, MAX_TOOL_ATTEMPTS)
    assert abandoned(often.state) == (CloseToolCall(id, "outcome_unknown"),)


def test_a_tool_that_can_tell_is_asked() -> None:
    thread = running("check")
    assert abandoned(thread.state) == (AskTool(thread.history.call("t")),)


def test_a_tool_that_declares_nothing_has_an_unknown_outcome() -> None:
    thread = running("never")
    assert abandoned(thread.state) == (CloseToolCall(thread.history.call("t"), "outcome_unknown"),)


@pytest.mark.parametrize("stop", STOPS)
def test_nothing_runs_again_in_a_stopped_turn(stop: Event) -> None:
    id = running("retry").history.call("t")
    assert abandoned(running("retry").and_(stop).state) == (CloseToolCall(id, "cancelled"),)
    for unsure in (running("keyed"), running("never")):
        assert abandoned(unsure.and_(stop).state) == (CloseToolCall(id, "outcome_unknown"),)
    assert abandoned(running("check").and_(stop).state) == (AskTool(id),)


def test_a_tool_that_is_no_longer_declared_has_an_unknown_outcome() -> None:
    thread = running("retry").and_(AgentRedefined(definition=definition()))
    assert abandoned(thread.state) == (CloseToolCall(thread.history.call("t"), "outcome_unknown"),)


def test_only_calls_that_run_are_closed_each_by_its_own_policy() -> None:
    thread = spoken(replied("look", "pay", "rm"), runs("look"), runs("pay"))
    call = thread.history.call
    assert abandoned(thread.state) == (
        RunAgain(call("look")),
        CloseToolCall(call("pay"), "outcome_unknown"),
    )
    assert abandoned(thread.and_(done("pay")).state) == (RunAgain(call("look")),)


@pytest.mark.parametrize("effect", ["check", "retry"])
def test_a_call_that_took_no_effect_is_claimed_again(effect: EffectPolicy) -> None:
    id = running(effect).history.call("t")
    assert not_done(running(effect).state, id, 1) == RunAgain(id)
    assert not_done(running(effect, 2).state, id, 2) == RunAgain(id)
    often = running(effect, MAX_TOOL_ATTEMPTS).state
    assert not_done(often, id, MAX_TOOL_ATTEMPTS) == CloseToolCall(id, "raised")


@pytest.mark.parametrize("stop", STOPS)
def test_a_call_of_a_stopped_turn_that_took_no_effect_is_cancelled(stop: Event) -> None:
    id = running("check").history.call("t")
    assert not_done(running("check").and_(stop).state, id, 1) == CloseToolCall(id, "cancelled")


def test_what_is_said_of_another_attempt_or_of_a_closed_call_comes_too_late() -> None:
    id = running("check").history.call("t")
    assert not_done(running("check", 2).state, id, 1) is None
    assert not_done(running("check").and_(done("t")).state, id, 1) is None
    assert not_done(spoken().state, id, 1) is None
