"""What a summary is made of."""

import json

import pytest

from messagedb_agent.changing import changed
from messagedb_agent.events.request import (
    AskedCall,
    AssistantReply,
    RequestMessage,
    ToolAnswer,
    UserText,
)
from messagedb_agent.events.values import MessageRange
from messagedb_agent.projections.halving import MOST_CHARACTERS, older_half, shortened
from messagedb_agent.projections.requests import next_summary, summary_without
from tests.given import claim, compacted, done, replied, runs, spoken, user
from tests.unit.projections.test_window import round_of, talk, turn


def half(*messages: RequestMessage) -> int | None:
    return older_half(messages, (), range(1, len(messages) + 1))


def test_about_the_older_half_is_summarised_up_to_the_end_of_a_turn() -> None:
    assert half(*talk(4)) == 6  # of nine messages, three turns
    assert half(*talk(1)) == 2


def test_a_turn_is_cut_between_its_rounds() -> None:
    assert half(UserText("go"), *(m for i in range(4) for m in round_of(i))) == 5


def test_there_is_nothing_to_summarise_where_no_model_has_spoken() -> None:
    assert half(UserText("Summary of the conversation so far:"), UserText("and now?")) is None
    assert half() is None


def test_what_the_user_said_last_stays_however_long_it_is() -> None:
    assert half(*turn(1), *turn(2), UserText("x" * 9_000)) == 4
    assert half(*turn(1), UserText("a"), UserText("x" * 9_000)) == 2


def test_a_long_result_is_summarised_though_the_model_has_not_seen_it() -> None:
    reply = AssistantReply("", (AskedCall("c1", "look", "{}"),))
    messages = (*turn(1), UserText("go"), reply, ToolAnswer("c1", "look", "x" * 9_000))
    assert half(*messages) == 5


def test_messages_of_one_event_stay_together() -> None:
    # What is said during a round comes into the conversation with its last result.
    messages = [*turn(1), UserText("go"), *round_of(1), UserText("held")]
    assert older_half(messages, (), (1, 2, 3, 6)) == 6


def test_nothing_is_cut_inside_of_what_was_left_out() -> None:
    out = (MessageRange(first=1, last=6),)
    assert older_half(talk(8), out, range(1, 18)) == 12


def test_a_long_text_is_shortened_to_its_beginning_and_its_end() -> None:
    text = "a" * MOST_CHARACTERS + "b" * MOST_CHARACTERS
    for message in (UserText(text), ToolAnswer("c", "look", text), AssistantReply(text)):
        short = shortened(message).text
        assert short.startswith("aaa")
        assert short.endswith("bbb")
        assert "[16000 characters left out]" in short
    asked = AssistantReply("", (AskedCall("c", "look", json.dumps({"t": text})),), "{}")
    told = shortened(asked)
    assert isinstance(told, AssistantReply)
    assert len(told.calls[0].arguments) < MOST_CHARACTERS + 200
    assert isinstance(json.loads(told.calls[0].arguments), dict)
    fits = UserText("a" * MOST_CHARACTERS)
    assert shortened(fits) is fits


def test_what_a_half_was_asked_with_is_what_it_replaces() -> None:
    thread = spoken(
        replied(text="one" * 20),
        user("two"),
        claim(),
        replied(text="two"),
        user("three"),
        claim(),
        replied("pay"),
        runs("pay"),
        done("pay"),
    )
    folded = next_summary(thread.shown)
    assert folded.through is not None
    asked = len(folded.request.messages) - 1
    assert 2 <= asked < len(thread.messages)
    after = thread.and_(claim("summary"), compacted(folded.through))
    assert after.messages[1:] == thread.messages[asked:]
    again = thread.shown, folded.left_out
    assert summary_without(*again).digest == folded.digest


@pytest.mark.parametrize(
    "out",
    [
        ((0, 2),),  # all that the user said so far
        ((0, 0),),
        ((1, 1),),  # a call without its result
        ((2, 2),),  # a result without its call
        ((0, 99),),
    ],
)
def test_a_summary_heeds_no_ranges_that_a_model_cannot_be_shown_the_rest_of(
    out: tuple[tuple[int, int], ...],
) -> None:
    thread = spoken(replied("pay"), runs("pay"), done("pay"), claim(), replied(text="one"))
    thread = thread.and_(user("two"))
    ranges = tuple(MessageRange(first=first, last=last) for first, last in out)
    foreign = changed(thread.shown, left_out=ranges)
    assert next_summary(foreign) == next_summary(thread.shown)


def test_a_summary_leaves_out_what_a_strategy_has_left_out() -> None:
    thread = spoken(replied(text="one"), user("and?"), claim(), replied(text="two"), user("and?"))
    thread = thread.and_(claim(), replied(text="three"), user("and?"))
    left = (MessageRange(first=1, last=1), MessageRange(first=2, last=3))
    folded = next_summary(changed(thread.shown, left_out=left))
    assert folded.left_out[: len(left)] == left
