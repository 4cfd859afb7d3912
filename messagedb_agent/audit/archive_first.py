"""A reader of what will be there once an archive is imported."""

from collections.abc import AsyncIterator, Collection
from itertools import islice

from messagedb_agent.audit.archive import Archive
from messagedb_agent.store.member import Member
from messagedb_agent.store.message import Message
from messagedb_agent.store.store import Reader


class ArchiveFirst:
    """Reads streams of an archive from there, but for some, and all else from the store."""

    def __init__(self, archive: Archive, store: Reader, but: Collection[str]) -> None:
        self.archive = archive
        self.store = store
        self._parts = {name: part for name, part in archive.parts.items() if name not in but}

    async def read(
        self, stream: str, *, position: int = 0, until: int | None = None
    ) -> AsyncIterator[Message]:
        if stream not in self._parts:
            async for row in self.store.read(stream, position=position, until=until):
                yield row
            return
        for row in islice(self.archive.rows(stream, until), position, None):
            yield row

    async def stream_version(self, stream: str) -> int:
        part = self._parts.get(stream)
        return part.count - 1 if part else await self.store.stream_version(stream)

    def read_category(
        self,
        category: str,
        *,
        global_position: int = 1,
        correlation: str | None = None,
        member: Member | None = None,
        longest: int | None = None,
    ) -> AsyncIterator[Message]:
        return self.store.read_category(
            category,
            global_position=global_position,
            correlation=correlation,
            member=member,
            longest=longest,
        )

    async def last(self, stream: str, *, type: str | None = None) -> Message | None:
        return await self.store.last(stream, type=type)

    async def by_id(self, id: str) -> Message | None:
        return await self.store.by_id(id)
