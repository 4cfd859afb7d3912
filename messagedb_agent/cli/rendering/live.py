"""A run as it goes on: pieces of answers and tool calls on a terminal, events in the log."""

from typing import TYPE_CHECKING

from messagedb_agent.cli.rendering.events import cut
from messagedb_agent.cli.streams import answers
from messagedb_agent.cli.terminal import harmless, is_terminal, note
from messagedb_agent.observability.logging import EventLog

if TYPE_CHECKING:
    from messagedb_agent.agents.progress import Progress
    from messagedb_agent.events.recorded import Recorded
    from messagedb_agent.events.request import Delta

_SHOWN_CHARACTERS = 200


class Live:
    """Shows a run.

    Args:
        is_quiet: nothing is shown while it runs; for output that a program reads.
        is_value: answers are values, of which no piece is shown.

    Attributes:
        thread_id: the thread, once an event of this run stands in it.
        shown: what stands on the terminal of the answer under way.
        has_moved: whether the thread has moved on, by more than its start or another definition.
    """

    def __init__(self, *, is_quiet: bool = False, is_value: bool = False) -> None:
        self._is_watched = is_terminal(answers()) and not is_quiet
        self._shows_pieces = self._is_watched and not is_value
        self._log = EventLog()
        self.thread_id: str | None = None
        self.shown = ""
        self.has_moved = False

    @property
    def progress(self) -> "Progress":
        """What the engine tells of the run."""
        from messagedb_agent.agents.progress import Progress

        return Progress(self._on_delta if self._shows_pieces else None, self._on_event)

    def finish(self, answer: str | None) -> None:
        """Write the answer, or what is missing of it on the terminal."""
        already_there = self.shown == answer
        self.break_line()
        if answer and not already_there:
            self._write(answer + "\n")

    def break_line(self) -> None:
        """Begin a new line after half an answer."""
        if self.shown:
            self._write("\n")
        self.shown = ""

    def _on_delta(self, delta: "Delta") -> None:
        if delta.kind == "text":
            self.shown += delta.text
            self._write(delta.text)
        elif delta.kind == "restart" and self.shown:
            self.break_line()
            note("(the answer was cut off; asking again)")

    def _on_event(self, recorded: "Recorded") -> None:
        from messagedb_agent.events import schema

        self.thread_id = recorded.stream.partition("-")[2]
        stays = isinstance(recorded.event, schema.SessionStarted | schema.AgentRedefined)
        self.has_moved |= not stays
        self._log(recorded)
        if not self._is_watched:
            return
        match recorded.event:
            case schema.LlmResponseReceived(tool_calls=calls) if calls:
                self.break_line()
            case schema.ToolExecutionStarted(tool_name=name, arguments=arguments):
                note(f"> {name} {_short(arguments)}")
            case schema.ToolExecutionCompleted(result=result):
                note(f"< {_short(result)}")
            case schema.ToolExecutionFailed(kind=kind, message=message):
                note(f"! {kind}: {_short(message)}")
            case _:
                pass

    def _write(self, text: str) -> None:
        answers().write(harmless(text) if self._is_watched else text)
        answers().flush()


def _short(text: str) -> str:
    return cut(" ".join(text.split()), _SHOWN_CHARACTERS)
