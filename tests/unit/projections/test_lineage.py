"""The states of a thread, and where each came from."""

from dataclasses import replace

import pytest

from messagedb_agent.events.recorded import UnknownEvent
from messagedb_agent.events.schema import (
    AgentRedefined,
    SessionArchived,
    SessionDeleted,
    SessionStarted,
    SessionTagged,
    SessionTitled,
    SessionUnarchived,
)
from messagedb_agent.events.values import Limits
from messagedb_agent.projections.lineage import AgentState, Lineage, lineage
from messagedb_agent.projections.projection import fold
from tests.given import (
    FORK,
    STREAM,
    Given,
    Told,
    approved,
    asked,
    broke,
    cancelled,
    claim,
    continued,
    definition,
    done,
    ended,
    ending,
    failed,
    given,
    id_at,
    replied,
    resolved,
    runs,
    spoken,
    started,
    stopped,
    user,
)


def folded(history: Given) -> Lineage:
    return fold(lineage, history.records)


def states(history: Given) -> list[tuple[str, int, int | None]]:
    """Return each state's kind, its position, and its parent's."""
    positions = {record.id: record.position for record in history.records}
    return [
        (s.kind, s.position, positions[s.parent_id] if s.parent_id else None)
        for s in folded(history).states
    ]


def current(history: Given) -> AgentState:
    state = folded(history).current
    assert state is not None
    return state


TALK = spoken(replied(text="hi"))
START = ("start", 0, None)


def test_a_thread_has_its_start_and_the_end_of_each_turn() -> None:
    history = TALK.and_(user("more"), claim(), replied(text="ho"))
    assert list(folded(history).states) == [
        AgentState(id_at(0), None, STREAM, 0, 0, "start"),
        AgentState(id_at(3), id_at(0), STREAM, 3, 1, "answered", opened_by=id_at(1)),
        AgentState(id_at(6), id_at(3), STREAM, 6, 2, "answered", opened_by=id_at(4)),
    ]
    assert folded(history).current == folded(history).states[-1]


def test_any_event_of_a_turn_is_a_state_with_the_turns_parent() -> None:
    turn: tuple[Told, ...] = (user("more"), claim(), replied("look"), runs("look"), done("look"))
    for length in range(1, len(turn) + 1):
        history = TALK.and_(*turn[:length])
        last = 3 + length
        expected = AgentState(id_at(last), id_at(3), STREAM, last, 2, "open", opened_by=id_at(4))
        assert current(history) == expected
        assert len(folded(history).states) == 2


def test_an_approval_is_in_the_middle_of_a_turn() -> None:
    history = spoken(replied("rm"), asked("rm"))
    assert states(history) == [START]
    history = history.and_(approved("rm"), runs("rm"), done("rm"), claim(), replied(text="gone"))
    assert states(history) == [START, ("answered", 9, 0)]


def test_a_message_during_a_turn_belongs_to_it() -> None:
    history = spoken(user("and?"), replied(text="hi"), claim(), replied(text="ho"))
    assert states(history) == [START, ("answered", 6, 0)]


def test_a_failed_turn_ends_in_a_state_and_a_retry_is_the_next_turn() -> None:
    history = spoken(failed("refused"))
    assert states(history) == [START, ("failed", 3, 0)]
    history = history.and_(continued(), claim(), replied(text="hi"))
    assert states(history) == [START, ("failed", 3, 0), ("answered", 6, 3)]


def test_an_interrupted_call_does_not_end_the_turn() -> None:
    history = spoken(failed("interrupted"), claim(), replied(text="hi"))
    assert states(history) == [START, ("answered", 5, 0)]


def test_a_limit_ends_a_turn_in_a_state() -> None:
    history = given(started(limits=Limits(tokens_per_thread=1)), user("hello"), claim())
    history = history.and_(replied(tokens=5), user("more"), stopped("tokensPerThread"))
    assert states(history) == [START, ("answered", 3, 0), ("limit", 5, 3)]


def test_a_cancelled_turn_ends_when_its_effects_have() -> None:
    history = spoken(cancelled())
    assert states(history) == [START]
    assert states(history.and_(failed("cancelled"))) == [START, ("cancelled", 4, 0)]
    assert states(history.and_(replied(text="late"))) == [START, ("cancelled", 4, 0)]
    waiting = spoken(replied("rm"), asked("rm"), cancelled())
    assert states(waiting) == [START, ("cancelled", 5, 0)]


def test_the_end_and_the_deletion_of_a_session_are_states() -> None:
    history = TALK.and_(ending(), ended())
    assert states(history)[2:] == [("ended", 5, 3)]
    assert states(TALK.and_(ended()))[2:] == [("ended", 4, 3)]
    assert states(TALK.and_(SessionDeleted()))[2:] == [("deleted", 4, 3)]
    assert states(history.and_(SessionDeleted()))[3:] == [("deleted", 6, 5)]
    again = history.and_(user("more"), claim(), replied(text="ho"))
    assert states(again)[2:] == [("ended", 5, 3), ("answered", 8, 5)]


@pytest.mark.parametrize(
    "told",
    [
        (SessionTitled(title="Rivers"),),
        (SessionTagged(added=("a",)),),
        (SessionArchived(),),
        (SessionUnarchived(),),
        (UnknownEvent("Paid", "unknown type"),),
        (started(),),
        (claim("title"), replied(text="A title"), SessionTitled(title="A title")),
        (claim("judge"), failed("refused")),
    ],
)
def test_what_does_not_move_a_thread_on_makes_no_state(told: tuple[Told, ...]) -> None:
    history = TALK.and_(*told)
    assert folded(history).states == folded(TALK).states
    assert folded(history).current == folded(TALK).current
    after = history.and_(user("more"), claim(), replied(text="ho"))
    assert states(after)[-1][2] == 3
    assert current(after).turn == 2


@pytest.mark.parametrize(
    "told",
    [AgentRedefined(definition=definition()), continued(Limits(calls_per_turn=9)), cancelled()],
)
def test_what_moves_a_resting_thread_on_and_leaves_it_at_rest_opens_the_next_turn(
    told: Told,
) -> None:
    history = TALK.and_(told)
    assert states(history) == states(TALK)
    expected = AgentState(id_at(4), id_at(3), STREAM, 4, 2, "open", opened_by=id_at(4))
    assert current(history) == expected
    after = history.and_(user("more"), claim(), replied(text="ho"))
    assert folded(after).states[-1] == AgentState(
        id_at(7), id_at(3), STREAM, 7, 2, "answered", opened_by=id_at(4)
    )


def test_a_note_moves_a_resting_thread_on() -> None:
    history = spoken(replied("pay"), runs("pay"), broke("pay", "outcome_unknown"), claim())
    history = history.and_(replied(text="who knows"))
    assert current(history.and_(resolved("pay"))).kind == "open"


def test_a_forks_start_has_the_event_it_branched_off_at_as_its_parent() -> None:
    fork = TALK.forked()
    assert folded(fork).states[-1] == AgentState(id_at(0, FORK), id_at(3), FORK, 0, 1, "start")
    after = fork.and_(user("else"), claim(), replied(text="ho"))
    expected = AgentState(
        id_at(3, FORK), id_at(0, FORK), FORK, 3, 2, "answered", opened_by=id_at(1, FORK)
    )
    assert folded(after).states[-1] == expected
    assert [state.stream for state in folded(after).states] == [STREAM, STREAM, FORK, FORK]


def forked_for_turn(history: Given) -> Given:
    start = history.forked().records[-1]
    assert isinstance(start.event, SessionStarted)
    event = start.event.model_copy(update={"for_turn": True})
    return replace(history, stream=FORK).and_(event)


def test_what_a_fork_was_begun_for_comes_from_the_state_it_branched_off() -> None:
    fork = forked_for_turn(TALK)
    assert current(fork) == AgentState(
        id_at(0, FORK), id_at(3), FORK, 0, 2, "open", opened_by=id_at(0, FORK)
    )
    assert folded(fork).states == folded(TALK).states
    after = fork.and_(user("else"), claim(), replied(text="ho"))
    expected = AgentState(
        id_at(3, FORK), id_at(3), FORK, 3, 2, "answered", opened_by=id_at(0, FORK)
    )
    assert folded(after).states[-1] == expected
    assert [state.stream for state in folded(after).states] == [STREAM, STREAM, FORK]
    again = after.and_(user("more"), claim(), replied(text="hm"))
    assert current(again).parent_id == id_at(3, FORK)


def test_a_fork_of_a_thread_without_a_start_may_be_begun_for_a_turn() -> None:
    after = forked_for_turn(given(user("hello"))).and_(user("else"), claim(), replied(text="ho"))
    assert current(after).parent_id == id_at(0)


def test_a_fork_in_the_middle_of_a_turn_goes_on_in_a_turn_of_its_own() -> None:
    fork = spoken().forked()
    assert current(fork).parent_id == id_at(2)
    after = fork.and_(claim(), replied(text="hi"))
    assert states(after)[-1] == ("answered", 2, 0)
    assert current(after).opened_by == id_at(1, FORK)
    assert current(after).parent_id == id_at(0, FORK)


def test_a_thread_without_a_start_has_no_states() -> None:
    assert folded(given(user("hello"))) == Lineage(given(user("hello")).state)


def test_an_event_that_must_not_be_ignored_leaves_a_turn_open() -> None:
    newer = UnknownEvent("Newer", "unknown type", critical=True)
    assert current(TALK.and_(newer)).kind == "open"
    assert states(TALK.and_(newer)) == states(TALK)
