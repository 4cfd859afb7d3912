"""`connect`: from a place where threads are kept to an engine that works on them."""

import os
from collections.abc import Generator, Sequence
from types import TracebackType
from typing import Any, Protocol

from messagedb_agent.agents.database import Database
from messagedb_agent.agents.engine import Engine
from messagedb_agent.engine.journal import Writing
from messagedb_agent.llm.litellm_library import close_connections
from messagedb_agent.llm.model import Model, Models
from messagedb_agent.llm.resolve import ModelSettings, resolve
from messagedb_agent.store.store import Store
from messagedb_agent.store.stream_name import normalised_category, thread_category
from messagedb_agent.tools.builtin import builtin_tools
from messagedb_agent.tools.object_tool import AnyTool
from messagedb_agent.tools.toolbox import Toolbox


class Connecting(Protocol):
    """An engine to be: await it, or enter it as a context that closes it."""

    def __await__(self) -> Generator[Any, None, Engine]: ...
    async def __aenter__(self) -> Engine: ...
    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


def connect(
    where: str | Database | Store | None = None,
    *,
    tools: Sequence[AnyTool] | None = None,
    models: Models | None = None,
    model_settings: ModelSettings | None = None,
    category: str = "agent",
    version: str = "v0",
) -> Connecting:
    """Return an engine, to be awaited or entered with `async with`.

    Args:
        where: a `postgresql://` URL of a Message DB, a `Database`, or a store such as
            `MemoryStore()`; None is the embedded server in the platform's user data folder.
        tools: what agents may call; the built-in tools by default.
        models: finds a model by its name; by default `offline` and every model of litellm.
        model_settings: how models are reached; by default with the keys of the environment.
        category: category of the threads' streams; `my-agent` becomes `myAgent`.
        version: version in the streams' names.

    Raises:
        RefusedName: the category or the version (at once).
        ConfigurationError: the database or a tool is configured wrongly.
        StoreUnavailable: the database was not reached.
        NotMessageDb: Message DB is not in the database.
    """
    category = normalised_category(category)
    thread_category(category, version)
    settings = model_settings or ModelSettings(environ=os.environ)
    box = Toolbox(*(builtin_tools() if tools is None else tools))
    return _Connecting(where, box, models or _Resolved(settings), category, version)


class _Resolved:
    """Models by name, each made once."""

    def __init__(self, settings: ModelSettings) -> None:
        self._settings = settings
        self._made: dict[str, Model] = {}

    def __call__(self, name: str) -> Model:
        if name not in self._made:
            self._made[name] = resolve(name, settings=self._settings)
        return self._made[name]

    async def close(self) -> None:
        await close_connections()


class _Connecting:
    def __init__(
        self,
        where: str | Database | Store | None,
        tools: Toolbox,
        models: Models,
        category: str,
        version: str,
    ) -> None:
        self._where = where
        self._tools = tools
        self._models = models
        self._category = category
        self._version = version
        self._engine: Engine | None = None

    def __await__(self) -> Generator[Any, None, Engine]:
        return self._connect().__await__()

    async def __aenter__(self) -> Engine:
        self._engine = await self._connect()
        return self._engine

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._engine:
            await self._engine.close()

    async def _connect(self) -> Engine:
        return Engine(
            await _store(self._where),
            self._models,
            self._tools,
            self._category,
            self._version,
            Writing(),
        )


async def _store(where: str | Database | Store | None) -> Store:
    match where:
        case None:
            return await Database().connect()
        case str():
            return await Database(where).connect()
        case Database():
            return await where.connect()
        case _:
            return where
