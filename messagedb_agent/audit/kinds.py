"""Which streams an audit sees to: threads, users' memory and named definitions."""

from dataclasses import dataclass
from typing import Literal

from messagedb_agent.store.stream_name import (
    category_of,
    definition_stream,
    definitions_category,
    id_of,
    is_definition_name,
    is_thread,
    is_user_id,
    user_stream,
    users_category,
)

Kind = Literal["thread", "user", "definition"]


@dataclass(frozen=True, slots=True)
class Kinds:
    """The streams of a category of threads, and of what stands beside it.

    Attributes:
        category: category of the threads, such as `agent:v0`.
    """

    category: str

    @property
    def base(self) -> str:
        """Category without its version, such as `agent`."""
        return self.category.partition(":")[0]

    @property
    def users(self) -> str:
        """Category of users' memory, such as `agentUser`."""
        return users_category(self.base)

    @property
    def definitions(self) -> str:
        """Category of named definitions, such as `agentDefinition`."""
        return definitions_category(self.base)

    @property
    def beside(self) -> tuple[str, str]:
        """The categories that stand beside threads."""
        return self.definitions, self.users

    def of(self, stream: str) -> Kind | None:
        """Return what a stream is; None where its name is that of none of these."""
        category, id = category_of(stream), id_of(stream) or ""
        if is_thread(self.category, stream):
            return "thread"
        if category == self.users and is_user_id(id):
            return "user"
        if category == self.definitions and is_definition_name(id):
            return "definition"
        return None

    def user(self, user: str) -> str:
        """Return the stream of a user's memory.

        Raises:
            RefusedName: there can be no such user.
        """
        return user_stream(self.base, user)

    def definition(self, name: str) -> str:
        """Return the stream of a named definition.

        Raises:
            RefusedName: no definition can have this name.
        """
        return definition_stream(self.base, name)

    def called(self, stream: str) -> str:
        """Return how a stream is called in what people read: a thread by its id."""
        id = id_of(stream) or ""
        return f"thread {id}" if self.of(stream) == "thread" else stream
