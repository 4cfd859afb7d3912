"""Each error of the tree comes where the docstrings of agents and engines say that it does."""

import inspect
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from pydantic import BaseModel

from messagedb_agent import errors
from messagedb_agent.agents.agent import Agent
from messagedb_agent.agents.engine import Engine
from messagedb_agent.errors import (
    AgentError,
    Conflict,
    IntegrityError,
    LimitReached,
    ModelError,
    NotFound,
    ValidationError,
)
from messagedb_agent.events.values import Limits
from messagedb_agent.projections.conversation import conversation
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.tools.function_tool import tool
from messagedb_agent.tools.tool import ToolContext
from tests.unit.agents.troubles import ID, World, engine_with
from tests.unit.engine.world import (
    Gate,
    engine_on,
    look,
    scripted,
    under_way,
)

HUGE = "x" * 2_000_000


class Bill(BaseModel):
    euro: int


@tool(transactional=True)
async def book(context: ToolContext) -> str:
    """Book."""
    return "booked"


Deed = Callable[[World], Awaitable[object]]


def on(state: str, name: str, *given: Any, **named: Any) -> Deed:
    """Return what asks something of an agent in some state."""

    async def deed(world: World) -> object:
        agent = await getattr(world, state)()
        return await getattr(agent, name)(*given, **named)

    return deed


def at(name: str, *given: Any, **named: Any) -> Deed:
    """Return what asks something of an agent at rest."""

    async def deed(world: World) -> object:
        return await getattr(world.agent, name)(*given, **named)

    return deed


def of(name: str, *given: Any, **named: Any) -> Deed:
    """Return what asks something of the engine."""

    async def deed(world: World) -> object:
        result = getattr(world.engine, name)(*given, **named)
        return await result if inspect.isawaitable(result) else result

    return deed


async def _said_twice(world: World) -> object:
    await world.agent.advance("one", message_id=ID)
    return await world.agent.advance("two", message_id=ID)


async def _started_twice(world: World) -> object:
    await world.engine.start("one", message_id=ID)
    return await world.engine.start("two", message_id=ID)


async def _fork_of_a_failure(world: World) -> object:
    failed = await world.failed()
    state = failed.view.conversation.state
    assert state.failed
    claimed = [m async for m in world.engine.messages(failed.thread_id)][-2]
    return await (await world.engine.load_agent(claimed.id)).fork()


async def _during_a_turn(world: World) -> object:
    gate = Gate()
    engine = engine_on(MemoryStore(), scripted(gate.answer("late")))
    agent = await engine.create_agent()
    async with under_way(agent.advance("go")):
        await gate.entered.wait()
        return await agent.advance("me", during="reject", at_head=True)


async def _output(world: World) -> object:
    return world.agent.output


async def _output_as(world: World, kind: Any = Bill) -> object:
    return world.agent.output_as(kind)


ONE_ROUND = Limits(rounds_per_turn=1)
CASES: Sequence[tuple[str, str, Deed]] = (
    ("Agent.advance", "ModelError", at("advance", "fail")),
    ("Agent.advance", "ModelError", at("advance", "hi", output=Bill)),
    ("Agent.advance", "LimitReached", at("advance", "look for ever", limits=ONE_ROUND)),
    ("Agent.advance", "ValidationError", at("advance", " ")),
    ("Agent.advance", "ValidationError", at("advance", "hi", message_id="7")),
    ("Agent.advance", "ValidationError", at("advance", "hi", model="")),
    ("Agent.advance", "ValidationError", at("advance", "hi", output=World)),
    ("Agent.advance", "RefusedPayload", at("advance", HUGE)),
    ("Agent.advance", "DuplicateMessage", _said_twice),
    ("Agent.advance", "TurnUnderWay", _during_a_turn),
    ("Agent.advance", "Refused", on("deleted", "advance", "hi")),
    ("Agent.advance", "ConfigurationError", on("left_open", "advance", "hi", at_head=True)),
    ("Agent.advance", "IntegrityError", on("orphan", "advance", "hi")),
    ("Agent.advance", "StoreUnavailable", on("away", "advance", "hi")),
    ("Agent.resume", "ModelError", on("failed", "resume")),
    ("Agent.resume", "ValidationError", on("failed", "resume", model="")),
    ("Agent.resume", "RefusedPayload", on("failed", "resume", system_prompt=HUGE)),
    ("Agent.resume", "Refused", on("deleted", "resume")),
    ("Agent.resume", "ConfigurationError", on("left_open", "resume")),
    ("Agent.resume", "IntegrityError", on("orphan", "resume")),
    ("Agent.resume", "StoreUnavailable", on("away", "resume")),
    ("Agent.approve", "NotFound", on("asked", "approve", "nobody")),
    ("Agent.approve", "Refused", at("approve")),
    ("Agent.approve", "ValidationError", on("asked", "approve", arguments="[")),
    ("Agent.approve", "ValidationError", on("asked", "approve", arguments={"to": 1})),
    ("Agent.approve", "RefusedPayload", on("asked", "approve", reason=HUGE)),
    ("Agent.deny", "NotFound", on("asked", "deny", "nobody")),
    ("Agent.deny", "Refused", at("deny")),
    ("Agent.deny", "RefusedPayload", on("asked", "deny", reason=HUGE)),
    ("Agent.cancel", "Refused", on("deleted", "cancel")),
    ("Agent.cancel", "RefusedPayload", on("asked", "cancel", reason=HUGE)),
    ("Agent.cancel", "IntegrityError", on("orphan", "cancel")),
    ("Agent.cancel", "StoreUnavailable", on("away", "cancel")),
    ("Agent.end", "Refused", on("deleted", "end")),
    ("Agent.end", "RefusedPayload", at("end", reason=HUGE)),
    ("Agent.end", "StoreUnavailable", on("away", "end")),
    ("Agent.resolve", "NotFound", at("resolve", "nobody", "completed", "yes")),
    ("Agent.fork", "ValidationError", at("fork", title=" ")),
    ("Agent.fork", "ModelError", _fork_of_a_failure),
    ("Agent.fork", "StoreUnavailable", on("away", "fork")),
    ("Agent.output", "NotFound", _output),
    ("Agent.output_as", "NotFound", _output_as),
    ("Engine.start", "ModelError", of("start", "fail")),
    ("Engine.start", "ValidationError", of("start", " ")),
    ("Engine.start", "ValidationError", of("start", "hi", output=World)),
    ("Engine.start", "ValidationError", of("start", "hi", metadata={"a": object()})),
    ("Engine.start", "NotFound", of("start", "hi", definition="nobody")),
    ("Engine.start", "RefusedPayload", of("start", HUGE)),
    ("Engine.start", "DuplicateMessage", _started_twice),
    ("Engine.define", "ValidationError", of("define", "")),
    ("Engine.define", "ValidationError", of("define", nonsense=1)),
    ("Engine.create_agent", "ValidationError", of("create_agent", "")),
    ("Engine.create_agent", "RefusedPayload", of("create_agent", metadata={"a": HUGE})),
    ("Engine.create_agent", "NotFound", of("create_agent", definition="nobody")),
    ("Engine.with_tools", "ValidationError", of("with_tools", look)),
    ("Engine.with_tools", "ConfigurationError", of("with_tools", book)),
    ("Engine.load_agent", "NotFound", of("load_agent", ID)),
    ("Engine.load_agent", "ValidationError", of("load_agent", "7")),
    ("Engine.latest", "NotFound", of("latest", "nobody")),
    ("Engine.latest", "RefusedName", of("latest", "")),
    ("Engine.fold", "RefusedName", of("fold", "a/b", conversation)),
    ("Engine.verify", "RefusedName", of("verify", "a/b")),
    ("Engine.family", "RefusedName", of("family", "a/b")),
    ("Engine.messages", "RefusedName", of("messages", "a/b")),
    ("Engine.newest", "RefusedName", of("newest", "a/b")),
)


@pytest.mark.parametrize(
    ("method", "error", "deed"), CASES, ids=[f"{m}-{e}-{i}" for i, (m, e, _) in enumerate(CASES)]
)
async def test_what_a_docstring_says_is_raised_is_raised(
    method: str, error: str, deed: Deed
) -> None:
    name, _, attribute = method.partition(".")
    described = inspect.getattr_static({"Agent": Agent, "Engine": Engine}[name], attribute)
    text = getattr(described, "func", described).__doc__ or ""
    assert error in re.findall(r"^ +([A-Z]\w+):", text.partition("Raises:")[2], re.MULTILINE)

    engine = engine_with(MemoryStore())
    world = World(engine, await engine.create_agent("Ada"))
    expected: type[AgentError] = getattr(errors, error)
    with pytest.raises(expected) as caught:
        await deed(world)
    assert type(caught.value) is expected
    if isinstance(caught.value, ValidationError):
        assert caught.value.field


def test_every_error_is_one_of_the_tree_that_is_drawn() -> None:
    drawn = re.findall(r"── (\w+)", errors.__doc__ or "")
    classes = [c for c in vars(errors).values() if inspect.isclass(c) and c is not AgentError]
    assert sorted(drawn) == sorted(c.__name__ for c in classes if issubclass(c, AgentError))
    top = [NotFound, ValidationError, Conflict, ModelError, errors.ToolError, LimitReached]
    assert all(c.__bases__ == (AgentError,) for c in [*top, IntegrityError])
