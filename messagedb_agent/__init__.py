"""Agents whose whole life is an event log in Message DB (PostgreSQL).

    async with messagedb_agent.connect() as engine:
        agent = await engine.start("What is 42 * 7?")
        print(agent.answer)

Names are loaded when they are first used, so that importing the package costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the same for type checkers and editors; a test compares it with `_HOMES`
    from messagedb_agent.agents.agent import Agent as Agent
    from messagedb_agent.agents.chat import Chat as Chat
    from messagedb_agent.agents.connecting import connect as connect
    from messagedb_agent.agents.engine import Engine as Engine
    from messagedb_agent.agents.simple import SimpleAgent as SimpleAgent
    from messagedb_agent.consumers.subscription import Subscription as Subscription
    from messagedb_agent.definitions.authoring import AgentDefinition as AgentDefinition
    from messagedb_agent.errors import AgentError as AgentError
    from messagedb_agent.errors import Conflict as Conflict
    from messagedb_agent.errors import IntegrityError as IntegrityError
    from messagedb_agent.errors import LimitReached as LimitReached
    from messagedb_agent.errors import ModelError as ModelError
    from messagedb_agent.errors import NotFound as NotFound
    from messagedb_agent.errors import ToolError as ToolError
    from messagedb_agent.errors import ValidationError as ValidationError
    from messagedb_agent.events.values import Limits as Limits
    from messagedb_agent.llm.names import Model as Model
    from messagedb_agent.llm.providers import Provider as Provider
    from messagedb_agent.projections.projection import Projection as Projection
    from messagedb_agent.store.memory import MemoryStore as MemoryStore
    from messagedb_agent.tools.function_tool import tool as tool
    from messagedb_agent.tools.tool import Tool as Tool
    from messagedb_agent.tools.tool import ToolContext as ToolContext

__version__ = "0.1.0"

_HOMES = {
    "Agent": "agents.agent",
    "AgentDefinition": "definitions.authoring",
    "AgentError": "errors",
    "Chat": "agents.chat",
    "Conflict": "errors",
    "Engine": "agents.engine",
    "IntegrityError": "errors",
    "LimitReached": "errors",
    "Limits": "events.values",
    "MemoryStore": "store.memory",
    "Model": "llm.names",
    "ModelError": "errors",
    "NotFound": "errors",
    "Projection": "projections.projection",
    "Provider": "llm.providers",
    "SimpleAgent": "agents.simple",
    "Subscription": "consumers.subscription",
    "Tool": "tools.tool",
    "ToolContext": "tools.tool",
    "ToolError": "errors",
    "ValidationError": "errors",
    "connect": "agents.connecting",
    "tool": "tools.function_tool",
}

if not TYPE_CHECKING:  # seen by type checkers, these would hide names, and make up others
    __all__ = list(_HOMES)

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return [*_HOMES, "__version__"]
