"""Importing threads: all is checked before anything is written, then each thread whole or not."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from itertools import islice

from messagedb_agent.agents.engine import Engine
from messagedb_agent.audit.archive import Archive
from messagedb_agent.engine.verify import Shared, verify
from messagedb_agent.errors import Conflict, IntegrityError, RefusedPayload
from messagedb_agent.store.encoding import check_message
from messagedb_agent.store.member import Member
from messagedb_agent.store.message import Message, NewMessage
from messagedb_agent.store.store import Reader


@dataclass(frozen=True, slots=True)
class ThreadImport:
    """What an import makes of a thread of an archive.

    Attributes:
        thread_id: its id.
        new: how many of its rows are written.
        there: how many of its rows, the first ones, stood in the store before.
    """

    thread_id: str
    new: int
    there: int


async def check_import(
    engine: Engine, archive: Archive, told: Callable[[ThreadImport], None] | None = None
) -> Sequence[ThreadImport]:
    """Check all threads of an archive, and say what is to be written of each.

    Nothing is written. What is checked is what `verify` checks, a fork's ancestors in the archive
    or, where they are not in it, in the store; that the store can hold the rows; and that rows that
    stand there already are the same.

    Args:
        engine: where they are to be imported.
        archive: the threads.
        told: called with what is to be written of each, as it has been checked.

    Raises:
        IntegrityError: a row does not follow from those before it, or a fork's parent is missing.
        RefusedPayload: the store cannot hold a row.
        Conflict: another row stands in the place of one.
        StoreUnavailable: the store was not reached.
    """
    reader = _ArchiveFirst(archive, engine.store)
    shared, plans = Shared(reader), list[ThreadImport]()
    for stream, part in archive.parts.items():
        for row in archive.rows(stream):
            _check_row(row)
        finding = (await verify(reader, stream, shared=shared)).finding
        if finding:
            beside = f" (recorded {finding.recorded}, computed {finding.computed})"
            place = f"{finding.stream}/{finding.position} {finding.type}".rstrip()
            raise IntegrityError(
                f"nothing is imported: {place}: "
                f"{finding.what}{beside if finding.recorded and finding.computed else ''}"
            )
        there = await _same(engine.store, archive, stream)
        plans.append(ThreadImport(stream.partition("-")[2], part.count - there, there))
        if told:
            told(plans[-1])
    return plans


async def import_threads(
    engine: Engine, archive: Archive, plans: Sequence[ThreadImport]
) -> AsyncIterator[ThreadImport]:
    """Write threads, each in one append, whole or not at all; yield each as it stands.

    Ids, positions, data, metadata and hashes are those of the archive; global positions and times
    are new.

    Args:
        engine: where they are imported.
        archive: the threads.
        plans: what `check_import` found.

    Raises:
        Conflict: a thread has moved on since it was checked, or the id of a message is taken by
            another; nothing of this thread is written.
        StoreUnavailable: the store was not reached; importing again goes on.
    """
    for (stream, _), plan in zip(archive.parts.items(), plans, strict=True):
        if plan.new:
            messages = [_new(row) for row in islice(archive.rows(stream), plan.there, None)]
            await engine.store.append(stream, *messages, expected_version=plan.there - 1)
        yield plan


def _check_row(row: Message) -> None:
    try:
        check_message(_new(row))
    except RefusedPayload as error:
        where = f"{row.stream_name}/{row.position}"
        raise RefusedPayload(
            f"nothing is imported: {where} {row.type}: {error}", field=error.field
        ) from error


def _new(row: Message) -> NewMessage:
    return NewMessage(row.id, row.type, row.data, row.metadata)


async def _same(store: Reader, archive: Archive, stream: str) -> int:
    """Return how many rows of a thread stand in the store already, in front of the others.

    Raises:
        Conflict: one that stands there is another than the archive's.
    """
    there, rows = 0, archive.rows(stream)
    async for row in store.read(stream):
        other = next(rows, None)
        if other is None:
            break  # the thread has gone on since
        if (difference := _difference(row, other)) is not None:
            raise Conflict(
                f"nothing is imported: {stream} is there already and differs at position "
                f"{row.position}: {difference}"
            )
        there += 1
    return there


def _difference(row: Message, other: Message) -> str | None:
    for name in ("id", "type", "data", "metadata"):
        if getattr(row, name) != getattr(other, name):
            return f"another {name} (there a {row.type}, in the file a {other.type})"
    return None if row.position == other.position else "another position"


class _ArchiveFirst:
    """Reads threads of an archive from there, and all else from the store."""

    def __init__(self, archive: Archive, store: Reader) -> None:
        self._archive = archive
        self._store = store

    async def read(
        self, stream: str, *, position: int = 0, until: int | None = None
    ) -> AsyncIterator[Message]:
        if stream not in self._archive.parts:
            async for row in self._store.read(stream, position=position, until=until):
                yield row
            return
        for row in islice(self._archive.rows(stream, until), position, None):
            yield row

    async def stream_version(self, stream: str) -> int:
        part = self._archive.parts.get(stream)
        return part.count - 1 if part else await self._store.stream_version(stream)

    def read_category(
        self,
        category: str,
        *,
        global_position: int = 1,
        correlation: str | None = None,
        member: Member | None = None,
        longest: int | None = None,
    ) -> AsyncIterator[Message]:
        return self._store.read_category(
            category,
            global_position=global_position,
            correlation=correlation,
            member=member,
            longest=longest,
        )

    async def last(self, stream: str, *, type: str | None = None) -> Message | None:
        return await self._store.last(stream, type=type)

    async def by_id(self, id: str) -> Message | None:
        return await self._store.by_id(id)
