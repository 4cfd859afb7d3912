"""What every reader does."""

import json
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from messagedb_agent.errors import RefusedName, ValidationError
from messagedb_agent.store.member import Member
from messagedb_agent.store.message import Message
from messagedb_agent.store.store import Reader, Writer
from tests.contract.messages import all_of, ids, ids_of, many, new


async def test_a_message_comes_back_as_it_was_written(
    reader: Reader, writer: Writer, category: str
) -> None:
    message = new("UserMessageAdded", '{"text": "naïve 🤖"}', '{"schemaVersion": "1"}')
    appended = await writer.append(f"{category}-1", message)
    [found] = await all_of(reader.read(f"{category}-1"))
    assert found == Message(
        id=message.id,
        stream_name=f"{category}-1",
        type="UserMessageAdded",
        position=0,
        global_position=appended.global_positions[0],
        data='{"text": "naïve 🤖"}',
        metadata='{"schemaVersion": "1"}',
        time=found.time,
    )
    assert found.time.tzinfo is None
    assert abs(found.time - datetime.now(UTC).replace(tzinfo=None)) < timedelta(minutes=5)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (None, None),
        ("{}", "{}"),
        ('{"b":1,"aa":2,"a":3}', '{"a": 3, "b": 1, "aa": 2}'),
        ('{"a":1,"a":2}', '{"a": 2}'),
        ('{"é":1,"zz":2,"z":3,"":4}', '{"": 4, "z": 3, "zz": 2, "é": 1}'),
        ('{"n":[1e2,-0.0,-0,1.10,1.5e3]}', '{"n": [100, 0.0, 0, 1.10, 1500]}'),
        ('{"n":[1.50e1,1E-3,0e5,0e-3,0.00]}', '{"n": [15.0, 0.001, 0, 0.000, 0.00]}'),
        ('{"n":[1e20,-1.5e-7]}', '{"n": [100000000000000000000, -0.00000015]}'),
        ('{"n":12345678901234567890.123456789}', '{"n": 12345678901234567890.123456789}'),
        ('{"s":"\\u0001\\b\\f\\n\\r\\t"}', '{"s": "\\u0001\\b\\f\\n\\r\\t"}'),
        ('{"s":"\\"\\\\\\/\\u007f\\u2028\\ud83d\\ude00"}', '{"s": "\\"\\\\/\x7f\u2028😀"}'),
        ('{"a":[true,false,null,{},[]]}', '{"a": [true, false, null, {}, []]}'),
        ('{"backslash":"\\\\u0000"}', '{"backslash": "\\\\u0000"}'),
    ],
)
async def test_json_comes_back_as_jsonb_gives_it(
    reader: Reader, writer: Writer, category: str, written: str | None, read: str | None
) -> None:
    await writer.append(f"{category}-1", new(data=written, metadata=written))
    [found] = await all_of(reader.read(f"{category}-1"))
    assert (found.data, found.metadata) == (read, read)


async def test_a_stream_is_read_in_order_beyond_one_page(
    reader: Reader, writer: Writer, category: str
) -> None:
    written = many(2500)
    for start in range(0, 2500, 500):
        await writer.append(f"{category}-1", *written[start : start + 500])
    found = await all_of(reader.read(f"{category}-1"))
    assert [message.id for message in found] == ids(*written)
    assert [message.position for message in found] == list(range(2500))
    assert await ids_of(reader.read(f"{category}-1", position=999)) == ids(*written[999:])
    assert await ids_of(reader.read(f"{category}-1", position=1, until=2001)) == ids(
        *written[1:2002]
    )
    assert await ids_of(reader.read_category(category)) == ids(*written)


@pytest.mark.parametrize("size", [999, 1000, 1001])
async def test_no_message_is_lost_at_the_edge_of_a_page(
    reader: Reader, writer: Writer, category: str, size: int
) -> None:
    written = many(size)
    await writer.append(f"{category}-1", *written)
    assert await ids_of(reader.read(f"{category}-1")) == ids(*written)
    assert await ids_of(reader.read_category(category)) == ids(*written)


async def test_position_and_until_are_inclusive(
    reader: Reader, writer: Writer, category: str
) -> None:
    written = many(5)
    await writer.append(f"{category}-1", *written)

    async def read(position: int, until: int | None = None) -> list[str]:
        return await ids_of(reader.read(f"{category}-1", position=position, until=until))

    assert await read(2) == ids(*written[2:])
    assert await read(2, 3) == ids(*written[2:4])
    assert await read(2, 2) == ids(written[2])
    assert await read(2, 99) == ids(*written[2:])
    assert await read(3, 2) == []
    assert await read(0, -1) == []
    assert await read(5) == []


async def test_what_is_not_there_reads_as_empty(reader: Reader, category: str) -> None:
    assert await all_of(reader.read(f"{category}-1")) == []
    assert await all_of(reader.read_category(category)) == []
    assert await reader.last(f"{category}-1") is None
    assert await reader.last(f"{category}-1", type="Written") is None
    assert await reader.by_id(str(uuid4())) is None
    assert await reader.by_id("no id") is None
    assert await reader.stream_version(f"{category}-1") == -1


async def test_last_is_the_newest_or_the_newest_of_a_type(
    reader: Reader, writer: Writer, category: str
) -> None:
    first, second, third = new("One"), new("Two"), new("One")
    await writer.append(f"{category}-1", first, second, third)
    for type, expected in ((None, third), ("One", third), ("Two", second)):
        found = await reader.last(f"{category}-1", type=type)
        assert found is not None
        assert found.id == expected.id
    assert await reader.last(f"{category}-1", type="Three") is None
    assert await reader.stream_version(f"{category}-1") == 2


async def test_a_message_is_found_by_its_id_in_either_case(
    reader: Reader, writer: Writer, category: str
) -> None:
    message = new()
    await writer.append(f"{category}-1", new(), message)
    [_, expected] = await all_of(reader.read(f"{category}-1"))
    assert await reader.by_id(message.id) == expected
    assert await reader.by_id(message.id.upper()) == expected


async def test_a_category_is_read_in_global_order_over_its_streams(
    reader: Reader, writer: Writer, category: str
) -> None:
    written = many(6)
    places: list[int] = []
    for n, message in enumerate(written):
        appended = await writer.append(f"{category}-{n % 3}", message)
        places += appended.global_positions
        await writer.append(f"{category}x-{n}", new())
        await writer.append(f"{category}:v0-{n}", new())
    found = await all_of(reader.read_category(category))
    assert [message.id for message in found] == ids(*written)
    assert [message.global_position for message in found] == places == sorted(places)
    assert await ids_of(reader.read_category(category, global_position=places[2])) == ids(
        *written[2:]
    )
    assert await ids_of(reader.read_category(category, global_position=places[5] + 1)) == []


async def test_only_messages_of_the_correlated_category_are_read(
    reader: Reader, writer: Writer, category: str
) -> None:
    def correlated(name: str | None) -> str:
        return "{}" if name is None else f'{{"correlationStreamName": "{name}"}}'

    named = ["other-1", "other", "otherwise-1", "other:v0-1", None, "", "-other"]
    written = [new(metadata=correlated(name)) for name in named] + [
        new(),
        new(metadata='{"correlationStreamName": null}'),
        new(metadata='{"correlationStreamName": 7}'),
    ]
    await writer.append(f"{category}-1", *written)
    assert await ids_of(reader.read_category(category, correlation="other")) == ids(*written[:2])
    assert await ids_of(reader.read_category(category, correlation="other:v0")) == ids(written[3])
    assert await ids_of(reader.read_category(category, correlation="7")) == ids(written[-1])


@pytest.mark.parametrize(
    ("value", "text"),
    [("true", "true"), ("1.50", "1.50"), ('{"b":1}', '{"b": 1}'), ('["a"]', '["a"]')],
)
async def test_a_correlation_that_is_no_text_is_its_json(
    reader: Reader, writer: Writer, category: str, value: str, text: str
) -> None:
    message = new(metadata=f'{{"correlationStreamName": {value}}}')
    await writer.append(f"{category}-1", message)
    assert await ids_of(reader.read_category(category, correlation=text)) == ids(message)


@pytest.mark.parametrize("size", [1, 2, 3, 8])
async def test_the_members_of_a_group_share_the_streams_among_them(
    reader: Reader, writer: Writer, category: str, size: int
) -> None:
    for n in range(24):
        await writer.append(f"{category}-{n}", new())
        await writer.append(f"{category}-{n}+child", new())
    shares = []
    for number in range(size):
        found = await all_of(reader.read_category(category, member=Member(number, size)))
        shares.append({message.stream_name for message in found})
    assert sorted(name for share in shares for name in share) == sorted(
        message.stream_name for message in await all_of(reader.read_category(category))
    )
    for share in shares:  # a child is where its root is
        assert {name.removesuffix("+child") for name in share} <= share


async def test_a_member_gets_the_streams_that_message_db_gives_it(
    reader: Reader, writer: Writer, category: str
) -> None:
    # Of hash_64('0') to hash_64('7'), as Message DB 1.3.0 computes them, modulo 3.
    expected = {0: ["1", "4", "5"], 1: ["0", "2"], 2: ["3", "6", "7"]}
    for n in range(8):
        await writer.append(f"{category}-{n}", new())
    for number, share in expected.items():
        found = await all_of(reader.read_category(category, member=Member(number, 3)))
        assert [message.stream_name.partition("-")[2] for message in found] == share


@pytest.mark.parametrize(("number", "size"), [(0, 0), (-1, 2), (2, 2), (0, 32_768)])
def test_a_member_outside_of_its_group_is_refused(number: int, size: int) -> None:
    with pytest.raises(ValidationError):
        Member(number, size)


@pytest.mark.parametrize("name", ["agent", "", "agent-\x00", "agent-\ud800", "agent-" + "x" * 8000])
async def test_what_is_no_stream_is_not_read(reader: Reader, name: str) -> None:
    with pytest.raises(RefusedName):
        await all_of(reader.read(name))
    with pytest.raises(RefusedName):
        await reader.last(name)
    with pytest.raises(RefusedName):
        await reader.stream_version(name)


@pytest.mark.parametrize("name", ["agent-1", "agent-", "", "agent\x00", "\udfff", "x" * 8000])
async def test_what_is_no_category_is_not_read(reader: Reader, name: str) -> None:
    with pytest.raises(RefusedName):
        await all_of(reader.read_category(name))
    with pytest.raises(RefusedName) as error:
        await all_of(reader.read_category("agent", correlation=name))
    assert error.value.field == "correlation"


async def test_a_page_that_is_left_early_lets_go_of_its_connection(
    reader: Reader, writer: Writer, category: str
) -> None:
    await writer.append(f"{category}-1", *many(3))
    for _ in range(30):  # more than any store has connections
        async for message in reader.read(f"{category}-1"):
            assert message.position == 0
            break
    assert await reader.stream_version(f"{category}-1") == 2


async def test_data_that_are_too_long_are_left_out_where_only_short_ones_are_wanted(
    reader: Reader, writer: Writer, category: str
) -> None:
    short, long = '{"n": 1}', json.dumps({"n": "x" * 100})
    await writer.append(f"{category}-1", new(data=short, metadata=long))
    await writer.append(f"{category}-1", new(data=long, metadata=short))
    await writer.append(f"{category}-1", new(data=long), new(data=None))
    cut = await all_of(reader.read_category(category, longest=50))
    assert [(m.data, m.metadata) for m in cut] == [
        (short, None),
        (None, short),
        (None, None),
        (None, None),
    ]
    whole = await all_of(reader.read_category(category, longest=len(long)))
    assert whole == await all_of(reader.read_category(category))
    assert [m.position for m in cut] == [m.position for m in whole] == [0, 1, 2, 3]
