"""Members of a consumer group, and which streams are whose."""

from dataclasses import dataclass
from hashlib import md5

from messagedb_agent.errors import ValidationError
from messagedb_agent.store.stream_name import cardinal_id_of


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a consumer group: gets the streams whose cardinal id hashes to its number.

    Attributes:
        number: from 0 to `size` - 1.
        size: how many members share the category; 1 to 32,767.

    Raises:
        ValidationError: a number or a size outside of that.
    """

    number: int
    size: int

    def __post_init__(self) -> None:
        if not 1 <= self.size <= 32_767:
            raise ValidationError(f"a group of {self.size}; 1 to 32767 are allowed", field="size")
        if not 0 <= self.number < self.size:
            raise ValidationError(
                f"member {self.number} of a group of {self.size}; the first is 0", field="number"
            )

    def has(self, stream: str) -> bool:
        """Say whether a stream is this member's.

        Source: Message DB 1.3.0, `functions/hash-64.sql` and `get-category-messages.sql`.
        """
        digest = md5((cardinal_id_of(stream) or "").encode(), usedforsecurity=False).digest()
        hashed = int.from_bytes(digest[:8], "big", signed=True)
        return abs(hashed) % self.size == self.number
