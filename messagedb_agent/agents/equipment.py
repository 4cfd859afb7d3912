"""What an engine works with: a store, models and tools, which are let go together."""

from dataclasses import dataclass, field
from functools import cached_property

from messagedb_agent.agents.database import Database
from messagedb_agent.agents.defining import check_transactional
from messagedb_agent.agents.memory import UserMemory
from messagedb_agent.agents.snapshot_policy import SnapshotPolicy
from messagedb_agent.agents.watching import Watching
from messagedb_agent.definitions.shelf import Shelf
from messagedb_agent.engine.journal import Writing
from messagedb_agent.llm.model import Connected, Models
from messagedb_agent.store.store import Store
from messagedb_agent.tools.tool import Tools


@dataclass(frozen=True)
class Workings:
    """What goes on inside of an engine, and is nothing to whoever asks it.

    Attributes:
        writing: clock, ids and writer.
        snapshots: how often a long thread's fold is kept.
        watching: watches all threads, such as tracing does; None for nobody.
        shelf: where templates of definitions are found.
    """

    writing: Writing = field(default_factory=Writing)
    snapshots: SnapshotPolicy = field(default_factory=SnapshotPolicy)
    watching: Watching | None = None
    shelf: Shelf = field(default_factory=Shelf)


@dataclass(frozen=True)
class Equipment:
    """What threads of one category are worked on with.

    Attributes:
        store: where the threads are kept.
        models: finds a model by its name.
        tools: the toolbox of all agents here.
        category: category of the threads, normalised.
        version: version in their stream names.
        database: what the store is connected to; None where the caller brought the store.

    Raises:
        ConfigurationError: a tool is transactional, and the store has no transactions.
    """

    store: Store
    models: Models = field(repr=False)
    tools: Tools = field(repr=False)
    category: str = "agent"
    version: str = "v0"
    database: Database | None = None
    _workings: Workings = field(default_factory=Workings, repr=False)

    def __post_init__(self) -> None:
        check_transactional(self.tools, self.store)

    @cached_property
    def memory(self) -> UserMemory:
        """What is known of users, across threads."""
        return UserMemory(self.store, self.category, self._workings.writing)

    async def _let_go(self) -> None:
        try:
            if isinstance(self.models, Connected):
                await self.models.close()
        finally:
            await self.store.close()
