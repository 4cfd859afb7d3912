"""The tools that a thread was begun with, where a later command does not name them."""

import shlex
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from messagedb_agent.cli.common import Common
from messagedb_agent.cli.next_steps import command
from messagedb_agent.cli.terminal import note
from messagedb_agent.errors import ConfigurationError

if TYPE_CHECKING:
    from messagedb_agent import Agent, Engine
    from messagedb_agent.events.values import ToolSpec

_MODULE = "MODULE"
_SHIPPED = "messagedb_agent.demo"
"""The one module that may be named by a log alone: ours, and imported by this name."""


def equipped(engine: "Engine", agent: "Agent") -> tuple["Engine", "Agent"]:
    """Return engine and agent with those tools that ship with this package and were recorded.

    A log may name any module as a tool's source, and whoever writes to the log says what. So
    nothing is imported because it stands there: a source is only compared with the one name that
    is known here.
    """
    named = {tool.name for tool in _lacking(engine, agent) if _module(tool) == _SHIPPED}
    if not named:
        return engine, agent
    from messagedb_agent.tools.loading import load_tools

    shipped = [tool for tool in load_tools(_SHIPPED) if tool.name in named]
    engine = engine.with_tools(*shipped)
    return engine, replace(agent, engine=engine)


def check_tools(
    common: Common,
    engine: "Engine",
    agent: "Agent",
    *typed: str,
    approved: Collection[str] | None = None,
    goes_on: bool = True,
    to_workers: Sequence[str] = (),
) -> None:
    """Say which of the thread's tools are not here, if it goes on without them.

    Args:
        common: the global options that were given.
        engine: what has the tools that are here.
        agent: the thread's head.
        typed: the command and its arguments, to be typed again.
        approved: the waiting calls that are about to run; None for all, as what is said next may
            outlive them.
        goes_on: whether the thread has something to do.
        to_workers: the command and its arguments by which workers, who have its tools, go on with
            the thread; empty where there is none.

    Raises:
        ConfigurationError: a call of one of them is open. One that has not begun would fail; one
            that must run again, or be asked about, would keep the thread from going on.
    """
    lacking = _lacking(engine, agent)
    if not lacking:
        return
    calls = agent.view.conversation.state.calls.items()
    waits = () if approved is None else {a.call_id for a in agent.approvals} - set(approved)
    called = {c.tool for id, c in calls if c.stage.value != "done" and id not in waits}
    if needed := [tool for tool in lacking if tool.name in called]:
        sources = _sources(common, needed)
        again = command(replace(common, tools=(*common.tools, *sources)), *typed)
        unknown = " (of which the log does not say the module)" if _MODULE in sources else ""
        raise ConfigurationError(
            f"a call of {_names(needed)} is open in this thread, and the tool is not here; "
            f"type: {again}{unknown}{_or_leave_it(common, to_workers)}",
            field="tools",
        )
    if goes_on:
        options = (f"--tools {shlex.quote(source)}" for source in _sources(common, lacking))
        note(
            f"the thread goes on without its tools {_names(lacking)}, "
            f"which come with {' '.join(options)}"
        )


def _or_leave_it(common: Common, to_workers: Sequence[str]) -> str:
    """Say how to leave a thread to workers, where that can be done; its tools stay as they are."""
    if not to_workers:
        return ""
    return f"; or leave it to workers: {command(replace(common, tools=()), *to_workers)}"


def with_tools_of(common: Common, engine: "Engine", agent: "Agent") -> Common:
    """Return the global options with the `--tools` that a thread needs beside those given."""
    sources = _sources(common, _lacking(engine, agent))
    return replace(common, tools=(*common.tools, *sources))


def _lacking(engine: "Engine", agent: "Agent") -> Sequence["ToolSpec"]:
    here = {tool.name for tool in engine.tools.specs()}
    recorded = agent.definition.tools if agent.definition else ()
    return [tool for tool in recorded if tool.name not in here]


def _module(tool: "ToolSpec") -> str:
    return (tool.source or "").partition(":")[0]


def _names(tools: Sequence["ToolSpec"]) -> str:
    return ", ".join(tool.name for tool in tools)


def _sources(common: Common, tools: Sequence["ToolSpec"]) -> tuple[str, ...]:
    """Return by which `--tools` the log says that tools come; a placeholder where it does not.

    A source that was named, and does not have the tool any more, is none.
    """
    sources = (tool.source for tool in tools)
    return tuple(dict.fromkeys(s if s and s not in common.tools else _MODULE for s in sources))
