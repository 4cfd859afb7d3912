"""The port to tools: what a tool is, what a toolbox does, what comes back."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from messagedb_agent.errors import ToolError
from messagedb_agent.events.values import EventPlace, JsonText, ToolSpec
from messagedb_agent.events.words import CallProblem, ToolFailureKind

if TYPE_CHECKING:  # a type that tools are given; nothing is imported at run time
    from psycopg import AsyncConnection

    from messagedb_agent.tools.object_tool import AnyTool

    Connection: TypeAlias = AsyncConnection[tuple[Any, ...]]

_NAME_CHARS = 80  # of the name of a tool that is not there
_LIST_CHARS = 1_000  # of all that is said about it


@dataclass(frozen=True, slots=True)
class ToolContext:
    """What a tool may know of the call it serves, and what it may work on.

    A function takes it by a parameter of this type, which the model is not told of.

    Attributes:
        thread_id: the thread that the call belongs to.
        call_id: our id of the call.
        attempt: 1 for the first try; more after a worker died in it.
        idempotency_key: the same in every attempt of the call; give it to what the tool calls.
        traceparent: the header of W3C Trace Context that names the span this call runs in: its own
            where it is traced here, else that of who sent the message; None where there is none.
            Pass it on to what the tool calls.
        tracestate: the header that goes with it; None where there is none.
    """

    thread_id: str
    call_id: str
    attempt: int
    idempotency_key: str
    traceparent: str | None = None
    tracestate: str | None = None
    _connection: "Connection | None" = field(default=None, repr=False, compare=False)

    @property
    def connection(self) -> "Connection":
        """The connection on which the result of a transactional tool is appended.

        A transaction is open on it, READ COMMITTED; it is committed with the result, and rolled
        back with everything else. It may hold savepoints (`connection.transaction()`), but cannot
        be committed by the tool, and is closed once the tool has ended. Whatever the tool sets on
        it is gone then. Who writes messages there keeps everybody else from writing to their
        category until the tool has ended.

        Raises:
            ToolError: the tool is not transactional.
        """
        if self._connection is None:
            raise ToolError("only a tool with transactional=True is given a connection")
        return self._connection

    def within(self, connection: "Connection") -> "ToolContext":
        """Return this context with a connection on which a transaction is open."""
        return replace(self, _connection=connection)


class Tool(Protocol):
    """A tool as an object; `@tool` makes one of a function.

    Attributes:
        name: 1 to 64 letters, digits, `_` or `-`.
        description: what it does, for the model.
        parameters: JSON Schema of the arguments, an object.

    A tool may further have `needs_approval` (bool), `effect`, `timeout_s` (seconds),
    `reconcile(key)` and `transactional` (bool); without them it needs no approval, is never run
    again by itself, and has no bound of time.

    `effect` says what becomes of a call whose worker died, or whose turn was cancelled, while it
    ran:

    - `retry`: harmless to repeat. It runs again, at most three times in all.
    - `keyed`: the target honours `ToolContext.idempotency_key`. It runs again likewise.
    - `never`: its outcome is recorded as *unknown*, and the model and the person are told.
    - `check`: its `reconcile` is asked what became of the call, by the idempotency key, and
      answers with a `Reconciled`. A call that is not done begins again, likewise.

    After a cancel or the end of the session nothing runs again: a `retry` tool's call ends as
    *cancelled*, a `check` tool is asked, any other's call ends as *unknown*.

    A `transactional` tool writes to the database of the log, on `ToolContext.connection`: what it
    writes and its result are committed together, once, or not at all. That makes it harmless to
    repeat, so it is recorded as `retry`, and declares no other `effect`.
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
    """What a tool gave back, as text for the model.

    Attributes:
        text: what the model is shown.
        taken_from: the event whose result it is, where no tool ran.
        given_by: who gave it in the tool's place; None where nobody did.
    """

    text: str
    taken_from: EventPlace | None = None
    given_by: str | None = None


@dataclass(frozen=True, slots=True)
class ToolFailure:
    """Why a tool gave nothing back.

    Attributes:
        kind: what went wrong.
        message: the same for a reader.
        taken_from: the event whose failure it is, where no tool ran.
    """

    kind: ToolFailureKind
    message: str
    taken_from: EventPlace | None = None


@dataclass(frozen=True, slots=True)
class NotDone:
    """A call that took no effect, as its tool says, and may begin again."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a requested call cannot run."""

    kind: CallProblem
    message: str


def unknown_tool(name: str, there: Sequence[str]) -> Problem:
    """Return what is wrong with a call of a tool that is none of those there."""
    shown = name if len(name) <= _NAME_CHARS else f"{name[: _NAME_CHARS - 3]}..."
    others = f"; there are: {', '.join(there)}" if there else ", and no other"
    text = f"there is no tool {shown!r}{others}"
    return Problem("unknown_tool", text if len(text) <= _LIST_CHARS else text[:_LIST_CHARS])


MayBegin = Callable[[], Awaitable[None]]
Bound = Callable[[ToolContext], Awaitable[Any]]
"""A call with checked arguments, which is told what it may know of itself."""


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

    async def reconcile(self, name: str, key: str) -> ToolResult | ToolFailure | NotDone:
        """Ask a tool what became of a call; who cannot say gives *outcome unknown*.

        Args:
            name: the tool's name.
            key: the call's idempotency key.
        """
        ...

    def is_transactional(self, name: str) -> bool:
        """Say whether a tool writes in the transaction that its result is appended in."""
        ...

    def has(self, tool: "AnyTool") -> bool:
        """Say whether this very tool is among them."""
        ...

    def added(self, *tools: "AnyTool") -> "Tools":
        """Return a set that has further tools behind these.

        Raises:
            ValidationError: something is no tool, or a tool of that name is here already.
        """
        ...
