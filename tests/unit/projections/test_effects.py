"""What a thread did to the world, call by call."""

from messagedb_agent.events.schema import ToolOutcomeResolved
from messagedb_agent.projections.effects import Effects, Resolution, ToolEffect, effects
from messagedb_agent.projections.projection import fold
from tests.given import (
    Given,
    approved,
    asked,
    broke,
    call,
    cancelled,
    claim,
    denied,
    done,
    given,
    replied,
    resolved,
    runs,
    spoken,
    started,
    tool,
    user,
)


def shown(history: Given) -> Effects:
    return fold(effects, history.records)


def only(history: Given) -> ToolEffect:
    (effect,) = shown(history)
    return effect


def test_a_thread_without_calls_has_no_effects() -> None:
    assert list(shown(spoken(replied(text="hi")))) == []


def test_a_call_is_shown_from_the_reply_on() -> None:
    thread = spoken(replied(call("look", '{"where": "here"}')))
    effect = only(thread)
    assert effect == ToolEffect(
        call_id=thread.history.call("look"),
        tool="look",
        arguments='{"where": "here"}',
        policy="retry",
        position=3,
    )
    running = only(thread.and_(runs("look")))
    assert (running.outcome, running.attempts, running.key) == ("running", 1, "key of look")
    assert only(thread.and_(runs("look"), runs("look", 2))).attempts == 2
    ended = only(thread.and_(runs("look"), done("look", "it is")))
    assert (ended.outcome, ended.text) == ("completed", "it is")


def test_the_policy_is_that_of_the_newest_start() -> None:
    assert only(spoken(replied("pay"), runs("pay"))).policy == "never"
    keyed = given(started(tool("pay", effect="keyed")), user("hi"), claim(), replied("pay"))
    assert only(keyed.and_(runs("pay"))).policy == "keyed"


def test_what_a_person_allowed_denied_or_changed_is_shown() -> None:
    thread = spoken(replied("rm"))
    assert only(thread.and_(asked("rm"))).outcome == "asked"
    changed = only(thread.and_(asked("rm"), approved("rm", '{"what": "less"}')))
    assert (changed.outcome, changed.arguments) == ("allowed", '{"what": "less"}')
    refused = only(thread.and_(asked("rm"), denied("rm", "not here")))
    assert (refused.outcome, refused.text, refused.attempts) == ("denied", "not here", 0)


def test_a_call_that_failed_is_told_from_one_of_unknown_outcome() -> None:
    thread = spoken(replied("pay"), runs("pay"))
    failed = only(thread.and_(broke("pay")))
    assert (failed.outcome, failed.text) == ("failed", "raised: no luck")
    for kind in ("outcome_unknown", "timed_out"):
        unknown = thread.and_(broke("pay", kind))
        assert only(unknown).outcome == "unknown"
        assert shown(unknown).unresolved == tuple(shown(unknown))


def test_what_was_said_later_stands_beside_the_unknown_outcome() -> None:
    thread = spoken(replied("pay"), runs("pay"), broke("pay", "outcome_unknown"), resolved("pay"))
    effect = only(thread)
    assert effect.outcome == "unknown"
    assert effect.resolution == Resolution("completed", "it went through")
    assert shown(thread).unresolved == ()


def test_who_said_it_is_shown() -> None:
    thread = spoken(replied("pay"), runs("pay"), broke("pay", "outcome_unknown"))
    id = thread.history.call("pay")
    said = ToolOutcomeResolved(call_id=id, status="failed", text="no", by="ada")
    assert only(thread.and_(said)).resolution == Resolution("failed", "no", "ada")


def test_calls_that_never_ran_are_shown_so() -> None:
    thread = spoken(replied("look", "pay"), runs("look"), cancelled(), done("look"))
    assert [effect.outcome for effect in shown(thread)] == ["completed", "not_run"]


def test_a_fork_leaves_behind_what_ran_or_is_given_its_result() -> None:
    thread = spoken(replied("look", "pay"), runs("look"), runs("pay"))
    fork = thread.forked(results=f'{{"{thread.history.call("look")}": "as if"}}')
    assert [(e.outcome, e.text) for e in shown(fork)] == [("completed", "as if"), ("not_run", "")]


def test_calls_of_all_rounds_are_shown_in_order() -> None:
    thread = spoken(
        replied("look", "pay"), runs("look"), runs("pay"), done("pay"), done("look"), claim(),
        replied("look"),
    )  # fmt: skip
    assert [(e.tool, e.outcome) for e in shown(thread)] == [
        ("look", "completed"), ("pay", "completed"), ("look", "requested"),
    ]  # fmt: skip
