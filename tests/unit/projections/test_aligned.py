"""Two sequences beside each other."""

import pytest
from hypothesis import given
from hypothesis.strategies import lists, sampled_from

from messagedb_agent.projections import aligned as module
from messagedb_agent.projections.aligned import Pair, aligned


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
    monkeypatch.setattr(module, "_MAX_SOUGHT", 3)
    assert aligned("ab", "bb", str) == (Pair("a", "b", is_same=False), Pair("b", "b", is_same=True))


def test_long_threads_are_compared_however_often_the_same_stands_in_both() -> None:
    def turns(name: str, *said: str) -> list[str]:  # a minute where all that is the same is sought
        return [*said, *(what for i in range(1_000) for what in (f"{name}{i}", "call"))]

    found = aligned(turns("a", "once", "here"), turns("b", "once"), str)
    assert found[:2] == (Pair("once", "once", is_same=True), Pair("here", "b0", is_same=False))
    assert (len(found), sum(pair.is_same for pair in found)) == (2_002, 1)
    moved = aligned([*turns("a"), "end"], ["call", *turns("b"), "end"], str)
    assert moved[-1] == Pair("end", "end", is_same=True)


@given(lists(sampled_from("abcd")), lists(sampled_from("abcd")))
def test_both_sequences_stand_in_a_comparison_whole_and_in_order(
    one: list[str], other: list[str]
) -> None:
    pairs = aligned(one, other, str)
    assert [p.one for p in pairs if p.one is not None] == one
    assert [p.other for p in pairs if p.other is not None] == other
    assert all(p.is_same == (p.one == p.other) for p in pairs)
