"""Two histories beside each other."""

from messagedb_agent.events.recorded import Recorded, UnknownEvent
from messagedb_agent.projections.comparison import compare, side
from tests.given import claim, given, replied, started, user


def test_ids_places_and_times_make_no_difference_and_words_do() -> None:
    one = given(started(), user("hi"), claim(), replied(text="hello"))
    other = given(started(), user("hi"), claim(), replied(text="hello", elapsed_ms=9))
    moved = [Recorded(f"x{r.id}", f"{r.stream}x", r.position, r.event, 5) for r in other.records]
    found = compare(side(one.records), side(moved))
    assert (found.common, found.is_equal) == (0, True)
    third = given(started(), user("hi"), claim(), replied(text="good day"))
    assert not compare(side(one.records), side(third.records)).is_equal


def test_events_that_nobody_here_understands_are_the_same_only_where_they_are_one() -> None:
    one, other = (Recorded(id, "s-1", 0, UnknownEvent("X", "unknown type")) for id in "ab")
    assert not compare(side([one]), side([other])).is_equal
    same = compare(side([one]), side([one]))
    assert (same.common, same.last_common, same.is_equal) == (1, one, True)
