"""What is said to a thread from outside, as an addition to a batch."""

from collections.abc import Callable, Sequence

from messagedb_agent.agent.commands import Command
from messagedb_agent.agent.decider import accept
from messagedb_agent.engine.batch import NOTHING, Batch, Draft
from messagedb_agent.events.metadata import Travelling
from messagedb_agent.events.schema import (
    SessionStarted,
    ToolExecutionDenied,
    ToolOutcomeResolved,
    UserMessageAdded,
)
from messagedb_agent.projections.conversation import Conversation
from messagedb_agent.records import record

Asked = Callable[[Conversation], Sequence[Command]]
"""Returns what is asked of a thread, once it is known how the thread stands."""


@record
class Saying:
    """Commands from outside.

    Attributes:
        asked: what is asked, all or none.
        message_id: id that the user message among the events gets; a `SessionStarted` in front of
            it gets one derived from it, so that a repeated start is one start.
        travelling: correlation, reply address and properties of who asks.
    """

    asked: Asked
    message_id: str | None = None
    travelling: Travelling = NOTHING

    def __call__(self, batch: Batch) -> None:
        """Add the events of the commands.

        Raises:
            Refused: the thread's state does not allow it.
            ValidationError: a command is wrong in itself.
        """
        for command in self.asked(batch.shown):
            for event in accept(batch.shown.state, command):
                id = self._id(batch, event) or batch.new_id()
                batch.add(Draft(id, event, travelling=self.travelling))

    def _id(self, batch: Batch, event: object) -> str | None:
        match event:
            case UserMessageAdded():
                return self.message_id
            case SessionStarted() if self.message_id is not None:
                return batch.only_id(self.message_id, "start")
            case ToolExecutionDenied(call_id=call):
                return batch.only_id(call, "outcome")
            case ToolOutcomeResolved(call_id=call):
                return batch.only_id(call, "resolution")
            case _:
                return None
