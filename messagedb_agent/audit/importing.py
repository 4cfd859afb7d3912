"""Importing threads: all is checked before anything is written, then each thread whole or not."""

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from messagedb_agent.agents.engine import Engine
from messagedb_agent.audit.archive import Archive
from messagedb_agent.engine.verify import Shared, verify
from messagedb_agent.errors import AgentError, Conflict, IntegrityError, RefusedPayload
from messagedb_agent.store.encoding import check_message
from messagedb_agent.store.member import Member
from messagedb_agent.store.message import Message, NewMessage
from messagedb_agent.store.store import Reader
from messagedb_agent.store.stream_name import thread_stream

_REFUSALS = (IntegrityError, RefusedPayload, Conflict)


@dataclass(frozen=True, slots=True)
class ThreadImport:
    """What an import makes of a thread of an archive.

    Attributes:
        thread_id: its id.
        new: how many of its rows are written.
        there: how many of its rows, the first ones, stood in the store before.
        refused: why it is left out; None for a thread that is imported, or is there already.
    """

    thread_id: str
    new: int
    there: int
    refused: AgentError | None = None


async def check_import(
    engine: Engine,
    archive: Archive,
    told: Callable[[ThreadImport], None] | None = None,
    *,
    skips_refused: bool = False,
) -> Sequence[ThreadImport]:
    """Check all threads of an archive, and say what is to be written of each.

    Nothing is written. What is checked is what `verify` checks, a fork's ancestors in the archive
    or, where they are not in it or are left out, in the store; that the store can hold the rows;
    and that rows that stand there already are the same.

    Args:
        engine: where they are to be imported.
        archive: the threads.
        told: called with what is to be written of each, as it has been checked.
        skips_refused: leave out what is refused, each with its reason, and take the others.

    Raises:
        IntegrityError: a row does not follow from those before it, or a fork's parent is missing;
            this and the next two not where such threads are left out.
        RefusedPayload: the store cannot hold a row.
        Conflict: another row stands in the place of one.
        StoreUnavailable: the store was not reached.
    """
    plans, left_out = dict[str, ThreadImport](), set[str]()
    waiting = list(archive.parts)
    while waiting:
        reader, refused = _ArchiveFirst(archive, engine.store, left_out), set[str]()
        shared = Shared(reader)
        for stream in waiting:
            try:
                plan = await _planned(reader, stream, shared)
            except _REFUSALS as error:
                if not skips_refused:
                    error.args = (f"nothing is imported: {error}",)
                    raise
                plan = ThreadImport(_id(stream), 0, 0, error)
                refused.add(stream)
            if told and stream not in plans:
                told(plan)
            plans[stream] = plan
        left_out |= refused
        waiting = [
            stream
            for stream, plan in plans.items()
            if plan.refused is None and await _descends(shared, stream, refused)
        ]
    return [plans[stream] for stream in archive.parts]


async def import_threads(
    engine: Engine,
    archive: Archive,
    plans: Sequence[ThreadImport],
    *,
    skips_refused: bool = False,
) -> AsyncIterator[ThreadImport]:
    """Write threads, each in one append, whole or not at all; yield each as it stands.

    Ids, positions, data, metadata and hashes are those of the archive; global positions and times
    are new. Those that are to be left out are yielded, too.

    Args:
        engine: where they are imported.
        archive: the threads.
        plans: what `check_import` found.
        skips_refused: as there, also of what is refused only when it is written.

    Raises:
        Conflict: a thread has moved on since it was checked, or the id of a message is taken by
            another; nothing of this thread is written.
        StoreUnavailable: the store was not reached; importing again goes on.
    """
    left_out = {stream for stream, plan in _of(archive, plans) if plan.refused}
    is_as_checked = True
    for stream, plan in _of(archive, plans):
        if plan.refused or not plan.new:
            yield plan
            continue
        try:
            if not is_as_checked:  # it may be a fork of what was to be here by now
                reader = _ArchiveFirst(archive, engine.store, left_out)
                await _check_rows(reader, stream, Shared(reader))
            messages = [_new(row) for row in islice(archive.rows(stream), plan.there, None)]
            await engine.store.append(stream, *messages, expected_version=plan.there - 1)
        except _REFUSALS as error:
            if not skips_refused:
                raise
            left_out.add(stream)
            is_as_checked = False
            yield replace(plan, new=0, refused=error)
        else:
            yield plan


async def refused_exports(
    engine: Engine,
    thread_ids: Sequence[str],
    told: Callable[[], None] | None = None,
) -> AsyncIterator[tuple[str, AgentError]]:
    """Yield the threads that no import would take, with the reasons.

    Args:
        engine: where they are kept.
        thread_ids: their ids, in full.
        told: called as each has been checked.

    Raises:
        StoreUnavailable: the store was not reached.
    """
    shared = Shared(engine.store)
    for thread_id in thread_ids:
        stream = thread_stream(engine.category, engine.version, thread_id)
        try:
            await _check_rows(engine.store, stream, shared)
        except _REFUSALS as error:
            yield thread_id, error
        if told:
            told()


async def _planned(reader: "_ArchiveFirst", stream: str, shared: Shared) -> ThreadImport:
    await _check_rows(reader, stream, shared)
    there = await _same(reader.store, reader.archive, stream)
    return ThreadImport(_id(stream), reader.archive.parts[stream].count - there, there)


async def _check_rows(reader: Reader, stream: str, shared: Shared) -> None:
    """Check that a store can hold a thread's rows, and that they follow from each other."""
    async for row in reader.read(stream):
        try:
            check_message(_new(row))
        except RefusedPayload as error:
            where = f"{row.stream_name}/{row.position}"
            raise RefusedPayload(f"{where} {row.type}: {error}", field=error.field) from error
    finding = (await verify(reader, stream, shared=shared)).finding
    if finding:
        beside = f" (recorded {finding.recorded}, computed {finding.computed})"
        place = f"{finding.stream}/{finding.position} {finding.type}".rstrip()
        raise IntegrityError(
            f"{place}: {finding.what}{beside if finding.recorded and finding.computed else ''}"
        )


async def _descends(shared: Shared, stream: str, streams: Collection[str]) -> bool:
    """Say whether a thread was forked, however long ago, from one of others."""
    if not streams:
        return False
    *ancestors, _ = await shared.ancestry.segments(stream)
    return any(part.stream in streams for part in ancestors)


def _of(archive: Archive, plans: Sequence[ThreadImport]) -> Sequence[tuple[str, ThreadImport]]:
    return tuple(zip(archive.parts, plans, strict=True))


def _id(stream: str) -> str:
    return stream.partition("-")[2]


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
                f"{stream} is there already and differs at position {row.position}: {difference}"
            )
        there += 1
    return there


def _difference(row: Message, other: Message) -> str | None:
    for name in ("id", "type", "data", "metadata"):
        if getattr(row, name) != getattr(other, name):
            return f"another {name} (there a {row.type}, in the file a {other.type})"
    return None if row.position == other.position else "another position"


class _ArchiveFirst:
    """Reads threads of an archive from there, but for some, and all else from the store."""

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
