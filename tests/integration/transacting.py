"""What tests of transactional tools share: a tool that pays, engines that do not hear, locks."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from random import Random
from uuid import UUID

import psycopg

from messagedb_agent.agents.agent import Agent
from messagedb_agent.agents.engine import Engine
from messagedb_agent.events.schema import ToolExecutionCompleted, ToolExecutionFailed
from messagedb_agent.llm.scripted import ScriptedModel, call
from messagedb_agent.store.hold import Hold
from messagedb_agent.store.message_db import MessageDbStore
from messagedb_agent.store.ownership import lock_keys
from messagedb_agent.tools.function_tool import tool
from messagedb_agent.tools.object_tool import AnyTool
from messagedb_agent.tools.tool import ToolContext
from messagedb_agent.tools.toolbox import Toolbox
from tests.integration.ledger import Ledger
from tests.unit.engine.world import (
    events,
    scripted,
)

After = Callable[[ToolContext], Awaitable[object]]


async def nothing(_: ToolContext) -> None:
    pass


def paying(ledger: Ledger, after: After = nothing, timeout_s: float | None = None) -> AnyTool:
    """Return a tool that writes a line, and then does something else."""

    @tool(transactional=True, timeout_s=timeout_s)
    async def pay(line: str, context: ToolContext) -> str:
        """Pay."""
        await context.connection.execute(ledger.insert, (context.call_id, line))
        await after(context)
        return f"paid {line}"

    return pay


class WatchedStore(MessageDbStore):
    """A store whose owners do not hear that they have lost a stream, as paused processes do not.

    Attributes:
        tries: how often somebody has tried to own a stream.
    """

    tries = 0

    @asynccontextmanager
    async def own(self, stream: str) -> AsyncIterator[Hold | None]:
        self.tries += 1
        async with super().own(stream) as hold:
            yield hold and Hold(hold.version)


@asynccontextmanager
async def engine_at(
    url: str, category: str, model: ScriptedModel, *tools: AnyTool
) -> AsyncIterator[Engine]:
    # Never prepared, so that every request holds the words that a proxy looks for.
    async with await WatchedStore.connect(url, prepare_threshold=None) as store:
        yield Engine(store, lambda _: model, Toolbox(*tools), category)


def paid(*lines: str) -> ScriptedModel:
    """Return a model that pays, call by call, and then is done."""
    return scripted(*(call("pay", line=line) for line in lines), "done")


async def outcomes(engine: Engine, agent: Agent) -> list[str]:
    """Return what came of each tool call: its result, or its kind and message."""
    told = []
    for recorded in await events(engine, agent.thread_id):
        match recorded.event:
            case ToolExecutionCompleted(result=result):
                told.append(result)
            case ToolExecutionFailed(kind=kind, message=message):
                told.append(f"{kind}: {message}")
            case _:
                pass
    return told


async def break_lock(url: str, stream: str) -> None:
    """End the session that owns a stream, as its server may."""
    high, low = (key & 0xFFFFFFFF for key in lock_keys(stream))
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks"
            " WHERE locktype = 'advisory' AND classid = %s::oid AND objid = %s::oid",
            (high, low),
        )


def uuid_of(chance: Random) -> str:
    return str(UUID(int=chance.getrandbits(128), version=4))
