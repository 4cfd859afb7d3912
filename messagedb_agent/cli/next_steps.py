"""What a person may type next."""

import shlex
from typing import TYPE_CHECKING

from messagedb_agent.cli.common import Common

if TYPE_CHECKING:
    from messagedb_agent import Agent


def command(common: Common, *words: str) -> str:
    """Return a command line that works where this one did."""
    given = [
        *(["--config", str(common.config)] if common.config else []),
        *(["--category", common.category] if common.category != "agent" else []),
        *(["--version", common.version] if common.version != "v0" else []),
        *(word for name in common.tools for word in ("--tools", name)),
    ]
    return " ".join(["messagedb-agent", *map(shlex.quote, [*words[:1], *given, *words[1:]])])


def hints(common: Common, agent: "Agent", prefix: str) -> tuple[str, ...]:
    """Say which thread this was, what it waits for, and how to go on."""
    thread = f"thread {agent.thread_id}"
    match agent.status:
        case "approval":
            waiting = (
                f"waiting for approval: {call.tool_name} {call.arguments} ({call.call_id})"
                for call in agent.approvals
            )
            return (f"{thread} waits for approval", *waiting)
        case "failed" | "limit":
            return (thread, f"go on: {command(common, 'continue', prefix)}")
        case "upgrade":
            return (f"{thread} holds an event that only newer code understands; it waits for that",)
        case _:
            message = f'{command(common, "message", prefix)} "..."'
            return (thread, f"next: {message}")
