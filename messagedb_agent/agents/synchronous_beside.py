"""What stands beside threads, for synchronous code: users' memory, and named definitions.

What a method takes, gives and raises is what its twin of `Engine.memory` or `Engine.definitions`
does.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from messagedb_agent.agents.extracting import EngineMemory
from messagedb_agent.agents.twins import Home, items, whole
from messagedb_agent.definitions.authoring import AgentDefinition
from messagedb_agent.definitions.named import Definitions
from messagedb_agent.definitions.template import Template


@dataclass(frozen=True)
class SyncMemory:
    """What is known of users, for synchronous code.

    Attributes:
        asynchronous: the memory itself.
    """

    _home: Home = field(repr=False)
    asynchronous: EngineMemory

    as_prompt = whole(EngineMemory.as_prompt)
    extract = whole(EngineMemory.extract)
    forget = whole(EngineMemory.forget)
    get = whole(EngineMemory.get)
    get_all = whole(EngineMemory.get_all)
    history = items(EngineMemory.history)
    recall = whole(EngineMemory.recall)
    set = whole(EngineMemory.set)
    users = whole(EngineMemory.users)


@dataclass(frozen=True)
class SyncDefinitions:
    """Named definitions and templates, for synchronous code.

    Attributes:
        asynchronous: the definitions themselves.
    """

    _home: Home = field(repr=False)
    asynchronous: Definitions

    def templates(self) -> Sequence[Template]:
        """Return the templates that there are; see `Definitions.templates`."""
        return self.asynchronous.templates()

    def template(self, name: str, /, **variables: str) -> AgentDefinition:
        """Return a template filled in; see `Definitions.template`.

        Args:
            name: its name.
            variables: a value for each of its variables, one line of text.
        """
        return self.asynchronous.template(name, **variables)

    get = whole(Definitions.get)
    list = whole(Definitions.list)
    revisions = whole(Definitions.revisions)
    save = whole(Definitions.save)
