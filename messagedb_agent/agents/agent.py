"""An agent: one immutable state of a thread, and what can be asked of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

import orjson

from messagedb_agent.agent.commands import (
    ApproveTool,
    Command,
    Continue,
    DenyTool,
    End,
    Say,
)
from messagedb_agent.agents.view import View
from messagedb_agent.errors import NotFound
from messagedb_agent.events.schema import Recorded, ToolApprovalRequested
from messagedb_agent.events.values import AgentDefinition, Limits
from messagedb_agent.llm.model import OnDelta
from messagedb_agent.projections.summary import status


@dataclass(frozen=True, slots=True)
class Progress:
    """Who is told of a run while it goes on; progress, never history.

    Attributes:
        on_delta: gets pieces of answers as they arrive.
        on_event: gets every new event once it stands in the log.
    """

    on_delta: OnDelta | None = None
    on_event: Callable[[Recorded], None] | None = None


SILENT = Progress()


class Advancing(Protocol):
    """The engine, as an agent uses it."""

    async def ask(
        self,
        agent: "Agent",
        *commands: Command,
        message_id: str | None = None,
        changes: Mapping[str, Any] | None = None,
        progress: Progress = SILENT,
        forks: bool = False,
    ) -> "Agent":
        """Ask something of an agent's thread, see it through, and return the new state."""
        ...


@dataclass(frozen=True)
class Agent:
    """One state of a thread. It never changes: every step gives another agent.

    Attributes:
        id: id of the last event that made the state, a UUID as text; titles, tags and archiving
            make none.
        thread_id: the thread's id.
        view: the fold of the thread up to here.
    """

    id: str
    thread_id: str
    view: View = field(repr=False, compare=False)
    engine: Advancing = field(repr=False, compare=False)

    @property
    def parent_id(self) -> str | None:
        """Id of the state before the turn that led here; None for the first."""
        current = self.view.lineage.current
        return current.parent_id if current else None

    @property
    def position(self) -> int:
        """Position of the event that names the state."""
        current = self.view.lineage.current
        return current.position if current else self._last.position

    @property
    def created_at(self) -> datetime:
        """When the last event happened, UTC."""
        return datetime.fromtimestamp(self._last.time_ms / 1000, UTC)

    @property
    def definition(self) -> AgentDefinition | None:
        """The agent in force; None in a thread that a foreign writer began."""
        return self.view.conversation.definition

    @property
    def name(self) -> str:
        """What the agent is called."""
        return self.definition.name if self.definition else ""

    @property
    def system_prompt(self) -> str:
        """What the model is told before the conversation."""
        return self.definition.system_prompt if self.definition else ""

    @property
    def model(self) -> str:
        """Name of the model in force."""
        return self.definition.model if self.definition else ""

    @property
    def metadata(self) -> Mapping[str, Any]:
        """What the thread's starter noted."""
        started = self.view.started
        noted = started.metadata if started else None
        try:
            found = orjson.loads(noted) if noted else {}
        except orjson.JSONDecodeError:  # a foreign start may note anything
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def status(self) -> str:
        """What the thread waits for.

        `waiting` (for the user), `ready`, `running`, `approval`, `failed`, `limit`, `upgrade`,
        `foreign`, `ended` or `deleted`.
        """
        return status(self.view.conversation.state)

    @property
    def answer(self) -> str | None:
        """Text of the newest reply since the user spoke last; None where there is none."""
        return self.view.outcome.answer

    @property
    def approvals(self) -> tuple[ToolApprovalRequested, ...]:
        """The tool calls that wait for a person."""
        return self.view.outcome.waiting

    async def advance(
        self,
        text: str,
        *,
        user: str | None = None,
        message_id: str | None = None,
        at_head: bool = False,
        progress: Progress = SILENT,
        **changes: Any,
    ) -> "Agent":
        """Say something and see the turn through.

        A state that is no longer the newest of its thread forks there.

        Args:
            text: what the user says.
            user: who says it.
            at_head: say it in the thread as it stands by then, and never fork.
            message_id: a UUID of the caller's; the same id with the same text is one message.
            progress: told of the run while it goes on.
            changes: fields of `AgentDefinition` that are to be other than recorded: `model`,
                `system_prompt`, `parameters`, `limits`.

        Returns:
            The state after the turn, or where it waits for an approval.

        Raises:
            ModelError: the model call failed for good; `agent` is the recorded state.
            LimitReached: a limit stopped the turn; `agent` is the recorded state.
            ValidationError: the text is empty, or a change is wrong.
            Refused: the thread is deleted.
        """
        return await self.engine.ask(
            self,
            Say(text, user),
            message_id=message_id,
            changes=changes,
            progress=progress,
            forks=not at_head,
        )

    async def resume(
        self, *, limits: Limits | None = None, progress: Progress = SILENT, **changes: Any
    ) -> "Agent":
        """Go on where the thread stopped: after a crash, a failed call, or with raised limits.

        Args:
            limits: limits to replace those in force.
            progress: told of the run while it goes on.
            changes: fields of `AgentDefinition`, as for `advance`.

        Raises:
            Refused: a session limit is reached and was not raised.
        """
        return await self._ask(Continue(limits or Limits()), progress, changes)

    async def approve(
        self, call_id: str, *, reason: str | None = None, progress: Progress = SILENT
    ) -> "Agent":
        """Allow a tool call, by its id or a unique end of it, and see the turn through."""
        return await self._ask(ApproveTool(self._call(call_id), reason=reason), progress)

    async def deny(
        self, call_id: str, *, reason: str | None = None, progress: Progress = SILENT
    ) -> "Agent":
        """Refuse a tool call, by its id or a unique end of it, and see the turn through."""
        return await self._ask(DenyTool(self._call(call_id), reason=reason), progress)

    async def end(self, *, reason: str | None = None) -> "Agent":
        """End the session; a later message reopens it."""
        return await self._ask(End(reason=reason), SILENT)

    async def _ask(
        self, command: Command, progress: Progress, changes: Mapping[str, Any] | None = None
    ) -> "Agent":
        return await self.engine.ask(self, command, changes=changes, progress=progress)

    def _call(self, suffix: str) -> str:
        fitting = [a.call_id for a in self.approvals if a.call_id.endswith(suffix)]
        if len(fitting) != 1:
            raise NotFound("waiting call", suffix)
        return fitting[0]

    @property
    def _last(self) -> Recorded:
        if self.view.last is None:
            raise NotFound("event", self.id)
        return self.view.last
