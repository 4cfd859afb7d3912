"""A set of tools under their names: it checks calls, runs them, and bounds what comes back."""

from functools import partial
from typing import Any

from messagedb_agent.errors import ToolError, ValidationError
from messagedb_agent.events.values import JsonText, ToolSpec
from messagedb_agent.tools.arguments import parse_arguments
from messagedb_agent.tools.function_tool import FunctionTool
from messagedb_agent.tools.object_tool import AnyTool, ObjectTool, adapt
from messagedb_agent.tools.reconciling import ASK_S, ask, cannot_tell
from messagedb_agent.tools.running import run_bounded
from messagedb_agent.tools.tool import (
    Bound,
    MayBegin,
    NotDone,
    Problem,
    ToolContext,
    ToolFailure,
    ToolResult,
    at_once,
    unknown_tool,
)

MAX_OUTPUT_CHARS = 100_000
"""Where the output of a call is cut, in characters, unless the toolbox is told otherwise."""


class Toolbox:
    """The tools of an agent, in the order given.

    Args:
        tools: functions with `@tool`; objects with `name`, `description`, `parameters` and
            `async execute(arguments, context)`, where `context` may be left out, the arguments
            may be taken by keyword, and `execute` may be synchronous.
        max_output_chars: where the output of a call is cut, in characters.
        ask_timeout_s: seconds that a `check` tool may take to say what became of a call.

    Raises:
        ValidationError: something is no tool, or two have the same name.
    """

    def __init__(
        self,
        *tools: AnyTool,
        max_output_chars: int = MAX_OUTPUT_CHARS,
        ask_timeout_s: float = ASK_S,
    ) -> None:
        if max_output_chars < 1:
            raise ValidationError("max_output_chars must be at least 1", field="max_output_chars")
        self.tools = tools
        self._max_output_chars = max_output_chars
        self._ask_timeout_s = ask_timeout_s
        self._by_name: dict[str, FunctionTool[..., Any] | ObjectTool] = {}
        origins: dict[str, AnyTool] = {}
        for tool in tools:
            adapted = adapt(tool)
            name = adapted.spec.name
            if name in origins:
                raise ValidationError(
                    f"two tools are called {name!r}: {_origin(origins[name])} and {_origin(tool)}",
                    field="tools",
                )
            origins[name] = tool
            self._by_name[name] = adapted
        self._specs = tuple(tool.spec for tool in self._by_name.values())

    def has(self, tool: AnyTool) -> bool:
        """Say whether this very tool is among them."""
        return any(tool is one for one in self.tools)

    def added(self, *tools: AnyTool) -> "Toolbox":
        """Return a toolbox that has further tools behind these.

        Raises:
            ValidationError: something is no tool, or a tool of that name is here already.
        """
        return Toolbox(
            *self.tools,
            *tools,
            max_output_chars=self._max_output_chars,
            ask_timeout_s=self._ask_timeout_s,
        )

    def specs(self) -> tuple[ToolSpec, ...]:
        """Return each tool as the model is told of it, in order."""
        return self._specs

    def problem(self, name: str, arguments: JsonText) -> Problem | None:
        """Say why this call cannot run: no such tool, arguments that its schema refuses."""
        call = self._bound(name, arguments)
        return call if isinstance(call, Problem) else None

    async def run(
        self,
        name: str,
        arguments: JsonText,
        context: ToolContext,
        *,
        may_begin: MayBegin = at_once,
    ) -> ToolResult | ToolFailure:
        """Run a call within its time bound; failures are values, only cancellation raises.

        A call that is cancelled or out of time is stopped where that is possible: a coroutine is
        cancelled, and left behind if it does not end within a second; a synchronous function runs
        on in its thread, and what it returns is dropped.
        """
        call = self._bound(name, arguments)
        if isinstance(call, Problem):
            return ToolFailure(call.kind, call.message)
        timeout_ms = self._by_name[name].spec.timeout_ms

        await may_begin()
        return await run_bounded(
            partial(call, context),
            timeout_s=None if timeout_ms is None else timeout_ms / 1000,
            max_output_chars=self._max_output_chars,
        )

    async def reconcile(self, name: str, key: str) -> ToolResult | ToolFailure | NotDone:
        """Ask a tool what became of a call; who cannot say gives *outcome unknown*."""
        tool = self._by_name.get(name)
        if tool is None or tool.reconcile is None:
            return cannot_tell()
        return await ask(
            tool.reconcile,
            key,
            name=name,
            timeout_s=self._ask_timeout_s,
            max_output_chars=self._max_output_chars,
        )

    def is_transactional(self, name: str) -> bool:
        """Say whether a tool writes in the transaction that its result is appended in."""
        tool = self._by_name.get(name)
        return tool is not None and tool.transactional

    def _bound(self, name: str, arguments: JsonText) -> Bound | Problem:
        tool = self._by_name.get(name)
        if tool is None:
            return unknown_tool(name, tuple(self._by_name))
        try:
            return tool.bind(parse_arguments(arguments))
        except ToolError as error:
            return Problem("bad_arguments", str(error))


def _origin(tool: AnyTool) -> str:
    """Return where a tool comes from, as a person would look for it."""
    given = tool.tool if isinstance(tool, ObjectTool) else tool
    made_of = given.__wrapped__ if isinstance(given, FunctionTool) else type(given)
    return f"{made_of.__module__}.{made_of.__qualname__}"
