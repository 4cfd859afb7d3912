"""Two histories beside each other."""

import pytest
from hypothesis import given as given_
from hypothesis.strategies import lists, sampled_from

from messagedb_agent.events.recorded import Recorded, UnknownEvent
from messagedb_agent.projections import comparison
from messagedb_agent.projections.comparison import Pair, aligned, compare, side
from tests.given import claim, given, replied, started, user


def shown(one: str, other: str) -> list[tuple[str, str, bool]]:
    pairs = aligned(one, other, str)
    return [(p.one or "", p.other or "", p.is_same) for p in pairs]


def test_what_is_the_same_stands_at_the_same_place() -> None:
    assert shown("abd", "acd") == [("a", "a", True), ("b", "c", False), ("d", "d", True)]
    assert shown("ab", "b") == [("a", "", False), ("b", "b", True)]
    assert shown("", "x") == [("", "x", False)]
    assert shown("", "") == []


def test_what_is_too_long_to_be_sought_in_is_paired_by_its_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(comparison, "_MAX_SOUGHT", 3)
    assert aligned("ab", "bb", str) == (Pair("a", "b", is_same=False), Pair("b", "b", is_same=True))


def test_long_threads_are_compared_however_often_the_same_stands_in_both() -> None:
    def turns(name: str, *said: str) -> list[str]:  # a minute where all that is the same is sought
        return [*said, *(what for i in range(1_000) for what in (f"{name}{i}", "call"))]

    found = aligned(turns("a", "once", "here"), turns("b", "once"), str)
    assert found[:2] == (Pair("once", "once", is_same=True), Pair("here", "b0", is_same=False))
    assert (len(found), sum(pair.is_same for pair in found)) == (2_002, 1)
    moved = aligned([*turns("a"), "end"], ["call", *turns("b"), "end"], str)
    assert moved[-1] == Pair("end", "end", is_same=True)


@given_(lists(sampled_from("abcd")), lists(sampled_from("abcd")))
def test_both_sequences_stand_in_a_comparison_whole_and_in_order(
    one: list[str], other: list[str]
) -> None:
    pairs = aligned(one, other, str)
    assert [p.one for p in pairs if p.one is not None] == one
    assert [p.other for p in pairs if p.other is not None] == other
    assert all(p.is_same == (p.one == p.other) for p in pairs)


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
