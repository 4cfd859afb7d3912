"""Streams beside those of a category: what a consumer of it keeps for itself."""

import re
from dataclasses import dataclass

from messagedb_agent.errors import RefusedName
from messagedb_agent.store.member import Member
from messagedb_agent.store.stream_name import is_thread

_WORD = re.compile(r"[A-Za-z0-9]{1,100}")


@dataclass(frozen=True, slots=True)
class Group:
    """A group of consumers that share a category.

    Attributes:
        category: what they consume, such as `agent:v0`.
        name: ASCII letters and digits, so that the identifiers of two groups are never the same.

    Raises:
        RefusedName: another name.
    """

    category: str
    name: str

    def __post_init__(self) -> None:
        if not _WORD.fullmatch(self.name):
            raise RefusedName(
                f"group {self.name!a} is not 1 to 100 ASCII letters and digits", field="group"
            )

    def identifier(self, member: Member) -> str:
        """Return how a member is called where it keeps something; no other member is."""
        return f"{self.name}-{member.number}-of-{member.size}"

    def is_thread(self, stream: str) -> bool:
        """Say whether a stream is a thread that this group may be given."""
        return is_thread(self.category, stream)

    def member(self, identifier: str) -> Member | None:
        """Return the member that is called so; None where it is none of this group."""
        found = re.fullmatch(rf"{self.name}-(\d{{1,5}})-of-(\d{{1,5}})", identifier)
        if not found:
            return None
        number, size = int(found[1]), int(found[2])
        is_one = number < size <= 32_767 and identifier == f"{self.name}-{number}-of-{size}"
        return Member(number, size) if is_one else None
