"""What is remembered of users, across threads: a stream for each user, read on and written here."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from messagedb_agent.agents.notebook import Notebook, Wanted
from messagedb_agent.engine.journal import Writing
from messagedb_agent.errors import NotFound, RefusedName, ValidationError
from messagedb_agent.events.codec import clean_text
from messagedb_agent.events.memory import (
    FactForgotten,
    FactRemembered,
    MemoryEvent,
    Noted,
    checked_name,
    decode_noted,
    value_text,
)
from messagedb_agent.events.recorded import is_whole
from messagedb_agent.events.values import EventPlace
from messagedb_agent.projections.memory import EMPTY, Fact, Memory, recalled
from messagedb_agent.store.store import Store
from messagedb_agent.store.stream_name import user_stream, users_category

MAX_FACTS = 1000
"""Most facts that are known of one user at once."""

_MOST_USERS = 10_000


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of who speaks.

    Attributes:
        stream: full name of the user's stream; empty where nobody is named.
        memory: what is known.
    """

    stream: str = ""
    memory: Memory = EMPTY


@dataclass(frozen=True)
class UserMemory:
    """What is known of users, by key: facts that outlast threads.

    Each user has a stream of its own, in which nothing is ever changed: the newest event of a key
    counts, and what was known at any position can be asked for. Of two writers at once the last one
    counts, and both are recorded.

    Attributes:
        store: where it is kept.
        category: category of the threads, normalised; all versions of it share their users.
        writing: clock, ids and writer.
    """

    store: Store
    category: str
    writing: Writing

    async def set(
        self,
        user: str,
        key: str,
        value: Any,
        *,
        category: str | None = None,
        taught_by: EventPlace | None = None,
        by: str | None = None,
    ) -> Fact:
        """Remember something of a user, in place of what was known by that key.

        Where the same is known already, in the same category, nothing is written.

        Args:
            user: who it is known of: any text, such as an id or a mail address.
            key: what it is called: one line of 1 to 200 characters.
            value: what is known: whatever JSON can hold, of at most 16 KiB.
            category: what it is filed under, one line of 1 to 200 characters.
            taught_by: the message that it was learned from.
            by: who notes it, for the log.

        Returns:
            What is known by that key now.

        Raises:
            ValidationError: the key, the category or the value is none, or there would be more than
                1,000 facts; `field` says which.
            RefusedName: there can be no such user.
            StoreUnavailable: the store was not reached; setting it again is safe.
        """
        said = FactRemembered(
            user=user,
            key=checked_name(key, "key"),
            value=value_text(value),
            category=None if category is None else checked_name(category, "category"),
            taught_by=taught_by,
            by=by,
        )

        def wanted(memory: Memory) -> Sequence[MemoryEvent]:
            known = memory.facts.get(key)
            if known and (known.text, known.category) == (said.value, said.category):
                return ()
            if known is None and len(memory.facts) >= MAX_FACTS:
                raise ValidationError(
                    f"of one user {MAX_FACTS} facts are known at most", field="key"
                )
            return (said,)

        return (await self.note(user, wanted)).facts[key]

    async def forget(self, user: str, key: str, *, by: str | None = None) -> None:
        """Know something of a user no more; that it was known stays in the log.

        Args:
            user: who it is known of.
            key: what it is called.
            by: who says so, for the log.

        Raises:
            NotFound: nothing is known by that key.
            ValidationError: there can be no such key.
            RefusedName: there can be no such user.
            StoreUnavailable: the store was not reached.
        """
        said = FactForgotten(user=user, key=checked_name(key, "key"), by=by)

        def wanted(memory: Memory) -> Sequence[MemoryEvent]:
            if key not in memory.facts:
                raise NotFound("fact", key)
            return (said,)

        await self.note(user, wanted)

    async def get(self, user: str, key: str, *, at: int | None = None) -> Fact | None:
        """Return what is known of a user by a key; None where nothing is.

        Args:
            user: who it is known of.
            key: what it is called.
            at: position in the user's stream, from 0, as of which it is asked; None for now.

        Raises:
            RefusedName: there can be no such user.
            ValidationError: there can be no such position.
            StoreUnavailable: the store was not reached.
        """
        return (await self.recall(user, at=at)).facts.get(key)

    async def get_all(
        self, user: str, *, category: str | None = None, at: int | None = None
    ) -> tuple[Fact, ...]:
        """Return what is known of a user, what was learned first first.

        Args:
            user: who it is known of.
            category: only what is filed under it.
            at: position in the user's stream, from 0, as of which it is asked; None for now.

        Raises:
            RefusedName: there can be no such user.
            ValidationError: there can be no such position.
            StoreUnavailable: the store was not reached.
        """
        facts = (await self.recall(user, at=at)).facts.values()
        return tuple(fact for fact in facts if category in (None, fact.category))

    async def as_prompt(self, user: str, *, at: int | None = None) -> str:
        """Return what a model is shown of what is known of a user; empty where nothing is.

        Args:
            user: who it is known of.
            at: position in the user's stream, from 0, as of which it is asked; None for now.

        Raises:
            RefusedName: there can be no such user.
            ValidationError: there can be no such position.
            StoreUnavailable: the store was not reached.
        """
        return (await self.recall(user, at=at)).as_prompt()

    async def recall(self, user: str, *, at: int | None = None) -> Memory:
        """Return the fold of a user's stream.

        Args:
            user: who it is known of.
            at: position in the user's stream, from 0, as of which it is asked; None for now.

        Raises:
            RefusedName: there can be no such user.
            ValidationError: there can be no such position.
            StoreUnavailable: the store was not reached.
        """
        if at is None:
            return await self._notebook.read(self.stream(user))
        if not is_whole(at) or at < 0:
            raise ValidationError("a position is a whole number from 0", field="at")
        memory = EMPTY
        async for message in self.store.read(self.stream(user), until=at):
            memory = recalled(memory, decode_noted(message))
        return memory

    async def known_of(self, user: str | None) -> Known:
        """Return what is known of who speaks; nothing of nobody, and of whom no stream can be.

        Raises:
            StoreUnavailable: the store was not reached.
        """
        if not isinstance(user, str):
            return Known()
        try:
            stream = self.stream(clean_text(user))
        except RefusedName:
            return Known()
        return Known(stream, await self.recall(clean_text(user)))

    async def history(self, user: str) -> AsyncIterator[Noted]:
        """Read a user's stream: what was learned and forgotten, oldest first.

        Args:
            user: who it is known of.

        Raises:
            RefusedName: there can be no such user.
            StoreUnavailable: the store was not reached.
        """
        async for message in self.store.read(self.stream(user)):
            yield decode_noted(message)

    async def users(self) -> tuple[str, ...]:
        """Return the users of whom something was ever noted, by name; 10,000 at most.

        Raises:
            StoreUnavailable: the store was not reached.
        """
        prefix = f"{users_category(self.category)}-"
        streams = await self.store.streams_with_prefix(prefix, limit=_MOST_USERS)
        found = [await self._named(stream) for stream in streams]
        return tuple(sorted(user for user in found if user is not None))

    def clear_cache(self) -> None:
        """Drop what was folded; it is read again when it is needed. Any thread may call it."""
        self._notebook.clear()

    def stream(self, user: str) -> str:
        """Return the full name of a user's stream.

        Raises:
            RefusedName: there can be no such user.
        """
        return user_stream(self.category, user)

    async def note(self, user: str, wanted: Wanted, *, id: str | None = None) -> Memory:
        """Append what is wanted of what is known, all or none, and return what is known then.

        Args:
            user: who it is known of.
            wanted: returns the events that are to be appended; none where there is nothing to say.
            id: id of the last one of them; a new one by default.
        """
        return await self._notebook.note(self.stream(user), wanted, id=id)

    @cached_property
    def _notebook(self) -> Notebook:
        return Notebook(self.store, self.writing)

    async def _named(self, stream: str) -> str | None:
        message = await self.store.last(stream, type=FactRemembered.__name__)
        event = decode_noted(message).event if message else None
        return event.user if isinstance(event, FactRemembered) else None
