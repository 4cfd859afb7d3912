"""What a thread's own events tell of workers that died over it."""

from collections.abc import Sequence

from messagedb_agent.events.codec import decode
from messagedb_agent.events.recorded import Recorded
from messagedb_agent.events.schema import LlmCallFailed, LlmCallStarted, ToolExecutionStarted
from messagedb_agent.store.message import Message

_TELLING = ("LlmCallFailed", "ToolExecutionStarted")


def deaths_told(rows: Sequence[Message]) -> int:
    """Return how many owners have left claims behind that were taken over since.

    A tool call tells by its attempts, a model call by the interruptions that others wrote.

    Args:
        rows: some of a thread's rows in order.
    """
    attempts, interruptions = 1, 0
    for row in rows:
        if row.type in _TELLING:
            match decode(row).recorded.event:
                case ToolExecutionStarted(attempt=attempt):
                    attempts = max(attempts, attempt)
                case LlmCallFailed(kind="interrupted"):
                    interruptions += 1
                case _:
                    pass
    return max(attempts - 1, interruptions)


def is_claim(recorded: Recorded) -> bool:
    """Say whether an event says that something is about to run, or runs again."""
    match recorded.event:
        case LlmCallStarted() | ToolExecutionStarted() | LlmCallFailed(kind="interrupted"):
            return True
        case _:
            return False
