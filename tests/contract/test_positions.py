"""Where consumers of a group start, whatever sizes the group had."""

import json

import pytest

from messagedb_agent.clock import SystemClock
from messagedb_agent.consumers.cursor import Cursor
from messagedb_agent.consumers.names import Group
from messagedb_agent.consumers.positions import Positions, starts_of
from messagedb_agent.ids import TimeOrderedIds
from messagedb_agent.store.member import Member
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.store.message import Message
from messagedb_agent.store.store import Store
from tests.contract.messages import new

IDS = TimeOrderedIds(SystemClock())


async def written(store: Store, category: str, count: int) -> list[int]:
    """Write to so many streams; return the global positions."""
    places = [await store.append(f"{category}-{n}", new()) for n in range(count)]
    return [place.global_positions[0] for place in places]


async def noted(store: Store, group: Group, member: Member, position: int) -> None:
    positions = Positions(store, group.category, group.identifier(member), IDS)
    await positions.record(position)


async def start_of(store: Store, group: Group, member: Member) -> int:
    return (await starts_of(store, group, [member], IDS))[member]


async def test_a_position_is_kept_as_other_clients_of_message_db_keep_it(
    store: Store, category: str
) -> None:
    first, last = await written(store, category, 2)
    positions = Positions(store, category, "mine", IDS)
    assert await positions.read() is None
    await positions.record(first)
    await positions.record(last)
    assert await positions.read() == last
    stands = await store.last(f"{category}:position-mine")
    assert stands
    assert stands.type == "Recorded"
    assert json.loads(stands.data or "") == {"position": last}


@pytest.mark.parametrize("position", ['"7"', "-1", "true", "1.5", "null", "9000000000000000"])
async def test_what_is_no_position_of_this_category_is_as_good_as_none(
    store: Store, category: str, position: str
) -> None:
    await written(store, category, 1)
    await store.append(f"{category}:position-mine", new("Recorded", f'{{"position": {position}}}'))
    assert await Positions(store, category, "mine", IDS).read() is None


async def test_it_is_gone_on_at_a_position_whose_message_was_removed(
    store: Store, category: str
) -> None:
    await written(store, category, 1)
    (removed,) = await written(store, f"{category}Other", 1)
    positions = Positions(store, category, "mine", IDS)
    await positions.record(removed)
    assert await positions.read() == removed


async def test_a_member_starts_again_where_it_was(store: Store, category: str) -> None:
    group = Group(category, "workers")
    first, last = await written(store, category, 2)
    assert await start_of(store, group, Member(0, 2)) == 0
    await noted(store, group, Member(0, 2), last)
    assert await start_of(store, group, Member(0, 2)) == last
    assert await start_of(store, group, Member(1, 2)) == 0
    await noted(store, group, Member(1, 2), first)
    assert await start_of(store, group, Member(1, 2)) == first


async def test_a_new_size_starts_where_all_members_of_an_older_one_have_been(
    store: Store, category: str
) -> None:
    group, other = Group(category, "workers"), Group(category, "workers2")
    places = await written(store, category, 6)
    await noted(store, group, Member(0, 3), places[4])
    await noted(store, group, Member(1, 3), places[3])
    await noted(store, other, Member(0, 1), places[5])
    assert await start_of(store, group, Member(0, 5)) == 0  # of one nothing is known
    await noted(store, group, Member(2, 3), places[2])
    assert await start_of(store, group, Member(0, 5)) == places[2]
    await noted(store, group, Member(0, 1), places[1])
    assert await start_of(store, group, Member(0, 5)) == places[2]
    await noted(store, group, Member(0, 5), places[0])
    assert await start_of(store, group, Member(0, 5)) == places[2]


class CountingStore(MemoryStore):
    """A store that counts how often the last message of a stream was asked for."""

    asked = 0

    async def last(self, stream: str, *, type: str | None = None) -> Message | None:
        self.asked += 1
        return await super().last(stream, type=type)


async def test_members_of_sizes_that_are_not_whole_are_not_asked(category: str) -> None:
    store, group = CountingStore(), Group(category, "workers")
    (place,) = await written(store, category, 1)
    for size in range(2, 40):
        await noted(store, group, Member(0, size), place)
    assert await start_of(store, group, Member(0, 7)) == place
    assert await start_of(store, group, Member(1, 7)) == 0
    assert store.asked == 1


async def test_positions_are_read_once_for_all_members_that_start(category: str) -> None:
    store, group = CountingStore(), Group(category, "workers")
    places = await written(store, category, 5)
    members = [Member(n, 5) for n in range(5)]
    for member, place in zip(members, places, strict=True):
        await noted(store, group, member, place)
    found = await starts_of(store, group, members, IDS)
    assert found == dict(zip(members, places, strict=True))
    assert store.asked == 5


async def test_a_cursor_gives_each_message_once_on_and_on(store: Store, category: str) -> None:
    places = await written(store, category, 3)
    cursor = Cursor(store, category, start=places[1])
    assert [m.global_position async for m in cursor.news()] == places[1:]
    assert [m async for m in cursor.news()] == []
    more = await written(store, category, 2)
    async for message in cursor.news():
        assert message.global_position == more[0]
        break
    assert [m.global_position async for m in cursor.news()] == more[1:]


async def test_members_of_a_group_share_the_streams_as_the_server_shares_them(
    store: Store, category: str
) -> None:
    names = {f"{category}-{n}" for n in range(30)}
    await written(store, category, 30)
    for member in (Member(n, 3) for n in range(3)):
        read = {m.stream_name async for m in Cursor(store, category, member=member).news()}
        assert read == {name for name in names if member.has(name)}
        assert 0 < len(read) < 30
