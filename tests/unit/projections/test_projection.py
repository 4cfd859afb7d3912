"""Folding."""

from messagedb_agent.events.recorded import Recorded
from messagedb_agent.projections.projection import Projection, fold
from tests.given import given, started, user


def _count(so_far: int, recorded: Recorded) -> int:
    return so_far + 1


COUNT = Projection(0, _count)


def test_a_fold_begins_with_the_first_value() -> None:
    assert fold(COUNT, ()) == 0
    assert fold(COUNT, given(started(), user("hi")).records) == 2


def test_a_fold_goes_on_from_an_earlier_one() -> None:
    assert fold(COUNT, given(started()).records, start=5) == 6


def test_a_projection_may_name_its_type_where_it_is_made() -> None:
    named = Projection[dict[str, int]]({}, lambda counts, _: counts)
    assert named.initial == {}
