"""`connect`: from a place where threads are kept to an engine that works on them."""

import os
from collections.abc import Generator, Sequence
from types import TracebackType
from typing import Any, Protocol

from messagedb_agent.agents.database import Database
from messagedb_agent.agents.engine import Engine
from messagedb_agent.agents.models import finder
from messagedb_agent.agents.snapshot_policy import (
    DEFAULT_SNAPSHOTS,
    SnapshotPolicy,
    snapshot_policy,
)
from messagedb_agent.agents.watching import Watching
from messagedb_agent.engine.journal import Writing
from messagedb_agent.llm.model import LanguageModel, Models
from messagedb_agent.llm.resolve import ModelSettings
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
    models: LanguageModel | Models | None = None,
    model_settings: ModelSettings | None = None,
    category: str = "agent",
    version: str = "v0",
    snapshots: str = DEFAULT_SNAPSHOTS,
    watching: Watching | None = None,
) -> Connecting:
    """Return an engine, to be awaited or entered with `async with`, which closes it at the end.

    Closing it closes the store and the models, also a store and a model that were given here; not
    the models that a function given here returns.

    Args:
        where: a `postgresql://` URL of a Message DB, a `Database`, or a store such as
            `MemoryStore()`; None is the embedded server in the platform's user data folder.
        tools: what agents may call; the built-in tools by default.
        models: a `LanguageModel` of the caller's, which answers by whatever name an agent has for
            its model, or a function that finds one by that name; by default `offline` and every
            model of litellm.
        model_settings: how the models of litellm are reached; by default with the keys of the
            environment.
        category: category of the threads' streams; `my-agent` becomes `myAgent`.
        version: version in the streams' names.
        snapshots: how often the fold of a long thread is kept beside it, so that its next turn in
            another process reads what came since: `never`, `once` or `every N`, in events.
        watching: watches all threads, such as `messagedb_agent.observability.tracing.Tracing`; who
            gives it closes it.

    Raises:
        RefusedName: the category or the version (at once).
        ValidationError: something is no tool, two tools have the same name, `models` is neither
            a model nor finds one, or `snapshots` is no policy (at once).
        ConfigurationError: the URL, the role, the password or the database is wrong, a pooler
            stands before it that keeps no sessions, there can be no embedded server here, or a
            tool is transactional and the store has no transactions.
        StoreUnavailable: the database was not reached, or the embedded server did not start.
        NotMessageDb: Message DB is not, or not wholly, in the database.
        UnsupportedMessageDb: another version of it is.
    """
    category = normalised_category(category)
    thread_category(category, version)
    settings = model_settings or ModelSettings(environ=os.environ)
    box = Toolbox(*(builtin_tools() if tools is None else tools))
    policy = snapshot_policy(snapshots)
    return _Connecting(where, box, finder(models, settings), category, version, policy, watching)


class _Connecting:
    def __init__(
        self,
        where: str | Database | Store | None,
        tools: Toolbox,
        models: Models,
        category: str,
        version: str,
        snapshots: SnapshotPolicy,
        watching: Watching | None,
    ) -> None:
        self._watching = watching
        self._where = where
        self._tools = tools
        self._models = models
        self._category = category
        self._version = version
        self._snapshots = snapshots
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
            self._snapshots,
            self._watching,
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
