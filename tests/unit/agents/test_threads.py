"""Finding threads, and what stands in the way."""

from math import nan

import pytest

from messagedb_agent.agents.connecting import connect
from messagedb_agent.agents.engine import Engine
from messagedb_agent.errors import (
    AmbiguousName,
    IntegrityError,
    NotFound,
    RefusedName,
    StoreUnavailable,
    ValidationError,
)
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.store.message import NewMessage
from messagedb_agent.tools.toolbox import Toolbox
from tests.contract.messages import new
from tests.unit.engine.world import engine_on, scripted, types


def forged_fork(parent: str, position: int) -> NewMessage:
    engine = engine_on(MemoryStore())
    definition = engine.define().model_dump_json(by_alias=True, exclude_none=True)
    point = f'{{"streamName": "{parent}", "position": {position}, "eventId": "x"}}'
    data = f'{{"threadId": "f", "definition": {definition}, "forkedFrom": {point}}}'
    return new("SessionStarted", data)


async def test_threads_are_listed_newest_first_with_prefixes_that_name_them() -> None:
    engine = engine_on(MemoryStore(), scripted("one", "two", "three"))
    first, second = await engine.start("first"), await engine.start("second")
    await first.advance("again")
    listed = await engine.threads()
    assert [one.summary.thread_id for one in listed] == [first.thread_id, second.thread_id]
    for one in listed:
        assert await engine.find_thread(one.prefix) == one.summary.thread_id
    assert await engine.find_thread("last") == first.thread_id
    assert await engine.threads(limit=1) == listed[:1]
    assert await engine.threads(limit=0) == ()


async def test_a_prefix_of_two_threads_names_neither() -> None:
    store = MemoryStore()
    engine = engine_on(store)
    for id in ("abcdef-1", "abcdef-2", "abcdef"):
        await store.append(f"agent:v0-{id}", new("UserMessageAdded", '{"text": "hi"}'))
    with pytest.raises(AmbiguousName) as caught:
        await engine.find_thread("abc")
    assert set(caught.value.candidates) == {"abcdef", "abcdef-1", "abcdef-2"}
    assert await engine.find_thread("abcdef") == "abcdef"
    for name in ("nobody", "a b"):
        with pytest.raises(NotFound):
            await engine.latest(name)
    with pytest.raises(RefusedName):
        await engine.latest("")


async def test_nothing_is_found_where_there_is_nothing() -> None:
    engine = engine_on(MemoryStore())
    assert await engine.threads() == ()
    with pytest.raises(NotFound):
        await engine.latest("last")


async def test_one_broken_thread_does_not_hide_the_others() -> None:
    store = MemoryStore()
    engine = engine_on(store, scripted("one"))
    whole = await engine.start("first")
    await store.append("agent:v0-orphan", forged_fork("agent:v0-gone", 7))
    await store.append("agent:v0-forged", forged_fork("nostream", 0))
    await store.append("agent:v0-circle", forged_fork("agent:v0-circle", 0))
    await store.append("agent:v0-garbage", new("SessionStarted", '{"threadId": 7}'))
    await store.append("agent:v0-unheard", new("OrderPlaced", "{}"))
    await store.append("agent:v0-parent+child", new("UserMessageAdded", '{"text": "hi"}'))
    await store.append("agent:v0-with blank", new("UserMessageAdded", '{"text": "hi"}'))
    listed = await engine.threads()
    assert [one.summary.thread_id for one in listed] == [
        "unheard",
        "garbage",
        "circle",
        "forged",
        "orphan",
        whole.thread_id,
    ]
    assert await engine.find_thread("last") == "unheard"
    for broken in ("orphan", "forged", "circle"):
        with pytest.raises(IntegrityError):
            await engine.latest(broken)
        assert (await engine.verify(broken)).finding is not None


async def test_an_event_in_a_stream_that_is_no_thread_is_no_agent() -> None:
    store = MemoryStore()
    engine = engine_on(store)
    strange = new("UserMessageAdded", '{"text": "hi"}')
    await store.append("agent:v0-parent+child", strange)
    with pytest.raises(NotFound):
        await engine.load_agent(strange.id)


async def test_fields_that_are_wrong_are_refused_before_anything_is_written() -> None:
    engine = engine_on(MemoryStore(), scripted("one"))
    with pytest.raises(ValidationError) as caught:
        await engine.create_agent(colour="red")
    assert caught.value.field == "colour"
    with pytest.raises(ValidationError):
        await engine.create_agent(limits="many")
    for value in (object(), nan, {7: 1}):
        with pytest.raises(ValidationError) as caught:
            await engine.create_agent(metadata={"what": value})
        assert caught.value.field == "metadata"
    with pytest.raises(ValidationError):
        await engine.start(" ")
    assert await engine.threads() == ()
    agent = await engine.create_agent()
    for changes in ({"colour": "red"}, {"model": 7}):
        with pytest.raises(ValidationError):
            await agent.advance("hi", **changes)
    assert await types(engine, agent.thread_id) == ("SessionStarted",)


async def test_what_was_noted_with_a_thread_is_read_back() -> None:
    engine = engine_on(MemoryStore())
    agent = await engine.create_agent("clerk", user="ann", metadata={"order": [7, 1.5, "ü"]})
    assert agent.metadata == {"order": [7, 1.5, "ü"]}
    assert agent.name == "clerk"
    assert (await engine.load_agent(agent.id)).metadata == agent.metadata


async def test_closing_twice_is_closing_once() -> None:
    async with connect(MemoryStore(), tools=()) as engine:
        await engine.create_agent()
    await engine.close()
    with pytest.raises(StoreUnavailable):
        await engine.threads()


async def test_a_category_that_no_reader_could_find_is_refused_at_once() -> None:
    with pytest.raises(RefusedName):
        connect(MemoryStore(), category="a:b")


async def test_threads_of_another_version_or_category_are_not_seen() -> None:
    store = MemoryStore()
    await engine_on(store).create_agent()
    await engine_on(store, category="other").create_agent()
    newer = Engine(store, lambda _: scripted(), Toolbox(), version="v1")
    assert await newer.threads() == ()
