"""What a person may call an event: by its position, or by a piece of its id."""

import pytest

from messagedb_agent.cli.naming import is_named, position_named

ID = "019f0000-0000-7000-8000-0000004a2121"


@pytest.mark.parametrize("name", [ID, "019f", "4a2121", "019f0000-"])
def test_a_beginning_or_an_end_of_an_id_names_it(name: str) -> None:
    assert is_named(ID, name)


@pytest.mark.parametrize("name", ["1", "21", "2121", "019", "", "f00"])
def test_a_few_digits_are_a_position_whatever_an_id_ends_in(name: str) -> None:
    assert not is_named(ID, name)


def test_six_digits_are_an_id_as_it_is_shown_and_a_position_too() -> None:
    assert is_named("019f0000-0000-7000-8000-000000575193", "575193")
    assert position_named("575193") == 575_193


@pytest.mark.parametrize("name", ["", "-1", "1.0", "a1", "\u0661", "9" * 19])
def test_what_cannot_be_a_position_is_none(name: str) -> None:
    assert position_named(name) is None
