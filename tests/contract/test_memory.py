"""What is remembered of users, on every store."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from messagedb_agent import Engine, connect
from messagedb_agent.agents.memory import MAX_FACTS, UserMemory
from messagedb_agent.errors import NotFound, RefusedName, StoreUnavailable, ValidationError
from messagedb_agent.events.chain import GENESIS, hash_text, row_hash
from messagedb_agent.events.memory import FactForgotten, FactRemembered
from messagedb_agent.events.recorded import UnknownEvent
from messagedb_agent.events.values import EventPlace
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.store.message import Message
from messagedb_agent.store.store import Store
from tests.contract.messages import new
from tests.counting_store import CountingStore
from tests.unit.engine.world import WatchedStore, engine_on


@pytest.fixture
async def engine(store: Store, category: str) -> AsyncIterator[Engine]:
    async with connect(store, category=category) as engine:
        yield engine


async def rows(engine: Engine, user: str = "ada") -> list[Message]:
    return [row async for row in engine.store.read(engine.memory.stream(user))]


def elsewhere(engine: Engine) -> UserMemory:
    """Return the memory as another process has it, which has read nothing yet."""
    return UserMemory(engine.store, engine.category, engine._workings.writing)


async def test_facts_are_known_by_their_keys_in_every_process(engine: Engine) -> None:
    memory = engine.memory
    taught = EventPlace(stream_name="agent:v0-one", position=3)
    await memory.set("ada", "city", "Paris", category="home", taught_by=taught, by="bob")
    await memory.set("ada", "children", [{"name": "Zoë", "age": 4}])
    await memory.set("bob", "city", "Rome")
    others = elsewhere(engine)
    city = await others.get("ada", "city")
    assert city
    assert (city.value, city.category, city.taught_by, city.by) == ("Paris", "home", taught, "bob")
    assert [fact.key for fact in await others.get_all("ada")] == ["city", "children"]
    assert await others.get_all("ada", category="home") == (city,)
    assert await others.get("ada", "street") is None
    assert await others.get_all("nobody") == ()
    assert await others.users() == ("ada", "bob")


async def test_nothing_that_was_known_is_lost(engine: Engine) -> None:
    memory = engine.memory
    await memory.set("ada", "city", "Paris")
    await memory.set("ada", "city", "Rome")
    await memory.forget("ada", "city", by="ada")
    assert await memory.get("ada", "city") is None
    assert [await _value(memory, at) for at in range(3)] == ["Paris", "Rome", None]
    assert await _value(memory, 99) is None
    events = [noted.event async for noted in memory.history("ada")]
    assert events[0] == FactRemembered(user="ada", key="city", value='"Paris"')
    assert events[2] == FactForgotten(user="ada", key="city", by="ada")
    with pytest.raises(ValidationError, match="from 0"):
        await memory.get_all("ada", at=-1)


async def _value(memory: UserMemory, at: int | None = None) -> object:
    fact = await memory.get("ada", "city", at=at)
    return fact and fact.value


async def test_the_same_again_writes_nothing(engine: Engine) -> None:
    first = await engine.memory.set("ada", "likes", {"b": 1, "a": [True, None]})
    assert await engine.memory.set("ada", "likes", {"a": [True, None], "b": 1}) == first
    assert len(await rows(engine)) == 1
    await engine.memory.set("ada", "likes", {"b": 1, "a": [1, None]})  # for JSON no longer the same
    await engine.memory.set("ada", "likes", {"b": 1, "a": [1, None]}, category="food")
    assert len(await rows(engine)) == 3


async def test_of_two_writers_at_once_both_are_recorded_and_the_last_one_counts(
    engine: Engine,
) -> None:
    others = [elsewhere(engine) for _ in range(4)]
    await engine.memory.get_all("ada")
    await asyncio.gather(*(other.set("ada", "city", n) for n, other in enumerate(others)))
    stored = [json.loads(row.data or "")["value"] for row in await rows(engine)]
    assert sorted(stored) == ["0", "1", "2", "3"]
    fact = await engine.memory.get("ada", "city")
    assert fact
    assert (fact.text, fact.place.position) == (stored[-1], 3)


async def test_a_fact_is_chained_and_follows_the_message_that_taught_it(engine: Engine) -> None:
    taught = EventPlace(stream_name="agent:v0-one", position=3)
    await engine.memory.set("ada", "city", "Paris", taught_by=taught)
    foreign = await engine.store.append(engine.memory.stream("ada"), new())
    await engine.memory.set("ada", "name", "Ada", by="nul\0")
    digest, stands = GENESIS, await rows(engine)
    for row in stands:
        digest = row_hash(digest, row)
        if row.position != foreign.position:
            said = json.loads(row.metadata or "")
            assert said["localProperties"]["hash"] == hash_text(digest)
            assert said["localProperties"]["writer"] == engine._workings.writing.writer
    first = json.loads(stands[0].metadata or "")
    assert first["causationMessageStreamName"] == "agent:v0-one"
    assert first["causationMessagePosition"] == 3
    assert json.loads(stands[2].metadata or "")["localProperties"]["sanitised"] is True


@pytest.mark.parametrize(
    "data",
    [
        '{"user": "ada", "key": "city", "value": "Rome"}',
        '{"user": "ada", "key": " ", "value": "1"}',
    ],
    ids=["no JSON text", "no key"],
)
async def test_what_others_write_into_a_users_stream_changes_nothing(
    engine: Engine, data: str
) -> None:
    await engine.memory.set("ada", "city", "Paris")
    stream = engine.memory.stream("ada")
    await engine.store.append(stream, new(type="UserRegistered"))
    await engine.store.append(stream, new(type="FactRemembered", data=data))
    await engine.memory.set("ada", "name", "Ada")
    memory = await engine.memory.recall("ada")
    assert [fact.value for fact in memory.facts.values()] == ["Paris", "Ada"]
    assert (memory.unreadable, memory.position) == (2, 3)
    kinds = [type(noted.event) async for noted in engine.memory.history("ada")]
    assert kinds == [FactRemembered, UnknownEvent, UnknownEvent, FactRemembered]


@pytest.mark.parametrize(
    "user",
    ["ada@example.org", "Ada King, Countess", "a+b:c/d-e~f", "Ünï\ncödé", "x" * 1000, "-", "."],
)
async def test_any_text_can_be_a_users_name(engine: Engine, user: str) -> None:
    await engine.memory.set(user, "city", "Paris")
    await engine.memory.set(user.upper()[:999] + "!", "city", "Rome")
    fact = await elsewhere(engine).get(user, "city")
    assert fact
    assert fact.value == "Paris"
    category = f"{engine.category}User"
    found = [row.stream_name async for row in engine.store.read_category(category)]
    assert len(set(found)) == 2
    assert found[0] == engine.memory.stream(user)
    assert all(set(name) <= set(_PLAIN) for name in found)
    assert user in await engine.memory.users()


_PLAIN = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~-"


@pytest.mark.parametrize("user", ["", " \n", "a\0b", "\ud800", "x" * 1001])
async def test_what_nobody_can_be_called_is_refused(user: str) -> None:
    memory = engine_on(MemoryStore()).memory
    with pytest.raises(RefusedName) as refused:
        await memory.set(user, "city", "Paris")
    assert refused.value.field == "user"


@pytest.mark.parametrize("key", ["", "  ", " a", "a\nb", "a\x1b[2J", "x" * 201, 7])
async def test_what_no_fact_can_be_called_is_refused(key: Any) -> None:
    memory = engine_on(MemoryStore()).memory
    with pytest.raises(ValidationError) as refused:
        await memory.set("ada", key, 1)
    assert refused.value.field == "key"
    with pytest.raises(ValidationError) as refused:
        await memory.set("ada", "city", 1, category=key)
    assert refused.value.field == "category"


_DEEP: list[object] = []
for _ in range(101):
    _DEEP = [_DEEP]


@pytest.mark.parametrize(
    "value",
    [float("nan"), {1, 2}, object(), b"bytes", "a\0b", {"\ud800": 1}, "x" * 16_384, _DEEP, {(): 1}],
    ids=["nan", "set", "object", "bytes", "NUL", "surrogate", "large", "deep", "tuple"],
)
async def test_a_value_that_cannot_be_kept_is_refused(value: object) -> None:
    engine = engine_on(MemoryStore())
    with pytest.raises(ValidationError) as refused:
        await engine.memory.set("ada", "city", value)
    assert refused.value.field == "value"
    assert await rows(engine) == []


async def test_text_that_only_looks_like_what_cannot_be_kept_is_kept() -> None:
    memory = engine_on(MemoryStore()).memory
    said = await memory.set("ada", "said", "\\u0000 and \\ud800, 10**400: " + "é" * 100)
    assert said.value == "\\u0000 and \\ud800, 10**400: " + "é" * 100
    assert (await memory.set("ada", "large", 10**40)).value == 10**40


async def test_a_key_that_is_not_there_cannot_be_forgotten() -> None:
    engine = engine_on(MemoryStore())
    with pytest.raises(NotFound, match="no fact 'city'"):
        await engine.memory.forget("ada", "city")
    assert await rows(engine) == []


async def test_of_one_user_a_bounded_number_of_facts_is_known() -> None:
    memory = engine_on(MemoryStore()).memory
    for n in range(MAX_FACTS):
        await memory.set("ada", f"k{n}", n)
    with pytest.raises(ValidationError, match="at most"):
        await memory.set("ada", "one more", 1)
    await memory.set("ada", "k0", "changed")
    await memory.forget("ada", "k1")
    await memory.set("ada", "one more", 1)


async def test_a_fact_whose_acknowledgement_was_lost_is_set_once() -> None:
    store = WatchedStore()
    memory = engine_on(store).memory

    async def lost(*_: object) -> None:
        store.after = None
        raise StoreUnavailable("gone")

    store.after = lost
    with pytest.raises(StoreUnavailable):
        await memory.set("ada", "city", "Paris")
    await memory.set("ada", "city", "Paris")
    assert len(store.commits) == 1


async def test_what_was_folded_of_users_is_dropped_with_the_rest_and_read_again() -> None:
    store = CountingStore()
    async with connect(store) as engine:
        await engine.memory.set("ada", "city", "Paris")
        store.given = 0
        assert await _value(engine.memory) == "Paris"
        assert store.given == 0
        engine.clear_cache()
        assert await _value(engine.memory) == "Paris"
        assert store.given == 1
