"""Archives that carry users' memory and definitions: whole or not at all, and only where asked."""

import hashlib
import json
from typing import Any

import pytest

from messagedb_agent import Agent, AgentDefinition, Engine
from messagedb_agent.audit import (
    StreamImport,
    archive_lines,
    beside_streams,
    check_import,
    import_threads,
    referred_streams,
    refused_exports,
    thread_ids,
)
from messagedb_agent.errors import Conflict, IntegrityError, ValidationError
from messagedb_agent.events.chain import hash_text
from messagedb_agent.events.values import EventPlace
from messagedb_agent.store.message import Message
from tests.contract.messages import new
from tests.unit.audit.test_archive import CATEGORY, FOREIGN, archive, imported, source, target

__all__ = ["source", "target"]

ADA, BOB, CLERK = "agentUser-ada", "agentUser-bob", "agentDefinition-clerk"
JUDGE = "agentDefinition-judge"


async def told(engine: Engine) -> Agent:
    """Begin a thread that recalls what is known of a user, and let it teach a fact."""
    await engine.memory.set("ada", "city", "Paris")
    await engine.memory.set("bob", "city", "Rome")
    await engine.store.append(ADA, *(new(*one) for one in FOREIGN))
    await engine.definitions.save("clerk", AgentDefinition(role="A clerk.", memory=True))
    await engine.definitions.save("judge", AgentDefinition(role="A judge."))
    agent = await engine.start("Hello!", definition="clerk", user="ada")
    taught = EventPlace(stream_name=f"{CATEGORY}-{agent.thread_id}", position=1)
    await engine.memory.set("ada", "mood", "good", taught_by=taught)
    return agent


async def exported(engine: Engine) -> list[str]:
    ids, beside = await thread_ids(engine), await beside_streams(engine)
    return [line async for line in archive_lines(engine, ids, beside)]


def changed(lines: list[str], stream: str, position: int, **values: Any) -> list[str]:
    """Return lines with another row in the place of one, and an end that fits."""
    found = list[str]()
    for line in lines[:-1]:
        row = json.loads(line)
        is_it = (row.get("streamName"), row.get("position")) == (stream, position)
        found.append(json.dumps({**row, **values}) if is_it else line)
    return ended(found, json.loads(lines[-1]))


def ended(lines: list[str], end: dict[str, Any]) -> list[str]:
    """Return lines behind which stands an end that fits them."""
    body = "".join(f"{line}\n" for line in lines).encode()
    return [*lines, json.dumps({**end, "sha256": hash_text(hashlib.sha256(body).digest())})]


async def skipping(engine: Engine, lines: list[str]) -> dict[str, StreamImport]:
    opened = archive(lines)
    plans = await check_import(engine, opened, skips_refused=True)
    done = import_threads(engine, opened, plans, skips_refused=True)
    return {one.stream: one async for one in done}


async def rows(engine: Engine, stream: str) -> list[tuple[Any, ...]]:
    return [_kept(row) async for row in engine.store.read(stream)]


def _kept(m: Message) -> tuple[Any, ...]:
    return (m.id, m.stream_name, m.type, m.position, m.data, m.metadata)


async def test_what_stands_beside_threads_is_the_same_and_verifies(
    source: Engine, target: Engine
) -> None:
    agent = await told(source)
    lines = await exported(source)
    assert json.loads(lines[0])["formatVersion"] == 2
    assert (json.loads(lines[-1])["threads"], json.loads(lines[-1])["beside"]) == (1, 4)
    done = await imported(target, lines)
    assert [one.stream for one in done[:-1]] == [CLERK, JUDGE, ADA, BOB]
    for one in done:
        assert (one.there, one.refused) == (0, None)
        assert await rows(target, one.stream) == await rows(source, one.stream)
    assert await target.memory.as_prompt("ada") == await source.memory.as_prompt("ada")
    found = await target.verify(agent.thread_id)
    assert (found.finding, found.memories, found.definitions) == (None, 1, 1)
    assert (found.absent_memories, found.absent_definitions) == ((), ())
    assert all(one.new == 0 for one in await imported(target, lines))


async def test_a_memory_that_has_gone_on_in_the_source_goes_on_here(
    source: Engine, target: Engine
) -> None:
    await told(source)
    await imported(target, await exported(source))
    await source.memory.set("bob", "city", "Oslo")
    again = await imported(target, await exported(source))
    assert {one.stream: (one.there, one.new) for one in again}[BOB] == (1, 1)
    assert await target.memory.get("bob", "city") == await source.memory.get("bob", "city")


@pytest.mark.parametrize("stream", [ADA, CLERK])
async def test_what_does_not_verify_keeps_all_out_or_is_left_out_alone(
    source: Engine, target: Engine, stream: str
) -> None:
    agent = await told(source)
    data = json.loads((await rows(source, stream))[0][4])
    lines = changed(await exported(source), stream, 0, data=json.dumps({**data, "by": "eve"}))
    with pytest.raises(IntegrityError, match=f"nothing is imported: {stream}/0 "):
        await imported(target, lines)
    assert await beside_streams(target) == ()
    done = await skipping(target, lines)
    assert [one.stream for one in done.values() if one.refused] == [stream]
    assert await rows(target, stream) == []
    found = await target.verify(agent.thread_id)
    absent = found.absent_memories if stream == ADA else found.absent_definitions
    assert (found.finding, absent) == (None, (f"{stream}/0",))


async def test_another_memory_of_the_same_user_is_not_written_over(
    source: Engine, target: Engine
) -> None:
    agent = await told(source)
    await target.memory.set("ada", "city", "Bern")
    before = await rows(target, ADA)
    lines = await exported(source)
    with pytest.raises(Conflict, match=f"{ADA} is there already and differs at position 0"):
        await imported(target, lines)
    assert await beside_streams(target) == (ADA,)
    done = await skipping(target, lines)
    assert [one.stream for one in done.values() if one.refused] == [ADA]
    assert await rows(target, ADA) == before
    found = await target.verify(agent.thread_id)
    assert (found.finding, found.absent_memories) == (None, (f"{ADA}/0",))


async def test_a_fact_whose_message_is_left_out_is_checked_again(
    source: Engine, target: Engine
) -> None:
    """Here stands the beginning of a thread that the file has wrong; the fact was taught later."""
    agent = await told(source)
    thread = f"{CATEGORY}-{agent.thread_id}"
    first = (await rows(source, thread))[0]
    await target.store.append(thread, new(first[2], first[4], first[5], id=first[0]))
    done = await skipping(target, changed(await exported(source), thread, 2, type="Paid"))
    assert {one.stream for one in done.values() if one.refused} == {thread, ADA}
    assert "the message that it was learned from is missing" in str(done[ADA].refused)


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"formatVersion": 3}, "it is of version 3; this program reads 1 and 2"),
        ({"formatVersion": 1}, "line 2: 'agentDefinition-clerk' is no thread of this category"),
    ],
)
async def test_what_a_newer_file_holds_is_refused_by_its_first_line(
    source: Engine, values: dict[str, Any], why: str
) -> None:
    await told(source)
    first, *lines = await exported(source)
    given = [json.dumps({**json.loads(first), **values}), *lines[:-1]]
    with pytest.raises(ValidationError, match=why):
        archive(ended(given, json.loads(lines[-1])))


@pytest.mark.parametrize("stream", ["agentThing-a", "agentUser-a+b", "otherUser-ada", "agent:v1-a"])
async def test_streams_of_unknown_kinds_are_refused_by_name(source: Engine, stream: str) -> None:
    await told(source)
    lines = [line.replace(f'"{BOB}"', f'"{stream}"') for line in await exported(source)]
    with pytest.raises(ValidationError, match="is no thread of this category, no user's memory"):
        archive(ended(lines[:-1], json.loads(lines[-1])))


async def test_other_numbers_of_streams_than_the_end_says_are_refused(source: Engine) -> None:
    await told(source)
    lines = await exported(source)
    for wrong in ({"beside": 3}, {"threads": 2, "beside": 3}):
        with pytest.raises(ValidationError, match="other numbers of threads"):
            archive(ended(lines[:-1], {**json.loads(lines[-1]), **wrong}))


async def test_threads_refer_to_what_they_recalled_and_ran_and_to_nothing_else(
    source: Engine,
) -> None:
    agent = await told(source)
    ids = [agent.thread_id]
    assert await referred_streams(source, ids, ("user", "definition")) == (CLERK, ADA)
    assert await referred_streams(source, ids, ["user"]) == (ADA,)
    assert await referred_streams(source, ids, ()) == ()


async def test_what_no_import_takes_is_known_when_it_is_exported(
    source: Engine, target: Engine
) -> None:
    await told(source)
    for row in await rows(source, ADA):
        await target.store.append(
            ADA, new(row[2], row[4] and row[4].replace("ood", "ad"), row[5], id=row[0])
        )
    refused = [one async for one in refused_exports(target, (), beside=(ADA,))]
    ((stream, why),) = refused
    assert (stream, str(why).startswith(f"{ADA}/6 FactRemembered: the hash")) == (ADA, True)
