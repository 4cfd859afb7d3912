"""What an agent knows of its thread: the conversation, the states, and how the turn stands."""

from dataclasses import dataclass, field

from messagedb_agent.changing import changed
from messagedb_agent.events.recorded import Recorded
from messagedb_agent.events.schema import SessionStarted, SessionTitled
from messagedb_agent.projections.conversation import Conversation, conversation
from messagedb_agent.projections.lineage import AgentState, Lineage, lineage
from messagedb_agent.projections.lineage import with_state as lineage_with
from messagedb_agent.projections.outcome import Outcome, outcome
from messagedb_agent.projections.outcome import with_state as outcome_with
from messagedb_agent.projections.projection import Projection


@dataclass(frozen=True)
class View:
    """The fold.

    Attributes:
        conversation: the decider's state, the agent in force and what the model is shown.
        lineage: the states of the thread and their parents.
        outcome: how the newest turn stands.
        started: the newest `SessionStarted` that counts.
        title: the title that was given last; None where none was.
        last: the newest event.
    """

    conversation: Conversation = field(default=conversation.initial, repr=False)
    lineage: Lineage = field(default=lineage.initial, repr=False)
    outcome: Outcome = outcome.initial
    started: SessionStarted | None = None
    title: str | None = None
    last: Recorded | None = None

    @property
    def named_by(self) -> AgentState | Recorded | None:
        """What names the agent: its state, or the newest event of a thread never started."""
        return self.lineage.current or self.last


def _evolve(before: View, recorded: Recorded) -> View:
    return with_conversation(before, recorded, conversation.evolve(before.conversation, recorded))


def with_conversation(before: View, recorded: Recorded, talk: Conversation) -> View:
    """Return the fold after an event, for those who have folded the conversation already.

    Args:
        before: the fold before the event.
        recorded: the event.
        talk: the conversation after it; the same as before where the event does not count.
    """
    if talk is before.conversation:  # it does not count
        return changed(before, last=recorded)
    folded = {
        "conversation": talk,
        "lineage": lineage_with(before.lineage, recorded, talk.state),
        "outcome": outcome_with(before.outcome, recorded, talk.state),
        "last": recorded,
    }
    match recorded.event:
        case SessionStarted() as started:
            folded["started"] = started
        case SessionTitled(title=title):
            folded["title"] = title
    return changed(before, **folded)


view: Projection[View] = Projection(View(), _evolve)
