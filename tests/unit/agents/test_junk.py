"""What no caller can mean ends in an error of ours that names what is at fault; nothing is kept."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from reprlib import repr as short
from typing import Any
from uuid import UUID

import pytest

from messagedb_agent.agents.agent import Agent
from messagedb_agent.agents.engine import Engine
from messagedb_agent.errors import NotFound, RefusedName, RefusedPayload, ValidationError
from messagedb_agent.llm.offline import OfflineModel
from messagedb_agent.llm.scripted import ScriptedModel
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.tools.function_tool import tool
from tests.unit.engine.world import assert_sound, engine_on, scripted, types

Asked = Callable[[Engine, Agent], Awaitable[object]]


class Endless(dict[str, Any]):
    """A mapping that holds itself."""

    def __init__(self) -> None:
        super().__init__()
        self["again"] = self


def nested(depth: int) -> dict[str, Any]:
    inner: dict[str, Any] = {}
    for _ in range(depth):
        inner = {"in": inner}
    return inner


class NoSchema:
    """Nothing that pydantic knows."""


class Raising:
    """A type that fails in its own way."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: object) -> object:
        raise KeyError("mine")


def two_of_one_name() -> list[Any]:
    @tool(name="same")
    def one() -> str:
        """Do one."""
        return "one"

    @tool(name="same")
    def two() -> str:
        """Do another."""
        return "two"

    return [one, two]


TEXTS: list[Any] = [nested(5000), None, 3, b"bytes", ["list"], "", " \n"]
IDS: list[Any] = [
    "",
    "x",
    None,
    3,
    b"1",
    [],
    "\0",
    "\ud800",
    "x" * 10_000,
    f"{{{UUID(int=1)}}}",
]
METADATA: dict[str, Any] = {
    "nan": {"x": math.nan},
    "inf": {"x": [math.inf]},
    "too long a number": {"x": 10**400},
    "a list": [1],
    "a text": "x",
    "an empty text": "",
    "a number": 0,
    "a truth": True,
    "bytes": {"x": b""},
    "an object": {"x": NoSchema()},
    "a key that is no text": {1: 2},
    "half a pair": {"x": "\ud800"},
    "itself": Endless(),
    "too deep": nested(5000),
}


@pytest.mark.parametrize("text", TEXTS, ids=short)
async def test_what_is_no_text_is_refused(text: Any) -> None:
    asked: dict[str, list[Asked]] = {
        "text": [lambda _, agent: agent.advance(text), lambda engine, _: engine.start(text)],
        "title": [lambda _, agent: agent.set_title(text)],
        "tag": [lambda _, agent: agent.tag(text)],
        "name": [lambda engine, _: engine.find_by_name(text)],
    }
    for field, calls in asked.items():
        for ask in calls:
            await refused(ask, field)


@pytest.mark.parametrize("user", [3, ["list"], {}], ids=repr)
async def test_what_is_no_user_is_refused(user: Any) -> None:
    await refused(lambda _, agent: agent.advance("hi", user=user), "user")
    await refused(lambda engine, _: engine.create_agent(user=user), "user")
    await refused(lambda engine, _: engine.create_agent(user=user, memory=True), "user")
    with pytest.raises(RefusedName):
        await engine_on(MemoryStore()).memory.recall(user)


@pytest.mark.parametrize("id", IDS, ids=short)
async def test_what_is_no_id_is_refused(id: Any) -> None:
    await refused(lambda engine, _: engine.load_agent(id), "id")
    await refused(lambda engine, agent: engine.load_agents([agent.id, id]), "id")
    if id is not None:
        await refused(lambda _, agent: agent.advance("hi", message_id=id), "message_id")
        await refused(lambda engine, _: engine.start("hi", message_id=id), "message_id")


async def test_an_id_may_be_given_as_any_uuid() -> None:
    engine = engine_on(MemoryStore())
    agent = await engine.create_agent()
    for form in (agent.id, agent.id.upper(), agent.id.replace("-", ""), f" {agent.id} "):
        assert await engine.load_agent(form) == agent
    assert await engine.load_agent(UUID(agent.id)) == agent  # type: ignore[arg-type]  # is tried
    with pytest.raises(NotFound):
        await engine.load_agent(agent.thread_id)


@pytest.mark.parametrize("name", METADATA)
async def test_what_is_no_metadata_is_refused(name: str) -> None:
    given: Any = METADATA[name]
    await refused(lambda engine, _: engine.create_agent(metadata=given), "metadata")
    await refused(lambda engine, _: engine.start("hi", metadata=given), "metadata")
    await refused(lambda _, agent: agent.with_metadata(given), "metadata")


@pytest.mark.parametrize("position", [True, False, 1.0, "1", None, b"1"], ids=repr)
async def test_what_is_no_position_is_refused(position: Any) -> None:
    await refused(lambda _, agent: agent.at(position), "position")
    if position is not None:
        await refused(lambda engine, _: engine.memory.recall("ada", at=position), "at")


@pytest.mark.parametrize("position", [-1, 1, 10**6, 2**63, 2**70])
async def test_where_no_event_is_there_is_no_state(position: int) -> None:
    agent = await engine_on(MemoryStore()).create_agent()
    with pytest.raises(NotFound, match=str(position)):
        await agent.at(position)


@pytest.mark.parametrize(
    "kind",
    [NoSchema, Raising, 3, "Unknown", math, Callable, {"type": 3}, {"enum": [math.nan]}],
    ids=str,
)
async def test_a_type_of_which_no_schema_can_be_made_is_refused(kind: Any) -> None:
    await refused(lambda _, agent: agent.advance("hi", output=kind), "output")
    await refused(lambda engine, _: engine.start("hi", output=kind), "output")


async def test_options_that_cannot_be_meant_are_refused() -> None:
    wrong: dict[str, Any] = {"during": "later", "limits": 3, "parameters": 3, "bogus": 1}
    for name, value in wrong.items():
        given = {name: value}
        await refused(lambda _, agent, given=given: agent.advance("hi", **given), name)  # type: ignore[misc]
    for tools in (3, "look", two_of_one_name()):
        await refused(lambda _, agent, tools=tools: agent.advance("hi", tools=tools), "tools")  # type: ignore[misc]
    await refused(lambda engine, _: engine.create_agent(tool_names=3), "tool_names")
    limits: Any = {"rounds_per_turn": 3}
    await refused(lambda _, agent: agent.resume(limits=limits), "limits")


async def test_what_is_larger_than_the_store_takes_leaves_nothing() -> None:
    engine = engine_on(MemoryStore(), scripted())
    agent = await engine.create_agent()
    huge = "x" * 10_000_000
    asked: list[Callable[[], Awaitable[object]]] = [
        lambda: agent.advance(huge),
        lambda: agent.advance("hi", user=huge),
        lambda: engine.create_agent(huge),
        lambda: engine.create_agent(metadata={"x": huge}),
        lambda: agent.set_title(huge),
    ]
    for ask in asked:
        with pytest.raises(RefusedPayload, match="1048576 are allowed"):
            await ask()
    assert await types(engine, agent.thread_id) == ("SessionStarted",)
    assert await engine.count_agents() == 1


async def test_what_the_database_cannot_hold_is_said_without_it() -> None:
    model = scripted("one")
    engine = engine_on(MemoryStore(), model)
    agent = await engine.create_agent("a\0b", user="u\ud800")
    later = await agent.advance("a\0b\ud800c")
    assert (await later.messages())[0].text == "a\ufffdb\ufffdc"
    assert [later.user, later.name] == ["u\ufffd", "a\ufffdb"]
    await assert_sound(engine, agent.thread_id)


async def test_a_hundred_turns_of_one_state_at_once_are_a_hundred_threads() -> None:
    engine = engine_on(MemoryStore(), OfflineModel())
    agent = await engine.create_agent()
    made = await asyncio.gather(*(agent.advance(f"echo {n}") for n in range(100)))
    assert len({one.thread_id for one in made}) == 100
    assert len({one.id for one in made}) == 100
    assert {(await one.messages())[0].text for one in made} == {f"echo {n}" for n in range(100)}
    assert [one.thread_id for one in made].count(agent.thread_id) == 1
    await assert_sound(engine, made[-1].thread_id)


async def test_a_clone_of_a_fork_of_a_fork_goes_on_from_all_of_its_past() -> None:
    engine = engine_on(MemoryStore(), ScriptedModel("one", "two", "three"))
    agent = await (await engine.create_agent()).advance("first")
    fork = await (await agent.fork()).advance("second")
    last = await (await (await fork.fork()).clone()).advance("third")
    said = [(message.role, message.text) for message in await last.messages()]
    assert [text for role, text in said if role == "user"] == ["first", "second", "third"]
    assert last.answer == "three"
    await assert_sound(engine, last.thread_id)


async def refused(ask: Asked, field: str) -> None:
    """Hold that an engine refuses something by name, and that nothing was written."""
    engine = engine_on(MemoryStore(), scripted())
    agent = await engine.create_agent()
    with pytest.raises(ValidationError) as error:
        await ask(engine, agent)
    assert error.value.field == field
    assert len(str(error.value)) < 400
    assert await types(engine, agent.thread_id) == ("SessionStarted",)
    assert await engine.count_agents() == 1
