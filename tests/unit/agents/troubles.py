"""Agents in trouble: each with a thread of its own, in a state in which much is refused."""

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any

import pytest

from messagedb_agent.agent.commands import Delete
from messagedb_agent.agents.agent import Agent
from messagedb_agent.agents.engine import Engine
from messagedb_agent.errors import (
    LimitReached,
    ModelError,
)
from messagedb_agent.events.request import CallFailure, Request, ToolAnswer, UserText
from messagedb_agent.events.values import Limits
from messagedb_agent.llm.scripted import Said, ScriptedModel, call
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.store.message import NewMessage
from messagedb_agent.tools.function_tool import tool
from tests.unit.engine.world import (
    Gate,
    WatchedStore,
    engine_on,
    look,
    scripted,
    stream_of,
    under_way,
)

ID = "0190b0a0-0000-7000-8000-000000000001"


@tool(needs_approval=True)
def pay() -> str:
    """Pay."""
    return "paid"


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
