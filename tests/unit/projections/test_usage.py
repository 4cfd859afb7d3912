"""What a thread has used."""

from collections.abc import Callable
from decimal import Decimal

from messagedb_agent.events.schema import Event
from messagedb_agent.events.values import Attempt
from messagedb_agent.events.values import Usage as Tokens
from messagedb_agent.projections.projection import fold
from messagedb_agent.projections.usage import ModelUse, ThreadUsage, ToolUse, usage
from tests.given import (
    Given,
    History,
    approved,
    asked,
    broke,
    cancelled,
    claim,
    compacted,
    denied,
    done,
    failed,
    given,
    replied,
    resolved,
    runs,
    spoken,
    started,
    user,
)

Told = Callable[[History], Event]


def used(history: Given) -> ThreadUsage:
    return fold(usage, history.records)


def with_attempts(told: Told, *attempts: Attempt) -> Told:
    return lambda history: told(history).model_copy(update={"attempts": attempts})


def test_a_thread_that_did_nothing_used_nothing() -> None:
    assert used(given(started(), user("hello"))).models == ModelUse()
    assert used(given(started(), user("hello"))).by_model == {}


def test_an_answer_is_counted_under_the_model_that_was_asked() -> None:
    one = used(spoken(replied(text="hi", tokens=10, cost_usd="0.25", elapsed_ms=40)))
    expected = ModelUse(
        calls=1,
        attempts=1,
        tokens=Tokens(input_tokens=10),
        cost_usd=Decimal("0.25"),
        elapsed_ms=40,
    )
    assert one.models == expected
    assert one.by_model == {"scripted": expected}
    assert one.asked == {}


def test_models_are_counted_apart_and_together() -> None:
    other = claim().model_copy(update={"model": "other"})
    history = spoken(replied(text="hi", cost_usd="0.1"), user("more"), other)
    both = used(history.and_(replied(text="ho", cost_usd="0.2")))
    assert {name: use.cost_usd for name, use in both.by_model.items()} == {
        "scripted": Decimal("0.1"),
        "other": Decimal("0.2"),
    }
    assert both.models.cost_usd == Decimal("0.3")
    assert both.models.calls == 2


def test_an_open_call_is_counted_before_its_outcome() -> None:
    assert used(spoken()).models == ModelUse(calls=1)


def test_an_answer_without_a_cost_is_unpriced_and_one_that_cost_nothing_is_not() -> None:
    assert used(spoken(replied(text="hi"))).models.unpriced == 1
    assert used(spoken(replied(text="hi", cost_usd="0"))).models.unpriced == 0


def test_failed_tries_count_with_their_tokens_and_the_waits_before_them() -> None:
    tried = Attempt(
        model="scripted", kind="timed_out", elapsed_ms=100, usage=Tokens(input_tokens=3)
    )
    again = Attempt(
        model="scripted-1",
        kind="answered",
        elapsed_ms=20,
        waited_ms=5,
        usage=Tokens(input_tokens=10),
    )
    reply = with_attempts(replied(text="hi", tokens=10, cost_usd="0.1"), tried, again)
    assert used(spoken(reply)).models == ModelUse(
        calls=1,
        attempts=2,
        tokens=Tokens(input_tokens=13),
        cost_usd=Decimal("0.1"),
        elapsed_ms=125,
    )


def test_a_failed_call_is_counted_and_unpriced_where_it_used_tokens() -> None:
    assert used(spoken(failed("refused"))).models == ModelUse(calls=1, failed=1)
    tried = Attempt(model="scripted", kind="cut_off", elapsed_ms=9, usage=Tokens(output_tokens=4))
    cut = used(spoken(with_attempts(failed("cut_off"), tried))).models
    assert (cut.failed, cut.unpriced, cut.tokens.output_tokens) == (1, 1, 4)


def test_what_an_answered_try_says_it_used_is_not_added_in_a_failure_either() -> None:
    """The decider counts it so, too: limits and usage never differ."""
    answered = Attempt(
        model="scripted", kind="answered", elapsed_ms=9, usage=Tokens(output_tokens=4)
    )
    history = spoken(with_attempts(failed("refused"), answered))
    assert used(history).models == ModelUse(calls=1, failed=1, attempts=1, elapsed_ms=9)
    assert history.state.total.tokens == 0


def test_summaries_and_calls_on_the_side_count_too() -> None:
    history = spoken(failed("context_overflow"), claim("summary"), compacted(1), claim())
    history = history.and_(replied(text="hi"), claim("title"), replied("look", text="A title"))
    total = used(history)
    assert total.models.calls == 4
    assert total.models.failed == 1
    assert total.models.unpriced == 3
    assert total.tools == ToolUse()  # a title runs no tools
    assert total.asked == {}


def test_tool_calls_are_counted_by_outcome_and_by_tool() -> None:
    history = spoken(
        replied("look", "pay", "rm"), asked("rm"), runs("look"), runs("pay"), done("look", "", 30)
    )
    open_calls = used(history)
    assert open_calls.tools == ToolUse(calls=3, attempts=2, completed=1, elapsed_ms=30)
    history = history.and_(runs("pay", 2), broke("pay", "outcome_unknown"), denied("rm"))
    total = used(history.and_(resolved("pay")))
    assert total.by_tool == {
        "look": ToolUse(calls=1, attempts=1, completed=1, elapsed_ms=30),
        "pay": ToolUse(calls=1, attempts=2, unknown=1),
        "rm": ToolUse(calls=1, denied=1),
    }
    assert total.tools.calls == 3


def test_a_failed_tool_call_is_counted() -> None:
    total = used(spoken(replied("look"), runs("look"), broke("look", "timed_out")))
    assert total.tools == ToolUse(calls=1, attempts=1, failed=1)


def test_a_timeout_may_have_taken_effect_unless_the_tool_may_run_again() -> None:
    history = spoken(replied("look", "pay"), runs("look"), runs("pay"))
    total = used(history.and_(broke("look", "timed_out"), broke("pay", "timed_out")))
    assert total.by_tool == {
        "look": ToolUse(calls=1, attempts=1, failed=1),
        "pay": ToolUse(calls=1, attempts=1, unknown=1),
    }


def test_calls_that_a_cancel_drops_are_not_run() -> None:
    dropped = spoken(replied("look", "rm"), asked("rm"), approved("rm"), runs("look"), cancelled())
    assert used(dropped).by_tool["rm"] == ToolUse(calls=1, not_run=1)
    assert used(dropped).by_tool["look"] == ToolUse(calls=1, attempts=1)
    assert used(spoken(cancelled(), replied("look"))).tools == ToolUse(calls=1, not_run=1)


def test_a_fork_counts_its_prefix_and_leaves_open_calls_behind() -> None:
    fork = used(spoken(replied("look", cost_usd="0.5"), runs("look")).forked())
    assert fork.models.cost_usd == Decimal("0.5")
    assert fork.tools == ToolUse(calls=1, attempts=1, not_run=1)
    assert used(spoken().forked()).asked == {}


def test_what_does_not_count_uses_nothing() -> None:
    history = spoken(replied("look", cost_usd="0.5"), runs("look"), done("look"))
    twice = history.and_(done("look"), runs("look"), replied(text="again", cost_usd="9"))
    assert used(twice) == used(history)
