"""A turn with a model that may answer anything, and what must hold of it all the same."""

import json
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import jsonschema
from pydantic import Field

from messagedb_agent.agent.decider import decide
from messagedb_agent.agent.steps import Done, Wait
from messagedb_agent.agents.agent import Agent
from messagedb_agent.agents.engine import Engine
from messagedb_agent.agents.progress import SILENT, Progress
from messagedb_agent.errors import ModelError
from messagedb_agent.events.recorded import Recorded
from messagedb_agent.events.schema import (
    LlmCallFailed,
    LlmResponseReceived,
    ToolExecutionCompleted,
    ToolExecutionStarted,
)
from messagedb_agent.llm.model import LanguageModel
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.tools.function_tool import tool
from messagedb_agent.tools.toolbox import Toolbox
from tests.unit.engine.world import assert_sound, events

Amount = Annotated[int, Field(ge=1, le=100)]
Words = Annotated[str, Field(max_length=20)]
Ran = tuple[str, dict[str, Any]]


RAN: ContextVar[list[Ran]] = ContextVar("ran")
"""What the tools of the world at work were run with."""


@tool(effect="retry")
async def note(text: Words) -> str:
    """Note a few words."""
    RAN.get().append(("note", {"text": text}))
    return text


@tool
async def pay(amount: Amount, to: Literal["ada", "bob"]) -> str:
    """Pay somebody."""
    RAN.get().append(("pay", {"amount": amount, "to": to}))
    return "paid"


@tool(effect="retry")
async def now() -> str:
    """Tell the time."""
    RAN.get().append(("now", {}))
    return "noon"


@tool(needs_approval=True)
async def wipe(path: str) -> str:
    """Remove all; nobody allows it here."""
    RAN.get().append(("wipe", {"path": path}))
    return "gone"


TOOLBOX = Toolbox(note, pay, now, wipe)
SCHEMAS = {spec.name: json.loads(spec.parameters_schema) for spec in TOOLBOX.specs()}


@dataclass
class World:
    """An engine whose tools note what reaches them.

    Attributes:
        model: answers whatever it likes.
        ran: name and arguments of every call that a tool was run with.
        agent: the agent after the newest turn; None before the first.
    """

    model: LanguageModel
    ran: list[Ran] = field(default_factory=list)
    agent: Agent | None = None

    def __post_init__(self) -> None:
        RAN.set(self.ran)
        self.engine = Engine(MemoryStore(), lambda _: self.model, TOOLBOX)

    async def says(self, text: str, progress: Progress = SILENT) -> None:
        """Say something, and see the turn through, whatever the model does."""
        try:
            if self.agent is None:
                self.agent = await self.engine.start(text, progress=progress)
            else:
                self.agent = await self.agent.advance(text, progress=progress)
        except ModelError:
            self.agent = await self.engine.latest("last")

    async def deny_all(self) -> None:
        """Allow nothing that waits for a person."""
        while self.at_rest.approvals:
            try:
                self.agent = await self.at_rest.deny(self.at_rest.approvals[0].call_id)
            except ModelError:
                self.agent = await self.engine.latest("last")

    @property
    def at_rest(self) -> Agent:
        """The agent after the newest turn."""
        assert self.agent is not None
        return self.agent

    def check_rest(self) -> None:
        """Check that the turn has ended in a state that is recorded, or waits for a person."""
        state = self.at_rest.view.conversation.state
        assert isinstance(decide(state), Wait | Done), decide(state)
        assert not state.has_open_claims

    async def check_log(self) -> Sequence[Recorded]:
        """Check that the log is sound, and that nothing ran that must not; return what it holds."""
        await assert_sound(self.engine, self.at_rest.thread_id)
        told = await events(self.engine, self.at_rest.thread_id)
        self._check_calls([recorded.event for recorded in told])
        if not self.at_rest.approvals:
            assert isinstance(told[-1].event, LlmResponseReceived | LlmCallFailed), told[-1]
        return told

    def _check_calls(self, told: Sequence[object]) -> None:
        """What ran is what was asked for by name, with arguments that its schema takes, once."""
        asked = {
            call.call_id: call
            for event in told
            if isinstance(event, LlmResponseReceived)
            for call in event.tool_calls
        }
        started = [event for event in told if isinstance(event, ToolExecutionStarted)]
        assert len({event.call_id for event in started}) == len(started) == len(self.ran)
        for event in started:
            call = asked[event.call_id]
            assert call.problem is None
            assert (event.tool_name, event.arguments) == (call.name, call.arguments)
            assert is_valid(SCHEMAS[call.name], call.arguments), call
        left = [(event.tool_name, json.loads(event.arguments.strip() or "{}")) for event in started]
        for one in self.ran:
            left.remove(one)  # as JSON and Python say, 5.0 is 5
        assert all(name != "wipe" for name, _ in self.ran)
        completed = [event for event in told if isinstance(event, ToolExecutionCompleted)]
        assert len(completed) == len(started)


def is_valid(schema: Any, arguments: str) -> bool:
    """Say whether a text is a JSON object that a schema takes, by nobody's code of ours."""

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no JSON")

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):
            raise ValueError("a key twice")
        return dict(pairs)

    if not arguments.strip():
        arguments = "{}"
    try:
        value = json.loads(arguments, parse_constant=refuse, object_pairs_hook=once)
        jsonschema.Draft202012Validator(schema).validate(value)
    except (ValueError, RecursionError, jsonschema.ValidationError):
        return False
    return isinstance(value, dict)
