"""What a chat remembers: the thread's last exchange, and the lines that were typed."""

import sys
from typing import TYPE_CHECKING

from messagedb_agent.cli.next_steps import at_rest
from messagedb_agent.cli.rendering.text import transcript_lines
from messagedb_agent.cli.terminal import note, out, write

if TYPE_CHECKING:
    from messagedb_agent import Agent, Engine
    from messagedb_agent.projections.transcript import Transcript

_MOST_LINES = 500


def remember_lines() -> None:
    """Let lines be edited and called up again, where this Python can."""
    try:
        import readline
    except ImportError:
        return
    if hasattr(readline, "set_auto_history"):
        readline.set_auto_history(False)  # answers to questions are no messages


def remember(line: str) -> None:
    """Keep a line, to be called up again."""
    readline = sys.modules.get("readline")
    if readline is not None:
        readline.add_history(line)


async def recall(engine: "Engine", agent: "Agent") -> None:
    """Show the last exchange of a thread, and keep what was said in it as lines.

    There is no file of lines: what was typed stands in the log.
    """
    from messagedb_agent.projections.transcript import transcript

    folded: Transcript = await engine.fold(agent.thread_id, transcript)
    shown = tuple(folded)
    said = [place for place, item in enumerate(shown) if item.kind == "user"]
    for place in said[-_MOST_LINES:]:
        if shown[place].text.isprintable():  # what is not cannot be typed on one line
            remember(shown[place].text)
    last = said[-1] if said else 0
    out(f"thread {agent.thread_id}")
    if last:
        out("(/show shows all of it)")
    for line in transcript_lines(shown[last:], full=False):
        write(line)
    out("", flush=True)
    if agent.status == "approval":
        note("a call waits for approval; /continue asks about it")
    elif agent.status not in ("waiting", "ended"):
        note(f"{at_rest(agent)}; /continue goes on")
