"""What people write on a thread to find it again: a title, tags, and that it is put away.

Nothing of it makes a state of the agent, or bears on what it does. It is said to the thread as it
stands by then, also while a turn is under way.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from messagedb_agent.agent.commands import Archive, Command, Tag, Title, Unarchive
from messagedb_agent.agents.standing import Standing

if TYPE_CHECKING:
    from messagedb_agent.agents.agent import Agent
    from messagedb_agent.agents.asking import Asking


@dataclass(frozen=True, eq=False, repr=False)
class Filable(Standing):
    """A state of a thread on which people may write what it is, and where it belongs.

    Attributes:
        engine: writes it down.
    """

    engine: "Asking"

    async def set_title(self, title: str, *, by: str | None = None) -> "Agent":
        """Give the thread a title, in place of the one it has.

        Args:
            title: the title; lists show its first line.
            by: who gives it, for the log.

        Returns:
            The thread's head.

        Raises:
            ValidationError: the title is empty.
            RefusedPayload: it is larger than the store takes.
            Refused: the thread was never started or is deleted, or it holds an event that needs
                newer code.
            IntegrityError: a fork's parent is missing or cut, or the stream is shorter than it was.
            StoreUnavailable: the store was not reached; asking again is safe.
        """
        return await self._file(Title(title, by))

    async def generate_title(self, *, by: str | None = None) -> "Agent":
        """Have the thread's own model give it a title, from how the conversation begins.

        The call is recorded beside the turn, with its cost, also while one is under way; the title
        stands with the reply.

        Args:
            by: who wants it, for the log.

        Returns:
            The thread's head.

        Raises:
            ModelError: the model gave none; nothing else came of it.
            Refused: the thread was never started or is deleted, nothing was said in it yet, it
                holds an event that needs newer code, or a limit of the session is reached.
            IntegrityError: a fork's parent is missing or cut, or the stream is shorter than it was.
            StoreUnavailable: the store was not reached; asking again is safe.
        """
        return await self.engine.generate_title(self, by=by)

    async def tag(self, *tags: str, by: str | None = None) -> "Agent":
        """Put tags on the thread; those that it has already are not recorded again.

        Args:
            tags: each one line of 1 to 100 characters, with no blank at its ends; a thread has 100
                at most.
            by: who puts them on, for the log.

        Returns:
            The thread's head.

        Raises:
            ValidationError: a tag is none, or there would be too many; nothing was written.
            Refused: the thread was never started or is deleted, or it holds an event that needs
                newer code.
            IntegrityError: a fork's parent is missing or cut, or the stream is shorter than it was.
            StoreUnavailable: the store was not reached; asking again is safe.
        """
        return await self._file(Tag(tags, (), by))

    async def untag(self, *tags: str, by: str | None = None) -> "Agent":
        """Take tags off the thread; one that it does not have is no error.

        Args:
            tags: the tags.
            by: who takes them off, for the log.

        Returns:
            The thread's head.

        Raises:
            Refused: the thread was never started or is deleted, or it holds an event that needs
                newer code.
            IntegrityError: a fork's parent is missing or cut, or the stream is shorter than it was.
            StoreUnavailable: the store was not reached; asking again is safe.
        """
        return await self._file(Tag((), tags, by))

    async def archive(self, *, by: str | None = None) -> "Agent":
        """Put the thread away: lists leave it out, and nothing else changes. Twice is once.

        What is said to it later is answered, and it stays archived.

        Args:
            by: who archives it, for the log.

        Returns:
            The thread's head.

        Raises:
            Refused: the thread was never started or is deleted, or it holds an event that needs
                newer code.
            IntegrityError: a fork's parent is missing or cut, or the stream is shorter than it was.
            StoreUnavailable: the store was not reached; asking again is safe.
        """
        return await self._file(Archive(by))

    async def unarchive(self, *, by: str | None = None) -> "Agent":
        """Fetch the thread back; see `archive`.

        Args:
            by: who does, for the log.

        Returns:
            The thread's head.

        Raises:
            Refused: the thread was never started or is deleted, or it holds an event that needs
                newer code.
            IntegrityError: a fork's parent is missing or cut, or the stream is shorter than it was.
            StoreUnavailable: the store was not reached; asking again is safe.
        """
        return await self._file(Unarchive(by))

    async def _file(self, command: Command) -> "Agent":
        return await self.engine.ask(self, command, detached=True)
