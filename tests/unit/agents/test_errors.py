"""Each error of the tree comes where the docstrings of agents and engines say that it does."""

import asyncio
import inspect
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import BaseModel

from messagedb_agent import errors
from messagedb_agent.agent.commands import Delete, Say
from messagedb_agent.agents.agent import Agent
from messagedb_agent.agents.engine import Engine
from messagedb_agent.errors import (
    AgentError,
    ConfigurationError,
    Conflict,
    IntegrityError,
    LimitReached,
    ModelError,
    NotFound,
    StoreUnavailable,
    ValidationError,
)
from messagedb_agent.events.request import CallFailure, Request, ToolAnswer, UserText
from messagedb_agent.events.values import Limits
from messagedb_agent.llm.scripted import Said, ScriptedModel, call
from messagedb_agent.projections.conversation import conversation
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.store.message import Appended, NewMessage
from messagedb_agent.tools.function_tool import tool
from messagedb_agent.tools.tool import ToolContext
from tests.properties.conversation_rules import broken_request
from tests.unit.engine.world import (
    Gate,
    WatchedStore,
    assert_sound,
    engine_on,
    look,
    scripted,
    stream_of,
    types,
    under_way,
)

ID = "0190b0a0-0000-7000-8000-000000000001"
HUGE = "x" * 2_000_000


class Bill(BaseModel):
    euro: int


@tool(needs_approval=True)
def pay() -> str:
    """Pay."""
    return "paid"


@tool(transactional=True)
async def book(context: ToolContext) -> str:
    """Book."""
    return "booked"


def _answer(request: Request) -> Said:
    """Do what the user has said last."""
    last = request.messages[-2 if request.output_schema else -1]
    text = next(m.text for m in reversed(request.messages[:]) if isinstance(m, UserText))
    if isinstance(last, ToolAnswer):
        return call("look") if "for ever" in text else "seen"
    match text.split()[0]:
        case "fail":
            return CallFailure("refused", "no")
        case "look":
            return call("look")
        case "pay":
            return call("pay")
        case _:
            return "hello"


def engine_with(store: MemoryStore, *tools: Any) -> Engine:
    model = ScriptedModel(_answer, repeat=True)
    return engine_on(store, model, *(tools or (look, pay)))


@dataclass
class World:
    """An engine, and agents of threads of its own, each in another state."""

    engine: Engine
    agent: Agent

    async def deleted(self) -> Agent:
        return await self.engine.ask(self.agent, Delete())

    async def failed(self) -> Agent:
        return await held(self.agent.advance("fail"), ModelError)

    async def limited(self, limits: Limits) -> Agent:
        return await held(self.agent.advance("look for ever", limits=limits), LimitReached)

    async def asked(self) -> Agent:
        return await self.agent.advance("pay")

    async def orphan(self) -> Agent:
        """Return an agent, not read yet, of a fork whose parent is gone."""
        fork = await self.agent.fork()
        store = self.engine.store
        assert isinstance(store, MemoryStore)
        orphaned = MemoryStore()
        stream = stream_of(self.engine, fork.thread_id)
        rows = [m async for m in store.read(stream)]
        messages = [NewMessage(m.id, m.type, m.data or "", m.metadata) for m in rows]
        await orphaned.append(stream, *messages)
        return Agent(fork.id, fork.thread_id, fork.view, engine_with(orphaned))

    async def away(self) -> Agent:
        await self.engine.close()
        return self.agent

    async def left_open(self) -> Agent:
        """Return an agent of a thread whose tool is not here, though a call of it is open."""
        store, gate = WatchedStore(), Gate()

        @tool(effect="retry")
        async def work() -> str:
            """Work."""
            await gate.pass_through()
            return "worked"

        engine = engine_on(store, scripted(call("work")), work)
        begun = await engine.create_agent()
        async with under_way(begun.advance("go")):
            await gate.entered.wait()
            store.disown(stream_of(engine, begun.thread_id))
            there = engine_with(copied := MemoryStore())
            stream = stream_of(engine, begun.thread_id)
            rows = [m async for m in store.read(stream)]
            await copied.append(
                stream, *(NewMessage(m.id, m.type, m.data or "", m.metadata) for m in rows)
            )
        return await there.latest(begun.thread_id)


async def held(asked: Awaitable[Agent], error: type[ModelError] | type[LimitReached]) -> Agent:
    with pytest.raises(error) as caught:
        await asked
    assert isinstance(caught.value, ModelError | LimitReached)
    return caught.value.agent


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


class Unreliable(WatchedStore):
    """A store that goes away behind some appends."""

    def __init__(self, appends: int) -> None:
        super().__init__()
        self.left = appends

    async def append(
        self, stream: str, *messages: NewMessage, expected_version: int | None = None
    ) -> Appended:
        if self.left == 0:
            raise StoreUnavailable("it is away")
        self.left -= 1
        return await super().append(stream, *messages, expected_version=expected_version)


@pytest.mark.parametrize("appends", [1, 2, 3, 4])
async def test_a_store_that_goes_away_leaves_the_agent_as_it_was_and_resume_goes_on(
    appends: int,
) -> None:
    store = Unreliable(appends)
    engine = engine_with(store)
    agent = await engine.create_agent()
    before = (agent.id, agent.view, agent.status)
    with pytest.raises(StoreUnavailable):
        await agent.advance("look", message_id=ID)
    assert (agent.id, agent.view, agent.status) == before
    store.left = -1
    if appends > 1:  # what was said stands, and the same agent goes on with it
        assert (await agent.resume()).answer == "seen"
    again = await agent.advance("look", message_id=ID)
    assert again.answer == "seen"
    assert (await types(engine, agent.thread_id)).count("UserMessageAdded") == 1
    await assert_sound(engine, agent.thread_id)


async def test_a_task_that_is_cancelled_leaves_the_agent_as_it_was_and_resume_goes_on() -> None:
    gate = Gate()
    model = scripted(gate.answer("late"), "hello")
    engine = engine_on(MemoryStore(), model)
    agent = await engine.create_agent()
    before = agent.view
    task = asyncio.ensure_future(agent.advance("hi"))
    await gate.entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert agent.view is before
    resumed = await agent.resume()
    assert resumed.answer == "hello"
    await assert_sound(engine, agent.thread_id)


@pytest.mark.parametrize("how", ["resume", "message", "fork"])
async def test_at_the_limit_of_rounds_no_call_is_unanswered_and_the_thread_goes_on(
    how: str,
) -> None:
    engine = engine_with(MemoryStore())
    agent = await engine.create_agent()
    limits = Limits(rounds_per_turn=2)
    stopped = await held(agent.advance("look for ever", limits=limits), LimitReached)
    assert (stopped.status, stopped.parent_id) == ("limit", agent.id)
    assert agent.status == "waiting"
    assert (await types(engine, agent.thread_id))[-1] == "LimitReached"
    shown = stopped.view.conversation
    messages = [entry.message for entry in shown.entries]
    asked = [c.call_id for m in messages for c in getattr(m, "calls", ())]
    answered = [m.call_id for m in messages if isinstance(m, ToolAnswer)]
    assert answered == asked
    assert len(asked) == 2
    assert broken_request(shown) is None

    match how:
        case "resume":
            more = await held(stopped.resume(), LimitReached)
            assert more.thread_id == agent.thread_id
        case "message":
            assert (await stopped.advance("and now?")).answer == "hello"
        case _:
            fork = await (await engine.load_agent(stopped.id)).fork(detached=True)
            assert (await engine.ask(fork, Say("and now?"))).answer == "hello"
    await assert_sound(engine, agent.thread_id)


async def test_an_error_of_configuration_leaves_what_was_said_for_who_has_the_tool() -> None:
    engine = engine_with(MemoryStore())
    agent = await World(engine, await engine.create_agent()).left_open()
    before = agent.view
    with pytest.raises(ConfigurationError):
        await agent.advance("hi", at_head=True)
    assert agent.view is before
    there = await types(engine_on(agent.engine.store), agent.thread_id)
    assert there[-2:] == ("ToolExecutionStarted", "UserMessageAdded")

    @tool(effect="retry")
    async def work() -> str:
        """Work."""
        return "worked after all"

    store = agent.engine.store
    other = engine_on(store, scripted("done"), work)
    resumed = await (await other.latest(agent.thread_id)).resume()
    assert resumed.answer == "done"
    assert "ToolExecutionCompleted" in await types(other, agent.thread_id)
    await assert_sound(other, agent.thread_id)
