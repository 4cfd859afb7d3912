"""Agents made of a state: threads of their own, which share all up to it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from messagedb_agent.agents.progress import SILENT, Progress
from messagedb_agent.agents.readable import Readable

if TYPE_CHECKING:
    from messagedb_agent.agents.agent import Agent


@dataclass(frozen=True, eq=False, repr=False)
class Forkable(Readable):
    """A state from which others branch off; it stays as it is."""

    async def fork(
        self, *, title: str | None = None, progress: Progress = SILENT, detached: bool = False
    ) -> "Agent":
        """Begin a thread of its own that shares all up to this state; nothing is copied.

        Where the state is in the middle of a turn, the fork goes on with that: its unanswered
        message is answered. Calls without an outcome are not run, and nothing waits in it.

        Args:
            title: the fork's title; None leaves its parent's.
            progress: told of the run while it goes on.
            detached: only begin it; workers, or `resume`, go on with what it owes.

        Returns:
            The fork's state: its start, or where it rests then.

        Raises:
            ValidationError: the title is empty.
            ModelError: the model call failed for good; `agent` is the recorded state.
            LimitReached: a limit stopped the turn; `agent` is the recorded state.
            IntegrityError: a parent is missing or cut.
            StoreUnavailable: the store was not reached; a fork may stand there all the same.
        """
        return await self.engine.fork(self, title=title, progress=progress, detached=detached)

    async def clone(self) -> "Agent":
        """Begin a thread of its own that shares all up to this state, and asks no model.

        It is a detached `fork`: what this state owes, where it is in the middle of a turn, is
        answered by workers, or by `resume`.

        Returns:
            An agent with an id of its own, whose parent is this one.

        Raises:
            IntegrityError: a parent is missing or cut.
            StoreUnavailable: the store was not reached; a fork may stand there all the same.
        """
        return await self.engine.fork(self, detached=True)

    async def with_model(self, model: str) -> "Agent":
        """Return a clone that asks another model from its next turn on.

        `advance(..., model=...)` does so in this thread.

        Args:
            model: the model's name. It is not looked up before it is asked.

        Returns:
            An agent with an id of its own, whose parent is this one.

        Raises:
            ValidationError: the name is empty.
            IntegrityError: a parent is missing or cut.
            StoreUnavailable: the store was not reached; a fork may stand there all the same.
        """
        return await self.engine.fork(self, detached=True, changes={"model": model})

    async def with_metadata(self, metadata: Mapping[str, Any]) -> "Agent":
        """Return a clone with other metadata.

        Args:
            metadata: what to note with it in place of this agent's, a JSON object.

        Returns:
            An agent with an id of its own, whose parent is this one.

        Raises:
            ValidationError: JSON cannot hold the metadata.
            RefusedPayload: they are larger than the store takes.
            IntegrityError: a parent is missing or cut.
            StoreUnavailable: the store was not reached; a fork may stand there all the same.
        """
        return await self.engine.fork(self, detached=True, metadata=metadata)
