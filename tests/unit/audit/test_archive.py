"""Threads as JSON Lines: nothing is lost on the way, and nothing is taken that is not whole."""

import hashlib
import io
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from messagedb_agent import Agent, Engine, MemoryStore, connect
from messagedb_agent.audit import (
    Archive,
    StreamImport,
    archive_lines,
    check_import,
    import_threads,
    missing_parents,
    open_archive,
    thread_ids,
)
from messagedb_agent.errors import (
    Conflict,
    DuplicateMessage,
    IntegrityError,
    RefusedPayload,
    ValidationError,
)
from messagedb_agent.events.chain import hash_text
from messagedb_agent.store.message import Message
from tests.contract.messages import new

CATEGORY = "agent:v0"
# Which a reader that makes doubles of numbers, or decodes and encodes, would change.
FOREIGN = (
    ("Paid", '{"amount": 1.50, "big": 12345678901234567890.10}', None),
    ("Said", '{"text": "Grüß \\u2028 \\ud83d\\ude00"}', None),
    ("Noted", None, '{"properties": {"a": 1.0}}'),
    ("Noted", "{}", None),
    ("Noted", None, None),
)


async def exported(engine: Engine, *ids: str) -> list[str]:
    return [line async for line in archive_lines(engine, ids or await thread_ids(engine))]


def archive(lines: list[str]) -> Archive:
    return open_archive(io.BytesIO("".join(f"{line}\n" for line in lines).encode()), CATEGORY)


async def imported(engine: Engine, lines: list[str]) -> list[StreamImport]:
    opened = archive(lines)
    plans = await check_import(engine, opened)
    return [one async for one in import_threads(engine, opened, plans)]


def sealed(lines: list[str]) -> list[str]:
    """Return lines with an end that fits them."""
    body = "".join(f"{line}\n" for line in lines[:-1]).encode()
    streams = {json.loads(line)["streamName"] for line in lines[1:-1]}
    end = {
        "messages": len(lines) - 2,
        "sha256": hash_text(hashlib.sha256(body).digest()),
        "threads": len(streams),
    }
    return [*lines[:-1], json.dumps(end)]


async def rows(engine: Engine, thread_id: str) -> list[tuple[Any, ...]]:
    """Return what of a thread must not change on the way."""
    return [_kept(m) async for m in engine.messages(thread_id)]


def _kept(m: Message) -> tuple[Any, ...]:
    return (m.id, m.stream_name, m.type, m.position, m.data, m.metadata)


@pytest.fixture
async def source() -> AsyncIterator[Engine]:
    async with connect(MemoryStore()) as one:
        yield one


@pytest.fixture
async def target() -> AsyncIterator[Engine]:
    async with connect(MemoryStore()) as one:
        yield one


async def talked(engine: Engine) -> Agent:
    agent = await engine.start("What is 42 * 7?")
    await engine.store.append(f"{CATEGORY}-{agent.thread_id}", *(new(*one) for one in FOREIGN))
    return await agent.advance("Thanks!", at_head=True)


async def test_an_imported_thread_is_the_same_and_verifies(source: Engine, target: Engine) -> None:
    agent = await talked(source)
    lines = await exported(source)
    done = await imported(target, lines)
    there = await rows(source, agent.thread_id)
    assert done == [StreamImport(f"{CATEGORY}-{agent.thread_id}", len(there), 0)]
    assert await rows(target, agent.thread_id) == there
    assert await target.verify(agent.thread_id) == await source.verify(agent.thread_id)
    assert (await target.verify(agent.thread_id)).finding is None
    assert all(line.isascii() for line in lines)


async def test_what_is_exported_of_an_import_is_the_same(source: Engine, target: Engine) -> None:
    await talked(source)
    lines = await exported(source)
    await imported(target, lines)
    again = [json.loads(line) for line in await exported(target)][1:-1]
    for one, other in zip(again, map(json.loads, lines[1:-1]), strict=True):
        for new_here in ("globalPosition", "time"):
            del one[new_here], other[new_here]
        assert one == other


async def test_importing_again_writes_nothing_and_is_no_error(
    source: Engine, target: Engine
) -> None:
    agent = await talked(source)
    lines = await exported(source)
    await imported(target, lines)
    there = await rows(target, agent.thread_id)
    assert await imported(target, lines) == [
        StreamImport(f"{CATEGORY}-{agent.thread_id}", 0, len(there))
    ]
    await target.store.append(f"{CATEGORY}-{agent.thread_id}", new("Paid"))
    assert await imported(target, lines) == [
        StreamImport(f"{CATEGORY}-{agent.thread_id}", 0, len(there))
    ]
    assert len(await rows(target, agent.thread_id)) == len(there) + 1


async def test_a_thread_that_has_gone_on_in_the_source_goes_on_here(
    source: Engine, target: Engine
) -> None:
    agent = await source.start("What is 42 * 7?")
    await imported(target, await exported(source))
    before = len(await rows(target, agent.thread_id))
    await agent.advance("Thanks!")
    (done,) = await imported(target, await exported(source))
    assert done == StreamImport(f"{CATEGORY}-{agent.thread_id}", 3, before)
    assert await rows(target, agent.thread_id) == await rows(source, agent.thread_id)


@pytest.mark.parametrize("field", ["id", "type", "data", "metadata"])
async def test_a_thread_that_is_another_here_is_refused_by_its_first_difference(
    source: Engine, target: Engine, field: str
) -> None:
    first, second = await talked(source), await talked(source)
    lines = await exported(source)
    given = [
        row for row in map(json.loads, lines[1:-1]) if row["streamName"].endswith(second.thread_id)
    ]
    other = {"id": "00000000-0000-4000-8000-000000000000", "type": "Other"}.get(field, '{"a": 1}')
    given[2][field] = other
    for row in given[:4]:
        message = new(row["type"], row["data"], row["metadata"], id=row["id"])
        await target.store.append(row["streamName"], message)
    why = rf"{second.thread_id} is there already and differs at position 2: another {field}"
    with pytest.raises(Conflict, match=why):
        await imported(target, lines)
    assert await rows(target, first.thread_id) == []


async def test_forks_come_behind_their_parents_and_verify(source: Engine, target: Engine) -> None:
    parent = await talked(source)
    fork = await parent.fork()
    grandchild = await (await fork.advance("And now?")).fork()
    ids = (grandchild.thread_id, fork.thread_id, parent.thread_id)
    lines = await exported(source, *ids)
    done = await imported(target, lines)
    assert [one.id for one in done] == list(ids[::-1])
    for thread_id in ids:
        assert (await target.verify(thread_id)).finding is None
    assert await missing_parents(source, ids) == []


async def test_a_fork_needs_its_parent_in_the_file_or_in_the_store(
    source: Engine, target: Engine
) -> None:
    parent = await talked(source)
    fork = await parent.fork()
    lines = await exported(source, fork.thread_id)
    assert await missing_parents(source, [fork.thread_id]) == [(fork.thread_id, parent.thread_id)]
    wrong = f"{fork.thread_id}/0: .* was forked from .*{parent.thread_id}, which is not here$"
    with pytest.raises(IntegrityError, match=wrong):
        await imported(target, lines)
    assert await rows(target, fork.thread_id) == []
    await imported(target, await exported(source, parent.thread_id))
    await imported(target, lines)
    assert (await target.verify(fork.thread_id)).finding is None


async def test_a_fork_of_another_parent_than_the_one_here_is_refused(
    source: Engine, target: Engine
) -> None:
    parent = await talked(source)
    fork = await parent.fork()
    lines = await exported(source, fork.thread_id)
    for row in await rows(source, parent.thread_id):
        changed = row[4].replace("42", "43") if row[4] else row[4]
        await target.store.append(row[1], new(row[2], changed, None, id=row[0]))
    with pytest.raises(IntegrityError, match="the hash does not follow"):
        await imported(target, lines)


async def test_a_row_that_does_not_follow_is_refused_before_anything_is_written(
    source: Engine, target: Engine
) -> None:
    sound, forged = await talked(source), await talked(source)
    lines = await exported(source, sound.thread_id, forged.thread_id)
    at = next(i for i, line in enumerate(lines) if forged.thread_id in line and "What is" in line)
    lines[at] = lines[at].replace("What is 42", "What is 43")
    with pytest.raises(ValidationError, match="its SHA-256 is another"):
        archive(lines)
    with pytest.raises(IntegrityError, match=f"{forged.thread_id}/1 UserMessageAdded: the hash"):
        await imported(target, sealed(lines))
    assert await thread_ids(target) == ()


async def test_every_file_that_is_cut_off_is_refused(source: Engine) -> None:
    await talked(source)
    text = "".join(f"{line}\n" for line in await exported(source)).encode()
    ends = [i + 1 for i, byte in enumerate(text) if byte == 10]
    for end in (*ends[:-1], *range(0, len(text), 97), len(text) - 1):
        with pytest.raises(ValidationError) as refused:
            open_archive(io.BytesIO(text[:end]), CATEGORY)
        assert refused.value.field == "file"


def dropped(rows: list[dict[str, Any]]) -> None:
    del rows[3]


def apart(rows: list[dict[str, Any]]) -> None:
    rows.append({**rows[0], "position": 99})
    rows[-2]["streamName"] = "agent:v0-other"
    rows[-2]["position"] = 0


def of_another_category(rows: list[dict[str, Any]]) -> None:
    rows[0]["streamName"] = "agent:v1-other"


def no_text(rows: list[dict[str, Any]]) -> None:
    rows[1]["data"] = {"text": "an object, not its text"}


def no_time(rows: list[dict[str, Any]]) -> None:
    rows[1]["time"] = "yesterday"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (dropped, "line 5: .* has position 4 where 3 must be"),
        (apart, "the rows of .* do not stand together"),
        (of_another_category, "'agent:v1-other' is no thread of this category"),
        (no_text, "line 3 is no message"),
        (no_time, "line 3 is no message"),
    ],
)
async def test_rows_that_cannot_be_a_threads_are_refused_by_their_line(
    source: Engine, change: Callable[[list[dict[str, Any]]], None], why: str
) -> None:
    await source.start("What is 42 * 7?")
    first, *lines, end = await exported(source)
    given = [json.loads(line) for line in lines]
    change(given)
    with pytest.raises(ValidationError, match=why):
        archive(sealed([first, *map(json.dumps, given), end]))


@pytest.mark.parametrize(
    ("given", "instead", "why"),
    [
        ('"formatVersion":1', '"formatVersion":3', "of version 3; this program reads 1 and 2"),
        ('"messagedb-agent threads"', '"something"', "it is no export of threads"),
        ('"agent:v0"', '"agent:v1"', "of the category 'agent:v1', not 'agent:v0'"),
    ],
)
async def test_what_is_no_export_of_this_is_refused_by_its_first_line(
    source: Engine, given: str, instead: str, why: str
) -> None:
    first, *others = await exported(source)
    with pytest.raises(ValidationError, match=why):
        archive([first.replace(given, instead), *others])


async def test_what_a_store_cannot_hold_is_refused_before_anything_is_written(
    source: Engine, target: Engine
) -> None:
    agent = await talked(source)
    first, *lines, end = await exported(source)
    given = [json.loads(line) for line in lines]
    given[-1]["data"] = "[1]"
    with pytest.raises(RefusedPayload, match=r"nothing is imported: .* is not a JSON object"):
        await imported(target, sealed([first, *map(json.dumps, given), end]))
    assert await rows(target, agent.thread_id) == []


async def test_a_thread_with_an_id_that_is_taken_is_not_written_at_all(
    source: Engine, target: Engine
) -> None:
    agent = await talked(source)
    taken = (await rows(source, agent.thread_id))[3][0]
    await target.store.append("other-1", new("Paid", id=taken))
    with pytest.raises(DuplicateMessage):
        await imported(target, await exported(source))
    assert await rows(target, agent.thread_id) == []
