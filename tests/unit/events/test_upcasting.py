"""Old shapes to current ones."""

from typing import Any

from messagedb_agent.events.schema import SCHEMA_VERSION
from messagedb_agent.events.upcasting import UPCASTERS, upcast


def _named(data: dict[str, Any]) -> dict[str, Any]:
    return {"title": data["name"]}


def _doubled(data: dict[str, Any]) -> dict[str, Any]:
    return {"title": data["title"] * 2}


STEPS = {("SessionTitled", 1): _named, ("SessionTitled", 3): _doubled}


def test_each_version_is_brought_to_the_next_in_turn() -> None:
    assert upcast("SessionTitled", 1, {"name": "a"}, upcasters=STEPS, current=4) == {"title": "aa"}
    assert upcast("SessionTitled", 2, {"title": "a"}, upcasters=STEPS, current=4) == {"title": "aa"}


def test_a_version_without_a_step_and_another_type_stay_as_they_are() -> None:
    assert upcast("SessionTitled", 2, {"title": "a"}, upcasters=STEPS, current=3) == {"title": "a"}
    assert upcast("SessionTagged", 1, {"x": 1}, upcasters=STEPS, current=4) == {"x": 1}


def test_data_of_the_current_or_a_later_version_stay_as_they_are() -> None:
    assert upcast("SessionTitled", 4, {"title": "a"}, upcasters=STEPS, current=4) == {"title": "a"}
    assert upcast("SessionTitled", 9, {"x": 1}, upcasters=STEPS, current=4) == {"x": 1}


def test_no_step_leads_beyond_the_current_version() -> None:
    assert all(version < SCHEMA_VERSION for _, version in UPCASTERS)
