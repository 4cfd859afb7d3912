"""What a store offers that can be searched by words."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from messagedb_agent.store.message import Message
from messagedb_agent.store.words import Query

MAX_RANKED = 10_000
"""Most messages that are ranked: of more that fit, the newest."""

# Whose words are searched, and what else bears on that: as the views, this knows types of events.
SAID = "UserMessageAdded"
ANSWERED = "LlmResponseReceived"
STARTED = "SessionStarted"
DELETED = "SessionDeleted"
TYPES = (SAID, ANSWERED, STARTED, DELETED)
CALLED = "LlmCallStarted"
PURPOSE = "answer"


@dataclass(frozen=True, slots=True)
class Match:
    """A message that has all that is sought.

    Attributes:
        message: the message.
        rank: how well it fits; more is better.
    """

    message: Message
    rank: float


@runtime_checkable
class Searchable(Protocol):
    """Searches what users and models said in the threads of a category.

    That is the `text` of user messages, and of replies to calls for an answer; not of threads that
    are deleted. What forks share stands once, and is found once.
    """

    async def search(
        self, category: str, query: Query, *, user: str | None = None, limit: int
    ) -> Sequence[Match]:
        """Return the messages that fit best; of equal ones the newer first.

        Args:
            category: such as `agent:v0`.
            query: what is sought.
            user: only threads of this user, as the first event of each says; None for all.
            limit: how many at the most.

        Raises:
            ConfigurationError: the index that it needs is not there, or may not be used.
            RefusedName: `category` holds an id.
            StoreUnavailable: the store was not reached.
        """
        ...

    async def index(self, category: str, *, anew: bool = False) -> int:
        """Bring what is searched up to date, as each search does.

        Args:
            category: such as `agent:v0`.
            anew: forget all that is known of the category first.

        Returns:
            How many texts were taken in.

        Raises:
            ConfigurationError: the index is not there, or may not be used.
            RefusedName: `category` holds an id.
            StoreUnavailable: the store was not reached.
        """
        ...
