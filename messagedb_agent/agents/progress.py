"""Who is told of a run while it goes on, and who sees it through."""

from collections.abc import Callable
from dataclasses import dataclass

from messagedb_agent.events.recorded import Recorded
from messagedb_agent.llm.model import OnDelta


@dataclass(frozen=True, slots=True)
class Progress:
    """Who is told of a run while it goes on; progress, never history.

    Both are called in the event loop that runs the turn, and must not block it.

    Attributes:
        on_delta: gets pieces of answers as they arrive. What it raises fails the model call, as
            `internal`.
        on_event: gets every new event once it stands in the log. What it raises ends the run and
            comes through; the thread can be taken up from there by `resume`.
    """

    on_delta: OnDelta | None = None
    on_event: Callable[[Recorded], None] | None = None


SILENT = Progress()
