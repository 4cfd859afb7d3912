"""What every owner and every directory does."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from messagedb_agent.errors import RefusedName, StoreUnavailable
from messagedb_agent.store.store import (
    Beginning,
    Holding,
    Question,
    Store,
    StreamHead,
    TypeRows,
)
from tests.contract.messages import new


async def test_a_stream_is_owned_once_at_a_time(store: Store, category: str) -> None:
    stream = f"{category}-1"
    async with store.own(stream) as first, store.own(stream) as second:
        assert first
        assert not second
        async with store.own(f"{category}-2") as other:
            assert other
    async with store.own(stream) as again:
        assert again


async def test_an_owner_is_told_where_the_stream_stands_when_taken_and_after_letting_go(
    store: Store, category: str
) -> None:
    stream = f"{category}-1"
    async with store.own(stream) as empty:
        assert empty
        assert empty.version == -1
        await store.append(stream, new(), new())
    assert empty.version == 1
    async with store.own(stream) as again:
        assert again
        assert again.version == 1
    assert not again.lost.is_set()


async def test_giving_up_an_attempt_that_failed_leaves_the_owner_alone(
    store: Store, category: str
) -> None:
    stream = f"{category}-1"
    async with store.own(stream):
        for _ in range(3):
            async with store.own(stream) as owned:
                assert not owned


async def test_an_owner_that_fails_or_is_cancelled_lets_go(store: Store, category: str) -> None:
    stream = f"{category}-1"
    with pytest.raises(ZeroDivisionError):
        async with store.own(stream):
            raise ZeroDivisionError
    held = asyncio.Event()

    async def hold() -> None:
        async with store.own(stream):
            held.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(hold())
    await held.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with store.own(stream) as owned:
        assert owned


async def test_of_many_at_once_one_owns_each_stream(store: Store, category: str) -> None:
    owners = [0] * 10

    async def work(number: int) -> None:
        async with store.own(f"{category}-{number}") as owned:
            if owned:
                owners[number] += 1
                assert owners[number] == 1
                await asyncio.sleep(0.001)
                owners[number] -= 1

    await asyncio.gather(*(work(n % 10) for n in range(100)))


async def test_a_category_cannot_be_owned(store: Store, category: str) -> None:
    with pytest.raises(RefusedName):
        async with store.own(category):
            pass


async def test_streams_are_listed_by_their_last_message(store: Store, category: str) -> None:
    for name in "abcab":
        last = await store.append(f"{category}-{name}", new(), new())
    await store.append(f"{category}:v0-d", new())
    found = await store.newest_streams(category, limit=10)
    assert [(head.stream_name, head.position) for head in found] == [
        (f"{category}-b", 3),
        (f"{category}-a", 3),
        (f"{category}-c", 1),
    ]
    assert found[0] == StreamHead(f"{category}-b", 3, last.global_positions[-1])
    assert await store.newest_streams(category, limit=2) == found[:2]
    assert await store.newest_streams(category, limit=0) == []


async def test_streams_are_listed_from_a_place_on(store: Store, category: str) -> None:
    for name in "abcab":
        await store.append(f"{category}-{name}", new(), new())
    everything = list(await store.newest_streams(category, limit=10))
    page: list[StreamHead] = []
    before: int | None = None
    while heads := await store.newest_streams(category, limit=1, before=before):
        page += heads
        before = heads[-1].global_position
    assert page == everything
    assert await store.newest_streams(category, limit=5, before=1) == []


async def test_a_busy_stream_does_not_hide_the_others(store: Store, category: str) -> None:
    names = [f"{category}-{n:03}" for n in range(40)]
    for name in names:
        await store.append(name, new())
    await store.append(f"{category}-busy", *(new() for _ in range(3000)))
    found = await store.newest_streams(category, limit=30)
    assert [head.stream_name for head in found] == [f"{category}-busy", *names[:10:-1]]


async def test_streams_are_found_by_prefix(store: Store, category: str) -> None:
    for name in ("ab1", "ab1", "ab2", "abc", "b", "AB3", "a_b"):
        await store.append(f"{category}-{name}", new())
    await store.append(f"{category}-ab2", new())
    for prefix, limit, expected in (
        ("ab", 9, ["ab1", "ab2", "abc"]),
        ("ab", 2, ["ab1", "ab2"]),
        ("ab1", 9, ["ab1"]),
        ("ab1x", 9, []),
        ("c", 9, []),
        ("%", 9, []),
        ("a_", 9, ["a_b"]),
        ("ab", 0, []),
    ):
        found = await store.streams_with_prefix(f"{category}-{prefix}", limit=limit)
        assert found == [f"{category}-{name}" for name in expected]
    assert await store.streams_with_prefix(f"{category}x-", limit=9) == []


async def test_neighbours_are_the_streams_next_in_name_order(store: Store, category: str) -> None:
    a, b, c = (f"{category}-{name}" for name in "abc")
    for stream in (a, b, c, b):
        await store.append(stream, new())
    assert await store.neighbours(b) == (a, c)
    assert (await store.neighbours(a))[1] == b
    assert (await store.neighbours(c))[0] == b
    assert await store.neighbours(f"{b}0") == (b, c)


@pytest.mark.parametrize("text", ["a\x00", "\ud800", "x" * 8000])
async def test_a_prefix_that_no_stream_can_have_is_refused(store: Store, text: str) -> None:
    with pytest.raises(RefusedName):
        await store.streams_with_prefix(text, limit=1)


async def test_a_closed_store_says_so(store: Store, category: str) -> None:
    await store.close()
    with pytest.raises(StoreUnavailable):
        await store.append(f"{category}-1", new())
    with pytest.raises(StoreUnavailable):
        await store.last(f"{category}-1")
    await store.close()


async def test_types_say_what_stands_in_a_stream(store: Store, category: str) -> None:
    stream = f"{category}-1"
    texts = ['{"text": "a"}', '{"text": " \\t\\n"}', '{"text": 5}', '{"texts": "a"}', None]
    await store.append(stream, new("A"), *(new("B", text) for text in texts), new("A"))
    await store.append(f"{category}-2", new("A"))
    everything = {"A": TypeRows(2, 0, 6), "B": TypeRows(5, 1, 5)}
    assert await store.types(stream) == everything
    assert await store.types(stream, texts_of="A") == everything
    with_texts = {"A": TypeRows(2, 0, 6), "B": TypeRows(5, 1, 5, 1)}
    assert await store.types(stream, texts_of="B") == with_texts
    assert await store.types(stream, until=6, texts_of="B") == with_texts
    assert await store.types(stream, until=1) == {"A": TypeRows(1, 0, 0), "B": TypeRows(1, 1, 1)}
    assert await store.types(stream, until=-1) == {}
    assert await store.types(f"{category}-3") == {}
    with pytest.raises(RefusedName):
        await store.types(category)


ASKED = Question("Asked", "callId", answers=("Approved", "Denied"), ends=("Cancelled",))


async def test_what_no_later_message_of_its_stream_answers_is_found(
    store: Store, category: str
) -> None:
    async def tell(name: str, *told: tuple[str, str | None]) -> None:
        await store.append(f"{category}-{name}", *(new(type, data) for type, data in told))

    one, other = '{"callId": "1", "more": [1]}', '{"callId": "2"}'
    await tell("approved", ("Asked", one), ("Approved", one))
    await tell("half", ("Asked", one), ("Asked", other), ("Denied", other), ("Noted", one))
    await tell("cancelled", ("Asked", one), ("Asked", other), ("Cancelled", None))
    await tell("again", ("Asked", one), ("Cancelled", "{}"), ("Asked", other))
    await tell("before", ("Approved", one), ("Cancelled", None), ("Asked", one))
    await tell("unlike", ("Asked", '{"callId": 1}'), ("Approved", one))
    await tell("keyless", ("Asked", "{}"), ("Approved", "{}"), ("Asked", None))
    await tell("nulls", ("Asked", '{"callId": null}'), ("Denied", '{"callId": null}'))
    await store.append(f"{category}:v0-elsewhere", new("Asked", one))
    found = await store.unanswered(category, ASKED, limit=50)
    assert [(m.stream_name.partition("-")[2], m.position) for m in found] == [
        ("keyless", 2),
        ("keyless", 0),
        ("unlike", 0),
        ("before", 2),
        ("again", 2),
        ("half", 0),
    ]
    assert found[-1] == await anext(store.read(f"{category}-half"))
    assert await store.unanswered(category, ASKED, limit=2) == found[:2]
    assert await store.unanswered(category, ASKED, limit=0) == []
    rest = await store.unanswered(category, ASKED, limit=9, before=found[1].global_position)
    assert rest == found[2:]
    assert await store.unanswered(f"{category}x", ASKED, limit=9) == []
    with pytest.raises(RefusedName):
        await store.unanswered(f"{category}-half", ASKED, limit=9)


async def test_streams_are_found_by_what_their_first_message_says(
    store: Store, category: str
) -> None:
    from_one, from_two = ('{"from": {"stream": "one"}}', '{"from": {"stream": "two"}}')
    for name, *told in (
        ("a", ("Begun", from_one), ("Begun", from_two)),
        ("b", ("Other", from_one)),
        ("c", ("Other", None), ("Begun", from_one)),
        ("d", ("Begun", from_two)),
        ("e", ("Begun", '{"from": "one"}')),
        ("f", ("Begun", '{"from": {"stream": ["one"]}}')),
        ("g", ("Begun", None)),
        ("h", ("Begun", from_one)),
    ):
        await store.append(f"{category}-{name}", *(new(type, data) for type, data in told))
    await store.append(f"{category}:v0-a", new("Begun", from_one))

    async def found(*texts: str, limit: int = 9) -> list[str]:
        begun = Beginning("Begun", ("from", "stream"), texts)
        names = await store.begun_with(category, begun, limit=limit)
        return [name.removeprefix(f"{category}-") for name in names]

    assert await found("one") == ["h", "a"]
    assert await found("one", "two") == ["h", "d", "a"]
    assert await found("one", "two", limit=2) == ["h", "d"]
    assert await found("one", limit=0) == await found() == await found("on") == []
    with pytest.raises(RefusedName):
        await store.begun_with(f"{category}-a", Beginning("Begun", ("from",), ("one",)), limit=1)


async def test_it_is_known_which_streams_are_owned_without_trying_to_own_them(
    store: Store, category: str
) -> None:
    names = [f"{category}-{n}" for n in range(20)]  # keys with either sign
    assert await store.owned(names) == frozenset()
    async with AsyncExitStack() as stack:
        for name in names[:10]:
            await stack.enter_async_context(store.own(name))
        assert await store.owned(names) == frozenset(names[:10])
        assert await store.owned(names[5:15]) == frozenset(names[5:10])
        async with store.own(names[10]) as free:
            assert free
    assert await store.owned(names) == frozenset()
    assert await store.owned([]) == frozenset()


async def test_streams_are_listed_as_they_stood_at_a_place(store: Store, category: str) -> None:
    then = list[list[StreamHead]]()
    firsts, places = list[int](), list[int]()
    for name in "abacbdab":
        written = await store.append(f"{category}-{name}", new(), new())
        firsts.append(written.global_positions[0])
        places.append(written.global_positions[-1])
        then.append(list(await store.newest_streams(category, limit=9)))
    for as_of, known in zip(places, then, strict=True):
        assert await store.newest_streams(category, limit=9, as_of=as_of) == known
        streams = [f"{category}-{name}" for name in "abcde"]
        assert await store.heads_of(streams, as_of=as_of) == known
        paged, before = list[StreamHead](), as_of + 1
        while heads := await store.newest_streams(category, limit=1, before=before, as_of=as_of):
            paged += heads
            before = heads[-1].global_position
        assert paged == known
    assert await store.newest_streams(category, limit=9, as_of=firsts[0] - 1) == []
    assert await store.heads_of([f"{category}-a"], as_of=firsts[0] - 1) == []


async def test_streams_are_found_by_what_any_of_their_messages_says(
    store: Store, category: str
) -> None:
    for name, *told in (("a", "x"), ("b", "x", "y"), ("c", "y", "x", "x"), ("d", "y"), ("a", "y")):
        said = [f'{{"from": {{"name": "{one}"}}}}' for one in told]
        await store.append(f"{category}-{name}", *(new("Said", data) for data in said))
    await store.append(f"{category}-e", new("Told", '{"from": {"name": "x"}}'))
    await store.append(f"{category}-f", new("Said", '{"from": {"name": ["x"]}}'), new("Said", None))
    saying = Beginning("Said", ("from", "name"), ("x",), is_first=False)
    found = await store.begun_with(category, saying, limit=9)
    assert found == [f"{category}-{name}" for name in "cba"]
    assert await store.begun_with(category, saying, limit=2) == found[:2]
    first = Beginning("Said", ("from", "name"), ("x",))
    assert await store.begun_with(category, first, limit=9) == [f"{category}-b", f"{category}-a"]


async def test_the_heads_of_some_streams_are_found_newest_first(
    store: Store, category: str
) -> None:
    for name in "abcab":
        last = await store.append(f"{category}-{name}", new(), new())
    a, b, c, d = (f"{category}-{name}" for name in "abcd")
    found = await store.heads_of([a, b, d, a])
    assert [head.stream_name for head in found] == [b, a]
    assert found[0] == StreamHead(b, 3, last.global_positions[-1])
    assert await store.heads_of([]) == []
    assert [head.position for head in await store.heads_of({c})] == [1]
    with pytest.raises(RefusedName):
        await store.heads_of([a, category])


async def test_the_first_messages_of_some_streams_are_read_in_order(
    store: Store, category: str
) -> None:
    a, b, c, d = (f"{category}-{name}" for name in "abcd")
    for stream in (b, a, c, b, b):
        await store.append(stream, new("Said", '{"n": 1.50}', '{"m": 2}'), new("Said", None))
    whole = {stream: [row async for row in store.read(stream)] for stream in (a, b)}
    found = await store.beginnings([b, d, a, b], rows=9)
    assert {stream: [*rows] for stream, rows in found.items()} == whole
    assert await store.beginnings([b], rows=3) == {b: whole[b][:3]}
    assert await store.beginnings([], rows=3) == {}
    assert await store.beginnings([a], rows=0) == {}
    with pytest.raises(RefusedName):
        await store.beginnings([a, category], rows=1)


async def test_what_nothing_answers_is_found_in_some_streams_and_by_a_text_that_it_holds(
    store: Store, category: str
) -> None:
    on, off, again = '{"added": ["x", "y"]}', '{"removed": ["x"]}', '{"added": ["x"], "n": 1.50}'
    for name, *told in (
        ("on", on),
        ("off", on, off),
        ("again", on, off, again),
        ("other", '{"added": ["y"], "removed": ["x"]}'),
        ("elsewhere", on, '{"removed": ["y"]}'),
        ("text", '{"added": "x"}'),
        ("deep", '{"added": [["x"]]}'),
        ("none", None, "{}", '{"added": null}', '{"added": {"x": 1}}'),
    ):
        await store.append(f"{category}-{name}", *(new("Tagged", data) for data in told))
    question = Question(
        "Tagged",
        ends=("Tagged",),
        holding=Holding("added", "x"),
        ends_holding=Holding("removed", "x"),
    )

    async def found(*streams: str) -> list[tuple[str, int]]:
        names = [f"{category}-{name}" for name in streams]
        rows = await store.unanswered(category, question, limit=9, streams=names or None)
        return [(row.stream_name.removeprefix(f"{category}-"), row.position) for row in rows]

    assert await found() == [("elsewhere", 0), ("again", 2), ("on", 0)]
    assert await found("off", "on", "again", "nowhere") == [("again", 2), ("on", 0)]
    assert await found("off") == []
    everything = Question("Tagged")
    rows = await store.unanswered(category, everything, limit=9, streams=[f"{category}-again"])
    assert [row.position for row in rows] == [2, 1, 0]
    assert await store.unanswered(category, everything, limit=9, streams=[]) == []
    assert (
        await store.unanswered(f"{category}x", everything, limit=9, streams=[f"{category}-on"])
        == []
    )
    with pytest.raises(RefusedName):
        await store.unanswered(category, everything, limit=9, streams=[category])
