"""A wish: what is asked of an agent's thread, and how it is to be seen through."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from messagedb_agent.agent.commands import Command, Continue, Say
from messagedb_agent.agent.decider import accept
from messagedb_agent.agent.state import State
from messagedb_agent.agents.progress import SILENT, Progress
from messagedb_agent.agents.turn_options import NO_OPTIONS, TurnOptions
from messagedb_agent.errors import Refused
from messagedb_agent.events.trace_context import TraceContext
from messagedb_agent.projections.summary import status

WITH_WORK = ("ready", "running", "foreign")
"""How a thread stands that can be taken on without a word from outside, as after a crash."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked of an agent's thread, and how it is to be seen through.

    Attributes:
        commands: what is asked, all or none; without any the thread is only taken on.
        message_id: id of the message among the commands, normalised; None for a new one.
        changes: fields of `Definition` that are other from here on; None leaves a field as it is.
        options: what is other for one turn alone.
        progress: told of the run while it goes on.
        detached: whether it is only written down; workers go on with it.
        sender: the span that the turn belongs to; None for the one that is known here, if any.
    """

    commands: Sequence[Command] = ()
    message_id: str | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)
    options: TurnOptions = NO_OPTIONS
    progress: Progress = SILENT
    detached: bool = False
    sender: TraceContext | None = None

    @property
    def said(self) -> Say | None:
        """The message among the commands."""
        return next((command for command in self.commands if isinstance(command, Say)), None)

    def moves(self, state: State) -> bool:
        """Say whether a thread goes on after it; one that stays as it is keeps its agent."""
        return any(_moves(state, command) for command in self.commands)

    def queued(self) -> "Wish":
        """Return it with a message that waits for a turn that is under way."""
        commands = self.commands
        waiting = (replace(c, during="queue") if isinstance(c, Say) else c for c in commands)
        return replace(self, commands=tuple(waiting))


def _moves(state: State, command: Command) -> bool:
    match command:
        case Say():
            return True
        case Continue():
            return status(state) in WITH_WORK or _is_taken(state, command)
        case _:
            return False


def _is_taken(state: State, command: Command) -> bool:
    try:
        return bool(accept(state, command))
    except Refused:  # perhaps not of the agent to come; it is asked again, and refused, then
        return True
