"""Agents whose whole life is an event log in Message DB (PostgreSQL).

    async with messagedb_agent.connect() as engine:
        agent = await engine.start("What is 42 * 7?")
        print(agent.answer)

Names are loaded when they are first used, so that importing the package costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from messagedb_agent.agents.agent import Agent
    from messagedb_agent.agents.chat import Chat
    from messagedb_agent.agents.connecting import connect
    from messagedb_agent.agents.database import Database
    from messagedb_agent.agents.engine import Engine
    from messagedb_agent.agents.family import Branch, Family
    from messagedb_agent.agents.finding import Listed
    from messagedb_agent.agents.progress import Progress
    from messagedb_agent.agents.simple import SimpleAgent
    from messagedb_agent.agents.waiting import WaitingCall
    from messagedb_agent.consumers.subscription import Subscription
    from messagedb_agent.definitions.authoring import AgentDefinition
    from messagedb_agent.engine.findings import Verification
    from messagedb_agent.errors import AgentError, ToolError
    from messagedb_agent.events.codec import decode
    from messagedb_agent.events.recorded import Recorded
    from messagedb_agent.events.values import Limits, ModelParameters
    from messagedb_agent.llm.model import LanguageModel
    from messagedb_agent.llm.names import Model
    from messagedb_agent.llm.providers import Provider
    from messagedb_agent.llm.resolve import ModelSettings
    from messagedb_agent.projections.projection import Projection, fold
    from messagedb_agent.store.memory import MemoryStore
    from messagedb_agent.store.message import Message
    from messagedb_agent.store.stream_name import normalised_category
    from messagedb_agent.tools.builtin import builtin_tools
    from messagedb_agent.tools.function_tool import tool
    from messagedb_agent.tools.loading import load_tools
    from messagedb_agent.tools.reconciling import Reconciled
    from messagedb_agent.tools.tool import Tool, ToolContext

__version__ = "0.1.0"

_HOMES = {
    "Agent": "agents.agent",
    "AgentDefinition": "definitions.authoring",
    "AgentError": "errors",
    "Branch": "agents.family",
    "Chat": "agents.chat",
    "Database": "agents.database",
    "Engine": "agents.engine",
    "Family": "agents.family",
    "Limits": "events.values",
    "Listed": "agents.finding",
    "MemoryStore": "store.memory",
    "Message": "store.message",
    "LanguageModel": "llm.model",
    "Model": "llm.names",
    "ModelParameters": "events.values",
    "ModelSettings": "llm.resolve",
    "Progress": "agents.progress",
    "Projection": "projections.projection",
    "Provider": "llm.providers",
    "Reconciled": "tools.reconciling",
    "Recorded": "events.recorded",
    "SimpleAgent": "agents.simple",
    "Subscription": "consumers.subscription",
    "Tool": "tools.tool",
    "ToolContext": "tools.tool",
    "ToolError": "errors",
    "Verification": "engine.verify",
    "WaitingCall": "agents.waiting",
    "builtin_tools": "tools.builtin",
    "connect": "agents.connecting",
    "decode": "events.codec",
    "fold": "projections.projection",
    "load_tools": "tools.loading",
    "normalised_category": "store.stream_name",
    "tool": "tools.function_tool",
}

__all__ = [
    "Agent",
    "AgentDefinition",
    "AgentError",
    "Branch",
    "Chat",
    "Database",
    "Engine",
    "Family",
    "LanguageModel",
    "Limits",
    "Listed",
    "MemoryStore",
    "Message",
    "Model",
    "ModelParameters",
    "ModelSettings",
    "Progress",
    "Projection",
    "Provider",
    "Reconciled",
    "Recorded",
    "SimpleAgent",
    "Subscription",
    "Tool",
    "ToolContext",
    "ToolError",
    "Verification",
    "WaitingCall",
    "builtin_tools",
    "connect",
    "decode",
    "fold",
    "load_tools",
    "normalised_category",
    "tool",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
