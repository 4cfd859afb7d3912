"""A grown sequence behaves as a tuple, however its branches share storage."""

from hypothesis import given
from hypothesis import strategies as st

from messagedb_agent.projections.grown import Grown
from tests.properties.effort import examples

GROWTHS = st.lists(st.tuples(st.integers(0, 9), st.lists(st.integers(), max_size=3)), max_size=25)


@examples(150)
@given(st.lists(st.integers(), max_size=3), GROWTHS)
def test_no_branch_ever_sees_items_of_another(
    first: list[int], growths: list[tuple[int, list[int]]]
) -> None:
    branches = [(Grown(first), tuple(first))]
    for number, items in growths:
        grown, model = branches[number % len(branches)]
        branches.append((grown.plus(*items), (*model, *items)))
    for grown, model in branches:
        assert tuple(grown) == model
        assert grown.own(3) == model[-3:]
        assert Grown((), before=(1, 2)).plus(*model).own(3) == model[-3:]
        assert len(grown) == len(model)


@examples(100)
@given(st.lists(st.integers()), st.integers(-9, 9), st.integers(-9, 9), st.sampled_from([1, 2, -1]))
def test_it_is_indexed_and_cut_as_a_tuple_is(
    items: list[int], start: int, stop: int, step: int
) -> None:
    grown = Grown(items).plus(1, 2).plus(3)
    model = (*items, 1, 2, 3)
    assert grown[start:stop:step] == model[start:stop:step]
    assert list(reversed(grown)) == list(reversed(model))
    if -len(model) <= start < len(model):
        assert grown[start] == model[start]
