"""The rows of a simulated server: those of a memory store, without its awaits."""

from collections.abc import Sequence

from messagedb_agent.store.member import Member
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.store.message import Message, NewMessage


class Rows(MemoryStore):
    """Rows, looked at and written at one instant."""

    def page(self, stream: str, position: int, size: int) -> list[Message]:
        return self._streams.get(stream, [])[position : position + size]

    def of_category(
        self, category: str, global_position: int, size: int, member: Member | None
    ) -> list[Message]:
        found = (
            row
            for row in self._categories.get(category, [])
            if row.global_position >= global_position
            and (member is None or member.has(row.stream_name))
        )
        return [row for row, _ in zip(found, range(size), strict=False)]

    def heads(self, category: str, before: int, most: int) -> list[Message]:
        """Return the last row of each stream of a category, the newest first."""
        last = [self._streams[name][-1] for name in self._names if name.startswith(f"{category}-")]
        last = [row for row in last if row.global_position < before]
        return sorted(last, key=lambda row: -row.global_position)[:most]

    def newest(self, stream: str, type: str | None) -> list[Message]:
        rows = reversed(self._streams.get(stream, []))
        return [row for row in rows if type in (None, row.type)][:1]

    def with_id(self, id: str) -> list[Message]:
        return [self._by_id[id]] if id in self._by_id else []

    def version(self, stream: str) -> int:
        return self._version(stream)

    def names(self, prefix: str, limit: int) -> list[str]:
        return [name for name in self._names if name.startswith(prefix)][:limit]

    def last_global_position(self) -> int:
        return self._global_position

    def types_written(self) -> frozenset[str]:
        return frozenset(row.type for row in self._by_id.values())

    def write(self, stream: str, message: NewMessage) -> Message:
        return self._write(stream, message)

    def standing(
        self, stream: str, messages: Sequence[NewMessage], expected: int | None
    ) -> list[Message]:
        return self._standing(stream, messages, expected)

    def skip(self) -> None:
        """Leave a gap, as a sequence does where a statement fails."""
        self._global_position += 1
