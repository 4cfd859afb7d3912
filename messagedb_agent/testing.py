"""What tests of agents need: a model that says what it is told to, and what it says it with.

    model = ScriptedModel(call("add", a=42, b=7), "It is 49.")
    async with connect(MemoryStore(), models=model, tools=[add]) as engine:
        agent = await engine.start("What is 42 + 7?")
    assert agent.answer == "It is 49."

No network, no key, no database: with `MemoryStore` such a test needs nothing but this package. The
script is the answers in order: a text, a tool call (`call`) or a tuple of them, text with calls
(`say`), a whole `Reply`, a `CallFailure`, or a function of the `Request` that returns one of these.
`ScriptedModel.requests` has what was asked.
"""

from messagedb_agent.events.request import (
    AskedCall,
    AssistantReply,
    CallFailure,
    Delta,
    Reply,
    Request,
    RequestedCall,
    ToolAnswer,
    UserText,
)
from messagedb_agent.events.values import Usage
from messagedb_agent.llm.scripted import Answer, OutOfAnswers, Said, ScriptedModel, call, say

__all__ = [
    "Answer",
    "AskedCall",
    "AssistantReply",
    "CallFailure",
    "Delta",
    "OutOfAnswers",
    "Reply",
    "Request",
    "RequestedCall",
    "Said",
    "ScriptedModel",
    "ToolAnswer",
    "Usage",
    "UserText",
    "call",
    "say",
]
