"""When a conversation is summarised for its length, and what follows where that fails."""

from messagedb_agent.agent.following import step_instead
from messagedb_agent.agent.steps import CallModel, Compact, Wait
from messagedb_agent.events.recorded import Recorded
from messagedb_agent.events.schema import AgentRedefined, SessionStarted
from messagedb_agent.events.strategy import ALL, ContextStrategy, summarize
from tests.given import (
    Given,
    Told,
    cancelled,
    claim,
    compacted,
    continued,
    definition,
    failed,
    given,
    replied,
    tool,
    user,
)

_AT = 100
_SUMMARIZE = summarize(_AT)


def spoken(*told: Told, context: ContextStrategy = _SUMMARIZE) -> Given:
    agent = definition(tool("look", effect="retry"), context=context)
    return given(
        SessionStarted(thread_id="thread", definition=agent), user("hello"), claim(), *told
    )


def long(tokens: int = _AT + 1) -> Given:
    return spoken(replied(text="hi", tokens=tokens), user("more"))


def test_a_call_of_more_tokens_than_allowed_makes_a_summary_due_before_the_next() -> None:
    long(_AT).says(CallModel())
    long().says(Compact())
    long().and_(claim("summary"), compacted(3)).says(CallModel())


def test_nothing_is_due_where_nothing_is_asked() -> None:
    spoken(replied(text="hi", tokens=_AT + 1)).says(Wait("user"))


def test_without_the_strategy_and_without_a_count_nothing_is_due() -> None:
    spoken(replied(text="hi", tokens=10**9), user("more"), context=ALL).says(CallModel())
    spoken(replied(text="hi"), user("more")).says(CallModel())


def test_a_summary_that_fails_is_left_and_the_model_asked_all_the_same() -> None:
    for kind in ("unavailable", "context_overflow", "empty", "too_large"):
        long().and_(claim("summary"), failed(kind)).says(CallModel())


def test_a_summary_that_was_interrupted_is_made_again_and_the_third_time_a_person_looks() -> None:
    once = long().and_(claim("summary"), failed("interrupted"))
    once.says(Compact())
    thrice = once.and_(*(claim("summary"), failed("interrupted")) * 2)
    thrice.says(Wait("retry"))
    thrice.and_(continued()).says(Compact())


def test_a_cancelled_summary_is_due_again_with_the_next_message() -> None:
    stopped = long().and_(claim("summary"), cancelled(), failed("cancelled"))
    stopped.says(Wait("user"))
    stopped.and_(user("again")).says(Compact())


def test_a_summary_that_makes_nothing_shorter_is_not_made_with_every_call() -> None:
    after = long().and_(claim("summary"), compacted(3), claim())
    still = after.and_(replied(text="a", tokens=150), user("b"))
    still.says(CallModel())
    still.and_(claim(), replied(text="c", tokens=174), user("d")).says(CallModel())
    still.and_(claim(), replied(text="c", tokens=175), user("d")).says(Compact())


def test_an_overflow_of_a_summarising_agent_is_summarised_as_any_other() -> None:
    overflown = spoken(failed("context_overflow"))
    overflown.says(Compact())
    overflown.and_(claim("summary"), failed("unavailable")).says(Wait("retry"))


def test_the_strategy_in_force_says_what_is_due() -> None:
    changed = AgentRedefined(definition=definition(context=ALL))
    long().and_(changed).says(CallModel())
    long().and_(changed, AgentRedefined(definition=definition(context=summarize(1)))).says(
        CallModel()
    )
    long().forked().says(CallModel())  # of an agent that shows all


def test_a_log_is_not_held_to_making_a_summary_for_its_length() -> None:
    state = long().state
    assert step_instead(state, Recorded("x", "agent:v0-thread", 9, claim())) is None
    assert step_instead(state, Recorded("x", "agent:v0-thread", 9, claim("summary"))) is None
    overflown = spoken(failed("context_overflow")).state
    assert step_instead(overflown, Recorded("x", "agent:v0-thread", 9, claim())) == Compact()
