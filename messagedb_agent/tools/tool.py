"""The port to tools: what a tool is, what a toolbox does, what comes back."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from messagedb_agent.events.values import JsonText, ToolSpec
from messagedb_agent.events.words import CallProblem, ToolFailureKind


@dataclass(frozen=True, slots=True)
class ToolContext:
    """What a tool may know of the call it serves.

    A function takes it by a parameter of this type, which the model is not told of.

    Attributes:
        thread_id: the thread that the call belongs to.
        call_id: our id of the call.
        attempt: 1 for the first try; more after a worker died in it.
        idempotency_key: the same in every attempt of the call; give it to what the tool calls.
    """

    thread_id: str
    call_id: str
    attempt: int
    idempotency_key: str


class Tool(Protocol):
    """A tool as an object; `@tool` makes one of a function.

    Attributes:
        name: 1 to 64 letters, digits, `_` or `-`.
        description: what it does, for the model.
        parameters: JSON Schema of the arguments, an object.

    A tool may further have `needs_approval` (bool), `effect` and `timeout_s` (seconds); without
    them it needs no approval, is never run again by itself, and has no bound of time.

    `effect` says what becomes of a call whose worker died, or whose turn was cancelled, while it
    ran:

    - `retry`: harmless to repeat. It runs again, at most three times in all.
    - `keyed`: the target honours `ToolContext.idempotency_key`. It runs again likewise.
    - `never`: its outcome is recorded as *unknown*, and the model and the person are told.
    - `check`: for tools that can be asked what became of a call. No tool can be asked yet, so for
      now its outcome is recorded as *unknown*, as with `never`.

    After a cancel or the end of the session nothing runs again: a `retry` tool's call ends as
    *cancelled*, any other's as *unknown*.
    """

    @property
    def name(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def parameters(self) -> Mapping[str, Any]: ...

    async def execute(self, arguments: Mapping[str, Any], context: ToolContext) -> Any:
        """Run with checked arguments and return what the model shall see.

        Args:
            arguments: what the model asks for, checked against `parameters`.
            context: what the tool may know of the call.

        Returns:
            Text, which is shown as it is, or anything that pydantic can make JSON of; cut at
            100,000 characters.

        Raises:
            ToolError: the model is told its text as it is. Of any other exception it is told the
                class's name too. Neither ends the turn.
        """
        ...


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool gave back, as text for the model."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolFailure:
    """Why a tool gave nothing back."""

    kind: ToolFailureKind
    message: str


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a requested call cannot run."""

    kind: CallProblem
    message: str


MayBegin = Callable[[], Awaitable[None]]


async def at_once() -> None:
    """Let a tool begin."""


class Tools(Protocol):
    """A set of tools as the engine uses it."""

    def specs(self) -> tuple[ToolSpec, ...]:
        """Return each tool as the model is told of it, in order."""
        ...

    def problem(self, name: str, arguments: JsonText) -> Problem | None:
        """Say why this call cannot run: no such tool, arguments that its schema refuses."""
        ...

    async def run(
        self,
        name: str,
        arguments: JsonText,
        context: ToolContext,
        *,
        may_begin: MayBegin = at_once,
    ) -> ToolResult | ToolFailure:
        """Run a call within its time bound; failures are values, only cancellation raises.

        Args:
            name: the tool's name.
            arguments: what it is called with, JSON text.
            context: what it is told of the call.
            may_begin: returns right before the tool's body runs, or never.
        """
        ...
