"""How a thread stands at one of its states: a value, which is read and asked nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from messagedb_agent.agents.meant import waiting_call
from messagedb_agent.agents.outputs import Wanted
from messagedb_agent.agents.view import View
from messagedb_agent.errors import NotFound
from messagedb_agent.events.recorded import Recorded, utc_time
from messagedb_agent.events.schema import ToolApprovalRequested
from messagedb_agent.events.values import Definition
from messagedb_agent.projections.lineage import AgentState
from messagedb_agent.projections.summary import status


@dataclass(frozen=True, eq=False, repr=False)
class Standing:
    """A state of a thread, and what can be read from it.

    Attributes:
        id: id of the last event that made the state, a UUID as text; titles, tags and archiving
            make none.
        thread_id: the thread's id.
        view: the fold of the thread up to here.
    """

    id: str
    thread_id: str
    view: View
    # What the answer was asked to be by whoever holds the state, where that is known here.
    _wanted: Wanted[Any] | None = field(default=None, kw_only=True)

    def __eq__(self, other: object) -> bool:
        return self.id == other.id if isinstance(other, Standing) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        named_by = self.view.named_by
        return (
            f"{type(self).__name__}(id={self.id!r}, thread_id={self.thread_id!r},"
            f" position={named_by.position if named_by else None}, name={self.name!r},"
            f" status={self.status!r})"
        )

    @property
    def parent_id(self) -> str | None:
        """Id of the state before the turn that led here; None for the first."""
        current = self.view.lineage.current
        return current.parent_id if current else None

    @property
    def position(self) -> int:
        """Position, from 0, of the event that names the state, in the stream it stands in."""
        return self._named_by.position

    @property
    def created_at(self) -> datetime:
        """When the event that names the state happened, UTC, with a zone; to the millisecond.

        The same for every road to this state. It is what the event's writer says, else the time
        of the store's server.
        """
        return utc_time(self._named_by.time_ms)

    @property
    def definition(self) -> Definition | None:
        """The agent as it is recorded; None in a thread that a foreign writer began.

        What holds for one turn alone (`Agent.advance`) is not in it.
        """
        return self.view.conversation.lasting or self.view.conversation.definition

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
    def user(self) -> str | None:
        """Whose thread it is, as its starter said; a fork is its parent's user's."""
        return self.view.started.user if self.view.started else None

    @property
    def title(self) -> str | None:
        """The thread's title; None where nobody gave one. A fork has its parent's."""
        return self.view.title

    @property
    def tags(self) -> tuple[str, ...]:
        """The thread's tags, in the order in which they were put on; a fork begins without."""
        return self.view.conversation.state.tags

    @property
    def is_archived(self) -> bool:
        """Whether the thread was put away; a fork of it is not."""
        return self.view.conversation.state.archived

    @property
    def metadata(self) -> Mapping[str, Any]:
        """What the thread's starter noted; empty where nothing was, or no JSON object."""
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

        `waiting` (for the user), `ready` (there is a step to take; `resume` takes it), `running`
        (an effect was started and has no outcome yet), `approval` (of a tool call), `failed` (the
        last model call, for good), `limit` (stopped by one), `upgrade` (holds an event that needs
        newer code), `foreign` (never started as a thread), `ended` or `deleted`.
        """
        return status(self.view.conversation.state)

    @property
    def answer(self) -> str | None:
        """Text of the newest reply since the user spoke last; None where there is none."""
        return self.view.outcome.answer

    @property
    def approvals(self) -> tuple[ToolApprovalRequested, ...]:
        """The tool calls that wait for a person, in the reply's order; see `approve`, `deny`."""
        return self.view.outcome.waiting

    def approval(self, call_id: str | None = None) -> ToolApprovalRequested:
        """Return the waiting call that is meant.

        Args:
            call_id: its id, or a beginning or an end of it that no other waiting call's has; None
                where only one waits.

        Raises:
            NotFound: no call, or more than one, fits.
            Refused: no call waits, or the one that is meant waits no more.
        """
        return waiting_call(self.view, call_id)

    @property
    def _named_by(self) -> AgentState | Recorded:
        if self.view.named_by is None:
            raise NotFound("event", self.id)
        return self.view.named_by
