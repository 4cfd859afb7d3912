"""Importing threads, and what stands beside them: all is checked first, then each whole or not."""

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from messagedb_agent.agents.engine import Engine
from messagedb_agent.audit.archive import Archive
from messagedb_agent.audit.archive_first import ArchiveFirst
from messagedb_agent.audit.beside import BesideChecking, engine_kinds
from messagedb_agent.audit.kinds import Kinds
from messagedb_agent.engine.verify import Shared, verify
from messagedb_agent.errors import AgentError, Conflict, IntegrityError, RefusedPayload
from messagedb_agent.store.encoding import check_message
from messagedb_agent.store.message import Message, NewMessage
from messagedb_agent.store.store import Reader
from messagedb_agent.store.stream_name import id_of, thread_stream

_REFUSALS = (IntegrityError, RefusedPayload, Conflict)


@dataclass(frozen=True, slots=True)
class StreamImport:
    """What an import makes of a stream of an archive: a thread, a user's memory, a definition.

    Attributes:
        stream: its full name.
        new: how many of its rows are written.
        there: how many of its rows, the first ones, stood in the store before.
        refused: why it is left out; None for one that is imported, or is there already.
    """

    stream: str
    new: int
    there: int
    refused: AgentError | None = None

    @property
    def id(self) -> str:
        """What its name ends in: the id of a thread, for one."""
        return id_of(self.stream) or ""


async def check_import(
    engine: Engine,
    archive: Archive,
    told: Callable[[StreamImport], None] | None = None,
    *,
    skips_refused: bool = False,
) -> Sequence[StreamImport]:
    """Check all threads of an archive, and what stands beside them; say what is to be written.

    Nothing is written. What is checked is what `verify` checks, a fork's ancestors and what a
    thread took from other streams in the archive or, where they are not in it or are left out, in
    the store; that the store can hold the rows; and that rows that stand there already are the
    same.

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
    plans, left_out = dict[str, StreamImport](), set[str]()
    waiting = [stream for stream in archive.parts if not _is_thread(archive, stream)]
    threads = [stream for stream in archive.parts if _is_thread(archive, stream)]
    while waiting or threads:
        if not waiting:  # what threads took is looked at before them
            waiting, threads = threads, []
        reader, refused = ArchiveFirst(archive, engine.store, left_out), set[str]()
        checks = _Checks(reader, archive.kinds)
        for stream in waiting:
            try:
                plan = await _planned(reader, stream, checks)
            except _REFUSALS as error:
                if not skips_refused:
                    error.args = (f"nothing is imported: {error}",)
                    raise
                plan = StreamImport(stream, 0, 0, error)
                refused.add(stream)
            if told and stream not in plans:
                told(plan)
            plans[stream] = plan
        left_out |= refused
        waiting = [
            stream
            for stream, plan in plans.items()
            if plan.refused is None and await checks.depends(stream, refused)
        ]
    return [plans[stream] for stream in archive.parts]


async def import_threads(
    engine: Engine,
    archive: Archive,
    plans: Sequence[StreamImport],
    *,
    skips_refused: bool = False,
) -> AsyncIterator[StreamImport]:
    """Write threads, and what stands beside them, each in one append; yield each as it stands.

    Each is written whole or not at all.

    Ids, positions, data, metadata and hashes are those of the archive; global positions and times
    are new. Those that are to be left out are yielded, too.

    Args:
        engine: where they are imported.
        archive: the threads.
        plans: what `check_import` found.
        skips_refused: as there, also of what is refused only when it is written.

    Raises:
        Conflict: a stream has moved on since it was checked, or the id of a message is taken by
            another; nothing of this stream is written.
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
                reader = ArchiveFirst(archive, engine.store, left_out)
                await _Checks(reader, archive.kinds).check(stream)
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
    beside: Sequence[str] = (),
) -> AsyncIterator[tuple[str, AgentError]]:
    """Yield the streams that no import would take, with the reasons.

    Args:
        engine: where they are kept.
        thread_ids: ids of threads, in full.
        told: called as each has been checked.
        beside: streams beside threads, by their full names.

    Raises:
        StoreUnavailable: the store was not reached.
    """
    checks = _Checks(engine.store, engine_kinds(engine))
    threads = (thread_stream(engine.category, engine.version, one) for one in thread_ids)
    for stream in (*beside, *threads):
        try:
            await checks.check(stream)
        except _REFUSALS as error:
            yield stream, error
        if told:
            told()


async def _planned(reader: ArchiveFirst, stream: str, checks: "_Checks") -> StreamImport:
    await checks.check(stream)
    there = await _same(reader.store, reader.archive, stream)
    return StreamImport(stream, reader.archive.parts[stream].count - there, there)


class _Checks:
    """Checks streams of each kind; what forks share is looked at once."""

    def __init__(self, reader: Reader, kinds: Kinds) -> None:
        self._reader = reader
        self._kinds = kinds
        self._shared = Shared(reader)
        self._beside = BesideChecking(reader, kinds)

    async def check(self, stream: str) -> None:
        """Check that a store can hold a stream's rows, and that they follow from each other."""
        async for row in self._reader.read(stream):
            try:
                check_message(_new(row))
            except RefusedPayload as error:
                where = f"{row.stream_name}/{row.position}"
                raise RefusedPayload(f"{where} {row.type}: {error}", field=error.field) from error
        if self._kinds.of(stream) == "thread":
            finding = (await verify(self._reader, stream, shared=self._shared)).finding
        else:
            finding = (await self._beside.verify(stream)).finding
        if finding:
            beside = f" (recorded {finding.recorded}, computed {finding.computed})"
            place = f"{finding.stream}/{finding.position} {finding.type}".rstrip()
            raise IntegrityError(
                f"{place}: {finding.what}{beside if finding.recorded and finding.computed else ''}"
            )

    async def depends(self, stream: str, refused: Collection[str]) -> bool:
        """Say whether a stream must be checked again, now that others are left out.

        A thread that was forked from one of them, however long ago; what is known of users that any
        thread may have taught.
        """
        if not refused:
            return False
        if self._kinds.of(stream) != "thread":
            return any(self._kinds.of(other) == "thread" for other in refused)
        *ancestors, _ = await self._shared.ancestry.segments(stream)
        return any(part.stream in refused for part in ancestors)


def _of(archive: Archive, plans: Sequence[StreamImport]) -> Sequence[tuple[str, StreamImport]]:
    return tuple(zip(archive.parts, plans, strict=True))


def _is_thread(archive: Archive, stream: str) -> bool:
    return archive.kinds.of(stream) == "thread"


def _new(row: Message) -> NewMessage:
    return NewMessage(row.id, row.type, row.data, row.metadata)


async def _same(store: Reader, archive: Archive, stream: str) -> int:
    """Return how many rows of a stream stand in the store already, in front of the others.

    Raises:
        Conflict: one that stands there is another than the archive's.
    """
    there, rows = 0, archive.rows(stream)
    async for row in store.read(stream):
        other = next(rows, None)
        if other is None:
            break  # the stream has gone on since
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
