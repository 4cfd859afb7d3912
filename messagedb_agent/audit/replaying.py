"""A session walked event by event: what a thread was right after each of them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from messagedb_agent.agent.decider import decide
from messagedb_agent.agent.steps import Step
from messagedb_agent.agents.reading import Reading
from messagedb_agent.engine.history import read_rows
from messagedb_agent.projections.conversation import Conversation, Entry, conversation
from messagedb_agent.store.message import Message
from messagedb_agent.store.stream_name import thread_stream


@dataclass(frozen=True, slots=True)
class Moment:
    """A thread right after one of its events.

    Attributes:
        message: the event, as it stands in the store.
        is_own: whether it stands in the thread's own stream; else in that of a fork's ancestor.
        before: the fold up to the event before it.
        shown: the fold with it: the state, the agent in force, and what the model is shown.
    """

    message: Message
    is_own: bool
    before: Conversation
    shown: Conversation

    @property
    def step(self) -> Step:
        """What was to be done next."""
        return decide(self.shown.state)

    @property
    def is_rewritten(self) -> bool:
        """Whether messages of the conversation before it are shown no more, as by a summary."""
        kept = len(self.before.entries)
        return bool(kept) and (
            len(self.shown.entries) < kept
            or self.shown.entries[kept - 1].digest != self.before.entries[kept - 1].digest
        )

    @property
    def added(self) -> tuple[Entry, ...]:
        """What it has added to the conversation; all of that where it was rewritten."""
        return self.shown.entries[0 if self.is_rewritten else len(self.before.entries) :]


async def replay(
    engine: Reading, thread_id: str, *, at: int | None = None
) -> AsyncIterator[Moment]:
    """Walk a thread, a fork's ancestors first; no model and no tool is called.

    Args:
        engine: where it is kept.
        thread_id: its id, in full; a thread without events has no moments.
        at: position of the last event, from 0, in the thread's own stream; None walks to the end.

    Raises:
        RefusedName: no thread can have this id.
        IntegrityError: a fork's parent is missing or cut, or forks lead in a circle.
        StoreUnavailable: the store was not reached.
    """
    stream = thread_stream(engine.category, engine.version, thread_id)
    shown = conversation.initial
    async for message, decoded in read_rows(engine.store, stream, until=at):
        before, shown = shown, conversation.evolve(shown, decoded.recorded)
        yield Moment(message, message.stream_name == stream, before, shown)
