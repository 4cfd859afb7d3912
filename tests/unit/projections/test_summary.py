"""One line of a list of threads."""

from dataclasses import replace

import pytest

from messagedb_agent.events.recorded import Recorded, UnknownEvent
from messagedb_agent.events.schema import SessionArchived, SessionDeleted, SessionTitled
from messagedb_agent.projections.projection import fold
from messagedb_agent.projections.summary import Summary, summary
from tests.given import (
    Given,
    asked,
    call,
    cancelled,
    claim,
    done,
    ended,
    ending,
    failed,
    given,
    replied,
    runs,
    spoken,
    started,
    stopped,
    user,
)


def line(history: Given) -> Summary:
    return fold(summary, at_times(history))


def at_times(history: Given) -> list[Recorded]:
    """Let the n-th event happen n seconds after the first."""
    return [replace(r, time_ms=n * 1000) for n, r in enumerate(history.records)]


REFUSED = call("look", problem="unknown_tool")


@pytest.mark.parametrize(
    ("history", "status"),
    [
        (given(), "foreign"),
        (given(user("hello")), "foreign"),
        (given(started()), "waiting"),
        (spoken(replied(text="hi")), "waiting"),
        (given(started(), user("hello")), "ready"),
        (spoken(replied("look")), "ready"),
        (spoken(replied(REFUSED)), "ready"),
        (spoken(replied("rm")), "ready"),
        (spoken(replied("rm"), asked("rm")), "approval"),
        (spoken(), "running"),
        (spoken(replied("look"), runs("look")), "running"),
        (spoken(cancelled()), "running"),
        (spoken(replied("look"), runs("look"), done("look")), "ready"),
        (spoken(failed("refused")), "failed"),
        (spoken(failed("interrupted")), "ready"),
        (spoken(failed("context_overflow")), "ready"),
        (spoken(replied("look"), runs("look"), done("look"), calls_per_turn=1), "ready"),
        (
            spoken(
                replied("look"),
                runs("look"),
                done("look"),
                stopped("callsPerTurn"),
                calls_per_turn=1,
            ),
            "limit",
        ),
        (spoken(replied(text="hi"), ending()), "ready"),
        (spoken(replied(text="hi"), ending(), ended()), "ended"),
        (spoken(replied(text="hi"), ended(), user("more")), "ready"),
        (spoken(replied(text="hi"), SessionDeleted()), "deleted"),
        (spoken(UnknownEvent("Newer", "unknown type", critical=True)), "upgrade"),
        (spoken(replied(text="hi"), UnknownEvent("Paid", "unknown type")), "waiting"),
    ],
)
def test_a_thread_has_the_status_that_its_next_step_says(history: Given, status: str) -> None:
    assert line(history).status == status


def test_a_thread_is_named_by_its_stream_even_if_all_in_it_is_foreign() -> None:
    assert line(spoken()).thread_id == "thread"
    assert line(spoken().forked()).thread_id == "fork"
    assert line(given(UnknownEvent("Paid", "unknown type"))).thread_id == "thread"


def test_the_title_is_the_first_line_of_the_first_message() -> None:
    history = given(started(), user("\n  What   is it?\nTell me."), user("And this?"))
    assert line(history).title == "What is it?"


def test_a_long_first_line_is_cut_to_sixty_characters() -> None:
    assert line(given(started(), user("x" * 60))).title == "x" * 60
    assert line(given(started(), user("x" * 61))).title == "x" * 59 + "…"


def test_a_given_title_stands_before_the_first_message() -> None:
    history = given(started(), user("hello"), SessionTitled(title="Rivers"))
    assert line(history).title == "Rivers"
    assert line(history.and_(SessionTitled(title="Lakes\nand more"))).title == "Lakes"
    assert line(history.and_(SessionTitled(title=" "))).title == "hello"


def test_user_messages_and_answers_with_text_are_counted() -> None:
    history = spoken(replied("look", text="let me see"), runs("look"), done("look"), claim())
    assert line(history).messages == 2
    assert line(history.and_(replied(text="it is 42"))).messages == 3
    assert line(history.and_(replied(text=" "))).messages == 2


def test_calls_on_the_side_are_no_messages() -> None:
    talk = spoken(replied(text="hi"))
    assert line(talk.and_(claim("title"), replied(text="A title"))).messages == 2


def test_a_thread_was_updated_by_its_newest_event_that_counts() -> None:
    talk = spoken(replied(text="hi"))
    assert (line(talk).started_at_ms, line(talk).updated_at_ms) == (0, 3000)
    assert line(talk.and_(SessionArchived())).updated_at_ms == 4000
    foreign = talk.and_(UnknownEvent("Paid", "unknown type"), started(), failed("refused"))
    assert line(foreign).updated_at_ms == 3000


def test_a_fork_started_at_its_own_first_event() -> None:
    assert line(spoken(replied(text="hi")).forked()).started_at_ms == 4000
    assert line(given()).started_at_ms is None
