"""Engines of several processes on one Message DB, with a tool that notes its runs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from messagedb_agent.agents.agent import Agent
from messagedb_agent.agents.engine import Engine
from messagedb_agent.consumers import Worker
from messagedb_agent.llm.offline import OfflineModel
from messagedb_agent.store.message_db import MessageDbStore
from messagedb_agent.tools.function_tool import tool
from messagedb_agent.tools.tool import ToolContext
from messagedb_agent.tools.toolbox import Toolbox
from tests.unit.consumers.working import working

CALL = "call work"


@dataclass
class Work:
    """A tool that notes each time it is run, under its key."""

    runs: list[str]
    seconds: float = 0.0

    @property
    def box(self) -> Toolbox:
        @tool(effect="never")
        async def work(context: ToolContext) -> str:
            """Work."""
            self.runs.append(context.idempotency_key)
            await asyncio.sleep(self.seconds)
            return "worked"

        return Toolbox(work)


@asynccontextmanager
async def an_engine(url: str, category: str, work: Work) -> AsyncIterator[Engine]:
    """An engine as another process would have it, on connections of its own."""
    async with await MessageDbStore.connect(url) as store:
        yield Engine(store, lambda _: OfflineModel(), work.box, category)


async def begun(engine: Engine, count: int) -> list[Agent]:
    return [await engine.start(CALL, detached=True) for _ in range(count)]


@asynccontextmanager
async def a_worker(url: str, category: str, work: Work, **options: Any) -> AsyncIterator[Worker]:
    """Run a worker on connections of its own."""
    async with an_engine(url, category, work) as engine, working(engine, **options) as worker:
        yield worker
