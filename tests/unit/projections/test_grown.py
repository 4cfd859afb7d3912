"""An immutable sequence that is cheap to grow."""

from messagedb_agent.projections.grown import Grown


def test_growing_leaves_the_original_as_it_was() -> None:
    one = Grown([1])
    assert list(one.plus(2, 3)) == [1, 2, 3]
    assert list(one) == [1]


def test_two_branches_of_one_sequence_do_not_meet() -> None:
    one = Grown([1])
    left, right = one.plus(2), one.plus(3)
    assert (list(left), list(right)) == ([1, 2], [1, 3])
    assert list(left.plus(4)) == [1, 2, 4]


def test_growing_by_nothing_is_the_same_sequence() -> None:
    one = Grown([1])
    assert one.plus() is one


def test_it_does_not_see_later_changes_of_what_it_was_made_from() -> None:
    items = [1]
    one = Grown(items)
    items.append(2)
    assert list(one) == [1]


def test_an_empty_one_keeps_nothing_of_what_grew_out_of_it() -> None:
    empty: Grown[int] = Grown()
    grown = empty.plus(1)
    assert grown._items is not empty._items
    assert list(empty.plus(2)) == [2]


def test_growing_the_longest_copies_nothing() -> None:
    one = Grown([1])
    assert one.plus(2).plus(3)._items is one._items


def test_equal_items_are_equal_sequences() -> None:
    assert Grown([1]).plus(2) == Grown([1, 2])
    assert hash(Grown([1]).plus(2)) == hash(Grown([1, 2]))
    assert Grown([1, 2]) != Grown([1, 2]).plus(3)
    assert Grown([1]) != [1]
    assert repr(Grown([1])) == "Grown([1])"
