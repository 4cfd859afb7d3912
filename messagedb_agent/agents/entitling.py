"""A title that a model gives a thread, from how its conversation begins."""

from messagedb_agent.agent.commands import Title
from messagedb_agent.agent.decider import accept, check_open
from messagedb_agent.agents.run import Run
from messagedb_agent.engine.aside import ask_aside
from messagedb_agent.engine.batch import Batch
from messagedb_agent.engine.effects import Effects
from messagedb_agent.errors import Refused
from messagedb_agent.events.schema import Event, LlmCallFailed, LlmResponseReceived
from messagedb_agent.projections.conversation import Conversation
from messagedb_agent.projections.requests import FoldedRequest, title_request

MAX_TITLE_CHARS = 100
"""Most characters of a title that a model gives; what is longer is cut."""

_AROUND = " \t\"'`*_#\u201c\u201d\u201e\u2018\u2019\u00ab\u00bb"  # what models put around a title


async def entitle(run: Run, effects: Effects, by: str | None) -> Event:
    """Ask a thread's own model for a title, and record it with the reply.

    Args:
        run: the thread.
        effects: asks the model.
        by: who wants it, for the log.

    Returns:
        The reply, or why there is none.

    Raises:
        Refused: the thread takes none, or nothing was said in it yet.
    """

    def follow(batch: Batch, reply: LlmResponseReceived) -> None:
        position, title = batch.head.version, title_in(reply.text)
        try:
            events = accept(batch.shown.state, Title(title, by)) if title else ()
        except Refused:  # it was deleted meanwhile
            return
        for event in events:
            batch.claim(event, position)

    await run.journal.catch_up()
    outcome = await ask_aside(run.journal, effects.perform, "title", _asked, follow)
    if isinstance(outcome, LlmResponseReceived) and not title_in(outcome.text):
        return LlmCallFailed(
            llm_call_id=outcome.llm_call_id, kind="empty", message="the model gave no title"
        )
    return outcome


def title_in(text: str) -> str:
    """Return the title in a model's answer: its first line, without what stands around it."""
    lines = (" ".join(line.split()).strip(_AROUND) for line in text.splitlines())
    title = next((line for line in lines if line), "")
    return title if len(title) <= MAX_TITLE_CHARS else f"{title[: MAX_TITLE_CHARS - 1].rstrip()}…"


def _asked(shown: Conversation) -> FoldedRequest:
    check_open(shown.state)
    if not shown.entries:
        raise Refused("nothing was said in the thread yet")
    return title_request(shown)
