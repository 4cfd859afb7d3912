"""A subscription on every reader: message-db-py's alone writes nothing, so a store keeps for it."""

import asyncio
from functools import partial

import pytest

from messagedb_agent.consumers.newest import newest_position
from messagedb_agent.store.member import Member
from messagedb_agent.store.store import Reader, Store
from tests.contract.messages import many, new
from tests.unit.consumers.subscribing import Seen, consumed, consuming, noted, parking, written
from tests.waiting import until


async def test_each_message_is_handled_in_the_order_of_its_stream_and_the_next_run_goes_on(
    reader: Reader, writer: Store, category: str
) -> None:
    places = await written(writer, category, "a", "b", "a", "b")
    seen = Seen()
    await consumed(reader, category, seen, keeper=writer)
    assert (seen.of("a"), seen.of("b")) == ([0, 1], [0, 1])
    assert await noted(writer, category) == places[-1]
    await written(writer, category, "a")
    again = Seen()
    await consumed(reader, category, again, keeper=writer)
    assert again.places == [("b", 1), ("a", 2)]  # from the position on, that one included


async def test_it_goes_on_at_a_position_that_another_client_has_written(
    reader: Reader, writer: Store, category: str
) -> None:
    places = await written(writer, category, "a", "a", "a")
    await writer.append(
        f"{category}:position-consumer", new("Recorded", f'{{"position": {places[1]}}}')
    )
    seen = Seen()
    await consumed(reader, category, seen, keeper=writer)
    assert seen.of("a") == [1, 2]


@pytest.mark.parametrize("count", [0, 1, 999, 1000, 1001, 2500])
async def test_a_category_ends_at_its_newest_message(
    reader: Reader, writer: Store, category: str, count: int
) -> None:
    newest = 0
    for first in range(0, count, 500):
        some = many(min(500, count - first))
        newest = (await writer.append(f"{category}-1", *some)).global_positions[-1]
    assert await newest_position(reader, category) == newest


async def test_it_may_begin_at_a_position_and_from_now_on(
    reader: Reader, writer: Store, category: str
) -> None:
    places = await written(writer, category, "a", "a", "a")
    seen = Seen()
    await consumed(reader, category, seen, keeper=writer, start=places[1], name="at")
    assert seen.of("a") == [1, 2]
    none = Seen()
    await consumed(reader, category, none, keeper=writer, start="now", name="now")
    assert none.places == []
    await written(writer, category, "a")  # while it does not run
    await consumed(reader, category, none, keeper=writer, start="now", name="now")
    assert none.of("a") == [2, 3]


async def test_members_of_a_group_share_the_streams_and_keep_a_position_each(
    reader: Reader, writer: Store, category: str
) -> None:
    await written(writer, category, *map(str, range(20)))
    seen = [Seen(), Seen()]
    for number in (0, 1):
        options = {"name": "pair", "size": 2, "member": number, "keeper": writer}
        await consumed(reader, category, seen[number], **options)
        streams = {stream for stream, _ in seen[number].places}
        assert streams == {str(n) for n in range(20) if Member(number, 2).has(f"{category}-{n}")}
        assert await noted(writer, category, f"pair-{number}-of-2")


async def test_types_and_correlation_choose_what_is_handled(
    reader: Reader, writer: Store, category: str
) -> None:
    await written(writer, category, "a", "b", type="Odd")
    correlated = new("Even", metadata=f'{{"correlationStreamName": "{category}Other-1"}}')
    last = await writer.append(f"{category}-a", new("Even"), correlated)
    await written(writer, category, "c", type="Odd")
    by_type, by_correlation = Seen(), Seen()
    await consumed(reader, category, by_type, keeper=writer, types=["Even"], name="types")
    assert by_type.places == [("a", 1), ("a", 2)]
    assert (await noted(writer, category, "types") or 0) > last.global_positions[-1]
    await consumed(
        reader, category, by_correlation, keeper=writer, correlation=f"{category}Other", name="c"
    )
    assert by_correlation.places == [("a", 2)]


async def test_types_and_correlation_hold_within_a_group(
    reader: Reader, writer: Store, category: str
) -> None:
    metadata = f'{{"correlationStreamName": "{category}Other-1"}}'
    names = [str(n) for n in range(8)]
    for name in names:
        await writer.append(
            f"{category}-{name}", new("Even"), new("Even", metadata=metadata), new("Odd")
        )
    seen = Seen()
    for number in (0, 1, 2):
        options = {"name": "trio", "size": 3, "member": number, "keeper": writer}
        correlated = {"types": ["Even"], "correlation": f"{category}Other"}
        await consumed(reader, category, seen, **options, **correlated)
    assert sorted(seen.places) == [(name, 1) for name in names]


async def test_a_message_that_keeps_failing_puts_its_thread_aside_and_the_others_go_on(
    reader: Reader, writer: Store, category: str
) -> None:
    places = await written(writer, category, "good", "bad", "good", "bad", "bad")
    seen = Seen(wrong={("bad", 1)})
    await consumed(reader, category, seen, keeper=writer)
    assert (seen.of("good"), seen.of("bad"), seen.tried) == ([0, 1], [0], [("bad", 1)] * 3)
    aside = await parking(writer, category)
    (parked,) = aside.parked
    assert (parked.stream, parked.position) == (f"{category}-bad", 1)
    assert (parked.global_position, parked.tries) == (places[3], 3)
    assert parked.reason == "ValueError: not 1"
    await written(writer, category, "bad", "good")  # what comes later waits with it
    await consumed(reader, category, seen, keeper=writer)
    assert (max(seen.of("good")), seen.of("bad")) == (2, [0])


@pytest.mark.parametrize("dropped", [False, True])
async def test_a_thread_goes_on_in_order_where_it_is_replayed_or_behind_what_was_dropped(
    reader: Reader, writer: Store, category: str, dropped: bool
) -> None:
    await written(writer, category, "bad", "bad", "bad")
    seen = Seen(wrong={("bad", 1)})
    await consumed(reader, category, seen, keeper=writer)
    await written(writer, category, "bad", "good")
    await consumed(reader, category, seen, keeper=writer)
    aside = await parking(writer, category)
    if dropped:
        await aside.drop(aside.parked[0])
    else:
        seen.wrong.clear()
        await aside.replay(aside.parked[0])
    async with consuming(reader, category, seen, keeper=writer):
        await until(lambda: 3 in seen.of("bad"))
        await written(writer, category, "bad")
        await until(lambda: 4 in seen.of("bad"))
    assert seen.of("bad") == ([0, 2, 3, 4] if dropped else [0, 1, 2, 3, 4])
    assert not (await parking(writer, category)).parked


async def test_what_is_written_while_it_runs_is_handled_and_stopping_loses_nothing(
    reader: Reader, writer: Store, category: str
) -> None:
    seen = Seen()
    async with consuming(reader, category, seen, keeper=writer) as subscription:
        for n in range(5):
            await written(writer, category, "a")
            await until(partial(seen.has_more_than, n))
        assert subscription.done == 5
    assert subscription.lag == 0
    assert await noted(writer, category) == subscription.position


async def test_handlers_may_be_plain_functions_and_run_in_threads(
    reader: Reader, writer: Store, category: str
) -> None:
    await written(writer, category, "a", "b")
    found: list[str] = []

    def plain(message: object) -> None:
        assert not _has_loop()
        found.append(type(message).__name__)

    await consumed(reader, category, plain, keeper=writer)
    assert found == ["Message", "Message"]


def _has_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
