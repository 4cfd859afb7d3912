"""The port to tools: what a tool is, what a toolbox does, what comes back."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from messagedb_agent.events.values import CallProblem, JsonText, ToolFailureKind, ToolSpec


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

    A tool may further have `needs_approval`, `effect` and `timeout_s`; without them it needs no
    approval, is never run again by itself, and has no bound of time.
    """

    @property
    def name(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def parameters(self) -> Mapping[str, Any]: ...

    async def execute(self, arguments: Mapping[str, Any], context: ToolContext) -> Any:
        """Run with checked arguments and return what the model shall see.

        Text is shown as it is, anything else as JSON. Whatever it raises is told to the model:
        the text of a `ToolError` as it is, of other exceptions with the class's name.
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


class Tools(Protocol):
    """A set of tools as the engine uses it."""

    def specs(self) -> tuple[ToolSpec, ...]:
        """Return each tool as the model is told of it, in order."""
        ...

    def problem(self, name: str, arguments: JsonText) -> Problem | None:
        """Say why this call cannot run: no such tool, arguments that its schema refuses."""
        ...

    async def run(
        self, name: str, arguments: JsonText, context: ToolContext
    ) -> ToolResult | ToolFailure:
        """Run a call within its time bound; failures are values, only cancellation raises."""
        ...
