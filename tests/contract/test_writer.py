"""What every writer does."""

import asyncio
from collections.abc import Callable
from uuid import uuid4

import pytest

from messagedb_agent.errors import (
    DuplicateMessage,
    RefusedName,
    RefusedPayload,
    WrongExpectedVersion,
)
from messagedb_agent.store.message import NewMessage
from messagedb_agent.store.store import Store
from tests.contract.messages import all_of, ids, ids_of, many, new

HOSTILE = ["'; DROP TABLE messages;--", "\\", "$$", "%s", "{}", "%(id)s", "E'\\x'", "' OR true--"]


def nested(depth: int) -> str:
    """Return an object that is `depth` containers deep."""
    return '{"a":' * depth + "1" + "}" * depth


async def test_several_messages_are_written_in_order_and_their_places_told(
    store: Store, category: str
) -> None:
    written = many(5)
    first = await store.append(f"{category}-1", *written[:2], expected_version=-1)
    second = await store.append(f"{category}-1", *written[2:], expected_version=first.position)
    found = await all_of(store.read(f"{category}-1"))
    assert [message.id for message in found] == ids(*written)
    assert (first.position, second.position) == (1, 4)
    assert [message.global_position for message in found] == [
        *first.global_positions,
        *second.global_positions,
    ]


async def test_a_stream_that_has_moved_on_refuses_all_of_an_append(
    store: Store, category: str
) -> None:
    stream = f"{category}-1"
    await store.append(stream, new(), new())
    for expected in (-5, -1, 0, 2, 7):
        with pytest.raises(WrongExpectedVersion) as error:
            await store.append(stream, new(), new(), expected_version=expected)
        assert (error.value.stream, error.value.expected) == (stream, expected)
        assert error.value.actual == 1
    assert await store.stream_version(stream) == 1


async def test_an_append_without_expected_version_goes_to_the_end(
    store: Store, category: str
) -> None:
    for position in range(3):
        assert (await store.append(f"{category}-1", new())).position == position


async def test_a_repeated_append_is_the_same_append(store: Store, category: str) -> None:
    stream, written = f"{category}-1", many(3)
    await store.append(stream, new())
    first = await store.append(stream, *written, expected_version=0)
    assert await store.append(stream, *written, expected_version=0) == first
    await store.append(stream, new())
    assert await store.append(stream, *written, expected_version=0) == first
    assert await store.append(stream, *written) == first
    assert await store.stream_version(stream) == 4


async def test_a_repeated_append_is_known_by_its_content_however_it_is_written(
    store: Store, category: str
) -> None:
    stream, id = f"{category}-1", str(uuid4())
    first = await store.append(stream, new(id=id, data='{"a": 1.0, "b": [1e2]}'))
    again = new(id=id, data='{"b":[100],"a":1}')
    assert await store.append(stream, again, expected_version=-1) == first
    assert await store.append(stream, again) == first


@pytest.mark.parametrize(
    "change",
    [
        lambda id: new(id=id, type="Other"),
        lambda id: new(id=id, data='{"n": true}'),
        lambda id: new(id=id, data='{"n": "1"}'),
        lambda id: new(id=id, data='{"n": 1, "m": null}'),
        lambda id: new(id=id, data='{"n": 1.0000000000000000000000000001}'),
        lambda id: new(id=id, data=None),
        lambda id: new(id=id, metadata="{}"),
    ],
)
async def test_the_same_id_with_other_content_is_a_conflict(
    store: Store, category: str, change: Callable[[str], NewMessage]
) -> None:
    stream, id = f"{category}-1", str(uuid4())
    await store.append(stream, new(id=id), expected_version=-1)
    other = change(id)
    with pytest.raises(WrongExpectedVersion):
        await store.append(stream, other, expected_version=-1)
    for expected in (None, 0):
        with pytest.raises(DuplicateMessage) as error:
            await store.append(stream, other, expected_version=expected)
        assert (error.value.stream, error.value.message_id) == (stream, id)


async def test_only_part_of_an_append_standing_is_a_conflict(store: Store, category: str) -> None:
    stream, (one, two, three) = f"{category}-1", many(3)
    await store.append(stream, one, two, expected_version=-1)
    for messages in ((one, two, three), (one, three), (two, one)):
        with pytest.raises(WrongExpectedVersion):
            await store.append(stream, *messages, expected_version=-1)
    for messages in ((three, one), (one, three), (two, one)):
        with pytest.raises(DuplicateMessage):
            await store.append(stream, *messages, expected_version=1)
        with pytest.raises(DuplicateMessage):
            await store.append(stream, *messages)
    assert await store.stream_version(stream) == 1


async def test_an_id_in_another_stream_is_taken(store: Store, category: str) -> None:
    message = new()
    await store.append(f"{category}-1", message, expected_version=-1)
    for expected in (-1, None):
        with pytest.raises(DuplicateMessage) as error:
            await store.append(f"{category}-2", new(), message, expected_version=expected)
        assert error.value.message_id == message.id
    assert await store.stream_version(f"{category}-2") == -1


async def test_one_id_twice_in_an_append_writes_nothing(store: Store, category: str) -> None:
    message = new()
    with pytest.raises(DuplicateMessage):
        await store.append(f"{category}-1", message, message, expected_version=-1)
    assert await store.stream_version(f"{category}-1") == -1


async def test_an_append_at_another_place_than_it_stands_is_no_repetition(
    store: Store, category: str
) -> None:
    stream, message = f"{category}-1", new()
    await store.append(stream, message, expected_version=-1)
    with pytest.raises(DuplicateMessage):
        await store.append(stream, message, expected_version=0)


async def test_of_writers_that_race_one_wins_and_the_others_read_on(
    store: Store, category: str
) -> None:
    stream = f"{category}-1"
    results = await asyncio.gather(
        *(store.append(stream, new(), new(), expected_version=-1) for _ in range(20)),
        return_exceptions=True,
    )
    conflicts = [result for result in results if isinstance(result, WrongExpectedVersion)]
    assert len(conflicts) == 19
    assert {error.actual for error in conflicts} == {1}
    assert await store.stream_version(stream) == 1


async def test_the_places_told_are_right_with_writers_of_other_categories(
    store: Store, category: str
) -> None:
    async def write(name: str) -> list[tuple[str, int]]:
        places: list[tuple[str, int]] = []
        for _ in range(15):
            written = many(4)
            appended = await store.append(f"{name}-1", *written)
            places += zip(ids(*written), appended.global_positions, strict=True)
        return places

    names = [f"{category}x{n}" for n in range(6)]
    told = await asyncio.gather(*map(write, names))
    for name, places in zip(names, told, strict=True):
        found = await all_of(store.read(f"{name}-1"))
        assert [(message.id, message.global_position) for message in found] == places


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ('{"a": {"b": ["x", "\\u0000"]}}', "a.b[1]"),
        ('{"\\u0000": 1}', ""),
        ('{"a": "\\\\\\u0000"}', "a"),
        ('{"a": "\\ud800"}', "a"),
        ('{"a": ["\\udc00\\ud800"]}', "a[0]"),
        ('{"a": "\ud800"}', "a"),
        ('{"a": "\x00"}', ""),
        ('{"a": NaN}', "a"),
        ('{"a": [-Infinity]}', "a[0]"),
        ('{"a": 1e999}', "a"),
        ('{"a": 1e-16384}', ""),
        ("[1]", ""),
        ('"text"', ""),
        ("null", ""),
        ("7", ""),
        ("", ""),
        ("{", ""),
        ("{} {}", ""),
        ("{'a': 1}", ""),
        (nested(101), ""),
        (nested(20_000), ""),
        ('{"a":' + "[" * 100 + "]" * 100 + "}", ""),
    ],
)
async def test_what_jsonb_cannot_hold_is_refused(
    store: Store, category: str, text: str, field: str
) -> None:
    for name in ("data", "metadata"):
        with pytest.raises(RefusedPayload) as error:
            await store.append(f"{category}-1", new(), new(**{name: text}))
        assert error.value.field in (f"{name}.{field}".rstrip("."), "data")
        assert len(str(error.value)) < 300
    assert await store.stream_version(f"{category}-1") == -1


@pytest.mark.parametrize(
    "text", [nested(100), '{"a": "\\\\u0000"}', '{"a": "\\ud83d\\ude00"}', '{"a": 1e-16383}']
)
async def test_what_jsonb_can_hold_is_written(store: Store, category: str, text: str) -> None:
    assert (await store.append(f"{category}-1", new(data=text))).position == 0


async def test_a_message_beyond_one_mebibyte_is_refused(store: Store, category: str) -> None:
    def text(size: int, character: str = "x") -> str:
        return '{"a":"' + character * (size - 8) + '"}'

    limit = 1024 * 1024
    await store.append(f"{category}-1", new(data=text(limit)))
    for data, metadata in (
        (text(limit + 1), None),
        (text(limit), "{}"),
        (text(limit // 2, "é"), text(1000)),
        (text(10 * limit), None),
        (text(limit, "\ud800"), None),
    ):
        with pytest.raises(RefusedPayload) as error:
            await store.append(f"{category}-1", new(data=data, metadata=metadata))
        assert "bytes" in str(error.value)
    assert await store.stream_version(f"{category}-1") == 0


UUID = "6f9c1a52-3c5e-4f6e-9a54-0c5b9a3b7d11"


@pytest.mark.parametrize(
    "id", ["", "1", UUID.upper(), UUID.replace("-", ""), f"{{{UUID}}}", f"{UUID}\n", *HOSTILE]
)
async def test_an_id_that_is_no_lower_case_uuid_is_refused(
    store: Store, category: str, id: str
) -> None:
    with pytest.raises(RefusedPayload) as error:
        await store.append(f"{category}-1", NewMessage(id, "Written", "{}"))
    assert error.value.field == "id"


@pytest.mark.parametrize("type", ["", "a\x00", "a\nb", "\ud800", "x" * 256, "x" * 10_000_000])
async def test_a_type_that_cannot_be_shown_is_refused(
    store: Store, category: str, type: str
) -> None:
    with pytest.raises(RefusedPayload) as error:
        await store.append(f"{category}-1", new(type))
    assert error.value.field == "type"


@pytest.mark.parametrize("text", HOSTILE)
async def test_hostile_text_is_text_and_nothing_else(
    store: Store, category: str, text: str
) -> None:
    stream = f"{category}-{text}"
    message = new(type=text)
    await store.append(stream, message)
    [found] = await all_of(store.read(stream))
    assert (found.stream_name, found.type) == (stream, text)
    assert (await store.last(stream, type=text)) == found
    assert await store.by_id(text) is None
    assert await ids_of(store.read_category(category, correlation=text.replace("-", ""))) == []
    assert await store.streams_with_prefix(stream, limit=2) == [stream]
    async with store.own(stream) as owned:
        assert owned


@pytest.mark.parametrize(
    "stream",
    ["agent", "agent:v0", "-1", "agent-", "", "a-\n", "a-\x00", "a-\ud800", "a-" + "x" * 999],
)
async def test_what_is_no_stream_is_not_written_to(store: Store, stream: str) -> None:
    with pytest.raises(RefusedName) as error:
        await store.append(stream, new())
    assert error.value.field == "stream"


async def test_an_append_of_nothing_is_refused(store: Store, category: str) -> None:
    with pytest.raises(RefusedPayload):
        await store.append(f"{category}-1")
