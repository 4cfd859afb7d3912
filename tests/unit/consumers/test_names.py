"""Names of what consumers keep for themselves."""

import pytest

from messagedb_agent.consumers.names import Group
from messagedb_agent.errors import RefusedName
from messagedb_agent.store.member import Member
from messagedb_agent.store.stream_name import beside


def test_a_position_has_the_name_that_other_clients_of_message_db_give_it() -> None:
    assert beside("agent:v0", "position", "workers-0-of-2") == "agent:v0+position-workers-0-of-2"
    assert beside("account", "position", "mine") == "account:position-mine"


@pytest.mark.parametrize("size", [1, 8, 32_767])
def test_a_member_is_read_from_its_identifier(size: int) -> None:
    group = Group("agent:v0", "workers")
    for number in (0, size - 1):
        member = Member(number, size)
        assert group.member(group.identifier(member)) == member


@pytest.mark.parametrize(
    "identifier",
    ["", "workers", "others-0-of-2", "workers-2-of-2", "workers-00-of-2", "workers-0-of-32768"],
)
def test_what_is_no_members_identifier_is_none(identifier: str) -> None:
    assert Group("agent:v0", "workers").member(identifier) is None


@pytest.mark.parametrize("name", ["", "two words", "a-0-of-2", "a+b", "x" * 101, "nö"])
def test_a_group_has_a_name_that_mixes_with_no_other(name: str) -> None:
    with pytest.raises(RefusedName):
        Group("agent:v0", name)
