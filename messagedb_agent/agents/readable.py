"""What can be read of the past that led to a state; nothing here writes, or asks a model."""

from dataclasses import dataclass
from reprlib import repr as short
from typing import TYPE_CHECKING

from messagedb_agent.agents.ancestry import ancestry
from messagedb_agent.agents.filable import Filable
from messagedb_agent.engine.history import read_events
from messagedb_agent.errors import NotFound, ValidationError
from messagedb_agent.events.recorded import is_whole
from messagedb_agent.projections.messages import ChatMessage, messages
from messagedb_agent.projections.usage import ThreadUsage, usage
from messagedb_agent.store.stream_name import id_of

if TYPE_CHECKING:
    from messagedb_agent.agents.agent import Agent


@dataclass(frozen=True, eq=False, repr=False)
class Readable(Filable):
    """A state whose past can be read: all up to the state, whatever came after it."""

    async def messages(self) -> tuple[ChatMessage, ...]:
        """Return what was said up to this state, oldest first, each message with what it cost.

        A fork's are its ancestors' too. What a summary stands for is among them; the summary, the
        system prompt, and calls on the side are not.

        Raises:
            IntegrityError: a fork's parent is missing or cut, or forks lead in a circle.
            StoreUnavailable: the store was not reached.
        """
        events = read_events(self.engine.store, self._stream, until=self.position)
        return messages([recorded async for recorded in events])

    async def last_response(self) -> str | None:
        """Return what the model said last, with text, up to this state; None where it never did.

        `answer` is what it has said since the user spoke last.

        Raises:
            IntegrityError: a fork's parent is missing or cut, or forks lead in a circle.
            StoreUnavailable: the store was not reached.
        """
        if self.answer:
            return self.answer
        said = reversed(await self.messages())
        return next((m.text for m in said if m.role == "assistant" and m.text), None)

    async def usage(self) -> ThreadUsage:
        """Return what was used up to this state, by model and by tool.

        A fork's is counted with what it shares with its ancestors.

        Raises:
            IntegrityError: a fork's parent is missing or cut, or forks lead in a circle.
            StoreUnavailable: the store was not reached.
        """
        return await self.engine.fold(self.thread_id, usage, at=self.position)

    async def lineage(self) -> "tuple[Agent, ...]":
        """Return the states that led here, from the first one to this one, across forks.

        Each is the parent of the next one, as `parent_id` says.

        Raises:
            IntegrityError: a fork's parent is missing or cut, or forks lead in a circle.
            StoreUnavailable: the store was not reached.
        """
        folds = await ancestry(self.engine.store, self._stream, self.position)
        streams = [seen.named_by.stream if seen.named_by else self._stream for seen in folds]
        return tuple(
            self.engine._agent(id_of(stream) or "", seen)
            for stream, seen in zip(streams, folds, strict=True)
        )

    async def at(self, position: int) -> "Agent":
        """Return the thread's state at a position, before this one or after it.

        Args:
            position: position of an event in the thread's own stream, from 0. One that makes no
                state, such as a title, gives the state that it found.

        Raises:
            NotFound: there is no event, or not yet.
            ValidationError: it is no whole number.
            IntegrityError: a fork's parent is missing or cut, or forks lead in a circle.
            StoreUnavailable: the store was not reached.
        """
        if not is_whole(position):
            raise ValidationError(
                f"{short(position)} is no position: a whole number", field="position"
            )
        seen = await self.engine._folded(self.thread_id, position) if position >= 0 else None
        if seen is None or seen.last is None or seen.last.place != (self._stream, position):
            raise NotFound("event", f"{self.thread_id}/{position}")
        return self.engine._agent(self.thread_id, seen)

    @property
    def _stream(self) -> str:
        return self.engine._stream(self.thread_id)
