"""What a person may type next."""

import os
import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from messagedb_agent.cli.common import Common
from messagedb_agent.cli.rendering.effects import short_call
from messagedb_agent.cli.rendering.exact import exactly
from messagedb_agent.errors import (
    AgentError,
    AmbiguousName,
    ConfigurationError,
    IntegrityError,
    ModelError,
    NotFound,
    StoreError,
    TurnUnderWay,
)

if TYPE_CHECKING:
    from messagedb_agent import Agent
    from messagedb_agent.projections.effects import ToolEffect

E = TypeVar("E", bound=AgentError)

_GROUPS = ("db", "definitions")
_LISTED_BY = {
    "thread": ("list",),
    "waiting call": ("approvals",),
    "definition": ("definitions", "list"),
    "revision of a definition": ("definitions", "list"),
    "template": ("definitions", "list"),
    "fact": ("memory",),
    "user": ("memory",),
}
"""The command that lists what was not found, by what it is."""
_COMMAND = re.compile(r"\bmessagedb-agent db (\w+)")


def command(common: Common, *words: str) -> str:
    """Return a command line that works where this one did."""
    given = [
        *(["--config", str(common.config)] if common.config else []),
        *(["--category", common.category] if common.category != "agent" else []),
        *(["--version", common.version] if common.version != "v0" else []),
        *(word for name in common.tools for word in ("--tools", name)),
    ]
    named = 2 if words[0] in _GROUPS else 1
    return " ".join([_program(), *map(shlex.quote, [*words[:named], *given, *words[named:]])])


def _program() -> str:
    """Return how the program is called here: in a checkout, `uv run` alone may find it.

    `uv run` puts the checkout's environment on the path of what it runs, and of nothing else. It
    says so by this variable, which what runs below it inherits: hence the look at the folders.
    """
    is_by_uv = "UV_RUN_RECURSION_DEPTH" in os.environ and _is_in_checkout()
    return "uv run messagedb-agent" if is_by_uv else "messagedb-agent"


def _is_in_checkout() -> bool:
    """Say whether the environment that runs us is that of the folder, as uv makes it there."""
    try:
        return Path.cwd().is_relative_to(Path(sys.prefix).parent)
    except OSError:  # the folder is gone
        return False


def begin(common: Common) -> str:
    """Say how to begin a thread."""
    return f'begin one with: {command(common, "start")} "..."'


def with_remedy(common: Common, error: E) -> E:
    """Return an error whose text says what to type, where that is a command of ours."""
    if isinstance(error, NotFound) and not isinstance(error, AmbiguousName):
        if (error.what, error.name) == ("thread", "last"):
            error.args = (f"{error}; {begin(common)}",)
        elif words := _LISTED_BY.get(error.what):
            error.args = (f"{error}; see: {command(common, *words)}",)
    if isinstance(error, StoreError | ConfigurationError | IntegrityError | ModelError):
        error.args = (_COMMAND.sub(lambda m: command(common, "db", m[1]), str(error)),)
    return error


@contextmanager
def telling_how_to_wait(common: Common, thread: str, message: str, *options: str) -> Iterator[None]:
    """Say, where a message was to be said at rest alone, how it is said all the same.

    Args:
        common: the global options that were given.
        thread: the thread, as it was named.
        message: the message, as it is to be typed.
        options: what else goes with the command.
    """
    try:
        yield
    except TurnUnderWay as error:
        queued = command(common, "message", *options, thread, message)
        error.args = (
            f"{error}; to be answered after it: {queued}; or in its place: --during interrupt",
        )
        raise


_SETTINGS = {"callsPerTurn": "MAX_ITERATIONS"}
"""The settings that limits are made of, by the name a limit has in the log."""


def of_limits(agent: "Agent") -> str:
    """Say how far the limits were reached that stopped a thread, and which settings they are."""
    reached = agent.view.outcome.limits
    told = (
        f"{limit.reached} of {limit.limit}"
        + (f", the setting {_SETTINGS[limit.name]}" if limit.name in _SETTINGS else "")
        for limit in reached
    )
    return f" ({'; '.join(told)})" if reached else ""


def at_rest(agent: "Agent") -> str:
    """Say why a thread cannot go on by itself."""
    match agent.status:
        case "waiting":
            return "nothing was interrupted, failed or stopped; the thread waits for a message"
        case "ended":
            return "the thread has ended; a message reopens it"
        case status:
            return f"the thread is {status}"


def hints(common: Common, agent: "Agent", prefix: str) -> tuple[str, ...]:
    """Say which thread this was, what it waits for, and how to go on."""
    thread = f"thread {agent.thread_id}"
    match agent.status:
        case "approval":
            waiting = (
                f"waiting for approval: {call.tool_name} {exactly(call.arguments)} ({call.call_id})"
                for call in agent.approvals
            )
            return (f"{thread} waits for approval", *waiting, *_deciding(common, agent, prefix))
        case "limit":
            return (thread, *_after_a_limit(common, agent, prefix))
        case "failed":
            return (thread, f"go on: {command(common, 'continue', prefix)}")
        case "upgrade":
            return (f"{thread} holds an event that only newer code understands; it waits for that",)
        case _:
            message = f'{command(common, "message", prefix)} "..."'
            return (thread, f"next: {message}")


def resolving(common: Common, unresolved: Sequence["ToolEffect"], prefix: str) -> Iterator[str]:
    """Say which calls nobody knows the outcome of, and how to say what happened."""
    ids = [effect.call_id for effect in unresolved]
    for effect in unresolved:
        call = short_call(effect.call_id, ids)
        yield f"outcome unknown: {effect.tool} {effect.arguments} ({call})"
        yield (
            "if you find out what happened: "
            f"{command(common, 'resolve', prefix, call)} --completed RESULT, or --failed REASON"
        )


def _deciding(common: Common, agent: "Agent", prefix: str) -> Iterator[str]:
    """Say how to decide on what waits, each call by its name; approving takes up the turn."""
    ids = [call.call_id for call in agent.approvals]
    for call in agent.approvals:
        short = short_call(call.call_id, ids)
        which = f" ({call.tool_name})" if len(ids) > 1 else ""
        yield f"go on{which}: {command(common, 'approve', prefix, short)}"
        yield f"or: {command(common, 'deny', prefix, short)}"
    if len(ids) > 1:
        shown = (short_call(id, ids) for id in ids)
        yield f"all: {command(common, 'approve', prefix, *shown)}"


def _after_a_limit(common: Common, agent: "Agent", prefix: str) -> Iterator[str]:
    """Say how to go on after limits: those of a turn begin anew, those of a thread do not."""
    go_on = command(common, "continue", prefix)
    reached = {limit.name: limit.limit for limit in agent.view.outcome.limits}
    if any(name.endswith("PerThread") for name in reached):
        yield "go on in Python, with a higher limit: await agent.resume(limits=Limits(...))"
        return
    yield f"go on: {go_on}"
    for name, setting in _SETTINGS.items():
        if name in reached:
            yield f"with more calls a turn: {setting}={2 * int(reached[name])} {go_on}"
