"""`connect`: from a place where threads are kept to an engine that works on them."""

import os
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from messagedb_agent.agents.database import Database, check_bounds
from messagedb_agent.agents.engine import Engine
from messagedb_agent.agents.equipment import Workings
from messagedb_agent.agents.models import finder
from messagedb_agent.agents.snapshot_policy import DEFAULT_SNAPSHOTS, snapshot_policy
from messagedb_agent.agents.watching import Watching
from messagedb_agent.definitions.shelf import Shelf
from messagedb_agent.engine.journal import Writing
from messagedb_agent.errors import ValidationError
from messagedb_agent.llm.model import LanguageModel, Models
from messagedb_agent.llm.providers import Provider
from messagedb_agent.llm.resolve import ModelSettings, check_providers
from messagedb_agent.llm.tokenizing import tokens
from messagedb_agent.store.store import Store
from messagedb_agent.store.stream_name import normalised_category, thread_category
from messagedb_agent.tools.builtin import builtin_tools
from messagedb_agent.tools.object_tool import AnyTool
from messagedb_agent.tools.toolbox import Toolbox

if TYPE_CHECKING:
    from messagedb_agent.agents.synchronous import SyncEngine


class Connecting(Protocol):
    """An engine to be: await it, or enter it as a context that closes it."""

    async def init_schema(self) -> bool:
        """Install Message DB where it is missing; see `Engine.init_schema`."""
        ...

    def sync(self) -> "SyncEngine":
        """Connect, and return an engine for synchronous code: a context that closes it at the end.

        Raises as `connect` does. See `messagedb_agent.agents.synchronous`.
        """
        ...

    def __await__(self) -> Generator[Any, None, Engine]: ...
    async def __aenter__(self) -> Engine: ...
    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


def connect(
    url: str | Database | Store | None = None,
    *,
    min_size: int = 2,
    max_size: int = 10,
    max_inactive_connection_lifetime: float = 300,
    providers: Mapping[str, Provider] | None = None,
    tools: Sequence[AnyTool] | None = None,
    models: LanguageModel | Models | None = None,
    model_settings: ModelSettings | None = None,
    category: str = "agent",
    version: str = "v0",
    snapshots: str = DEFAULT_SNAPSHOTS,
    watching: Watching | None = None,
    templates: str | Path | None = None,
) -> Connecting:
    """Return an engine, to be awaited or entered with `async with`, which closes it at the end.

    Closing it closes the store and the models, also a store and a model that were given here; not
    the models that a function given here returns.

    Args:
        url: a `postgresql://` URL of a Message DB, a `Database`, or a store such as
            `MemoryStore()`; None is the embedded server in the platform's user data folder.
        min_size: how many connections are opened at once, and kept when nobody needs them. This
            and the next two are for a URL or None: a `Database` has bounds of its own, and a store
            is connected already.
        max_size: how many connections may be open at once; those on which locks are kept, and on
            which news are heard, come on top.
        max_inactive_connection_lifetime: seconds after which a connection beyond `min_size` that
            nobody has used is closed.
        providers: keys, addresses and regions of providers, by what stands before the `/` in a
            model's name: `{"openai": Provider(api_key=...)}`. They go before the environment, and
            are neither recorded nor shown. Any provider of litellm may be named.
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
        templates: folder with templates of definitions, each a file `NAME.toml`, that stand before
            those of this package.

    Raises:
        RefusedName: the category or the version (at once).
        ValidationError: something is no tool, two tools have the same name, `models` is neither
            a model nor finds one, `snapshots` is no policy, a bound on connections is none, or
            what is said of a provider cannot be meant (at once); or neither this package nor
            litellm knows a provider.
        ConfigurationError: there is no such folder of templates (at once); or
            the URL, the role, the password or the database is wrong, a pooler
            stands before it that keeps no sessions, there can be no embedded server here, or a
            tool is transactional and the store has no transactions.
        StoreUnavailable: the database was not reached, or the embedded server did not start.
        NotMessageDb: Message DB is not, or not wholly, in the database.
        UnsupportedMessageDb: another version of it is.
    """
    category = normalised_category(category)
    thread_category(category, version)
    check_bounds(min_size, max_size, max_inactive_connection_lifetime)
    settings = _settings(model_settings, providers, models)
    box = Toolbox(*(builtin_tools() if tools is None else tools))
    policy = snapshot_policy(snapshots)
    if url is None or isinstance(url, str):
        url = Database(
            url,
            min_size=min_size,
            max_size=max_size,
            max_inactive_s=max_inactive_connection_lifetime,
        )
    found = finder(models, settings)
    shelf = Shelf(None if templates is None else Path(templates))
    workings = Workings(Writing(tokens=tokens), policy, watching, shelf)
    return _Connecting(url, settings, box, found, category, version, workings)


def _settings(
    settings: ModelSettings | None,
    providers: Mapping[str, Provider] | None,
    models: LanguageModel | Models | None,
) -> ModelSettings:
    settings = settings or ModelSettings(environ=os.environ)
    if providers is None:
        return settings
    if models is not None:
        raise ValidationError(
            "providers: they are for the models of litellm, and `models` gives others",
            field="providers",
        )
    if not isinstance(providers, Mapping):
        raise ValidationError("providers: it is no mapping from names", field="providers")
    return replace(settings, providers=dict(providers))


@dataclass
class _Connecting:
    where: Database | Store
    settings: ModelSettings
    tools: Toolbox
    models: Models
    category: str
    version: str
    workings: Workings
    _engine: Engine | None = None

    def __getattr__(self, name: str) -> NoReturn:
        """Say how an engine is had, to whoever takes this for one."""
        raise AttributeError(
            f"connect(...) has no {name!r} yet: `engine = await connect(...)`, `async with"
            " connect(...) as engine`, or, in synchronous code, `with connect(...).sync() as"
            " engine`",
            name=name,
            obj=self,
        )

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
        await check_providers(self.settings)
        where = self.where
        database = where if isinstance(where, Database) else None
        return Engine(
            await where.connect() if isinstance(where, Database) else where,
            self.models,
            self.tools,
            self.category,
            self.version,
            database,
            self.workings,
        )

    def sync(self) -> "SyncEngine":
        from messagedb_agent.agents.synchronous import SyncEngine

        return SyncEngine(self._connect())

    async def init_schema(self) -> bool:
        where = self.where
        return await where.install() if isinstance(where, Database) else False
