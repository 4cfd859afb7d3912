"""Forks: how one is to differ from what it branches off, and what it begins with."""

from collections.abc import Sequence
from dataclasses import dataclass

from messagedb_agent.agent.commands import Start
from messagedb_agent.agents.recorded_tools import AskResult
from messagedb_agent.agents.redefining import lasting_limits
from messagedb_agent.agents.standing import Standing
from messagedb_agent.agents.wish import WITH_WORK
from messagedb_agent.changing import changed
from messagedb_agent.engine.journal import Journal
from messagedb_agent.errors import Refused
from messagedb_agent.events.values import Definition, ForkPoint, JsonText
from messagedb_agent.events.words import Answering
from messagedb_agent.projections.conversation import Conversation
from messagedb_agent.projections.summary import status


@dataclass(frozen=True, slots=True)
class Branching:
    """How a fork is to differ from what it branches off.

    Attributes:
        definition: its agent; None goes on with the recorded one.
        results: results for calls, JSON text; see `ForkPoint`.
        recorded: ids of the calls among them whose result is the parent's own.
        tools: what answers calls that the parent's record does not know.
        ask: asks a person for the result of such a call.
        metadata: what is noted with it, JSON text; None goes on with its parent's.
    """

    definition: Definition | None = None
    results: str | None = None
    recorded: tuple[str, ...] = ()
    tools: Answering | None = None
    ask: AskResult | None = None
    metadata: JsonText | None = None


@dataclass(frozen=True, slots=True)
class Fork:
    """A thread to be, which shares a past.

    Attributes:
        thread_id: its id.
        parent: the state that it branches off from.
        branching: how it is to differ from that.
        definition: its agent; where it goes on with the recorded one, its limits are those in force
            there.
    """

    thread_id: str
    parent: Standing
    branching: Branching
    definition: Definition

    def start(
        self, journal: Journal, parent_stream: str, shown: Conversation, *, for_turn: bool
    ) -> Sequence[Start]:
        """Return what begins it; nothing where it has begun.

        Args:
            journal: its log.
            parent_stream: full name of the stream that it branches off from.
            shown: the fold of it.
            for_turn: whether something is said to it in the same append.

        Raises:
            Refused: others have written to its stream first.
        """
        if shown.state.stream == journal.stream:
            return ()
        if journal.version >= 0:  # a fork is told by its first row
            raise Refused(f"others have written to the fork's stream first: {journal.stream}")
        at = ForkPoint(
            stream_name=parent_stream,
            position=self.parent.position,
            event_id=self.parent.id,
            results=self.branching.results,
            recorded=self.branching.recorded,
            tools=self.branching.tools,
        )
        definition = self.definition
        if self.branching.definition is None:
            definition = definition.model_copy(update={"limits": lasting_limits(shown)})
        noted = self.branching.metadata
        if noted is None and (begun := self.parent.view.started):
            noted = begun.metadata
        begun_by = self.parent.user
        return (Start(self.thread_id, definition, begun_by, noted, at, for_turn),)


def begun_by(start: Sequence[Start], shown: Conversation) -> Conversation:
    """Return the fold as far as it decides on the agent, after a fork's start if there is one."""
    if not start:
        return shown
    definition = start[0].definition
    state = changed(shown.state, limits=definition.limits)
    return changed(shown, state=state, definition=definition, lasting=None)


def is_in_turn(shown: Conversation) -> bool:
    """Say whether a thread stands in the middle of a turn."""
    return status(shown.state) in (*WITH_WORK, "approval")
