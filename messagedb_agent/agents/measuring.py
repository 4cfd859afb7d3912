"""Counting what a thread holds and what it has used."""

from datetime import datetime

from messagedb_agent.engine.history import parent_of, read_rows
from messagedb_agent.errors import NotFound
from messagedb_agent.events.recorded import utc_time
from messagedb_agent.projections.stats import ForkedFrom, ThreadStats
from messagedb_agent.projections.summary import summary
from messagedb_agent.projections.usage import usage
from messagedb_agent.store.message import Message
from messagedb_agent.store.store import Reader
from messagedb_agent.store.stream_name import id_of


async def measure(reader: Reader, stream: str, until: int | None) -> ThreadStats:
    """Return a thread in numbers, all of it read once.

    Args:
        reader: where it is kept.
        stream: full name of its stream.
        until: position of the last event to count; None counts all.

    Raises:
        NotFound: there is no such thread.
        IntegrityError: a fork's parent is missing or cut, or forks lead in a circle.
        StoreUnavailable: the store was not reached.
    """
    seen, used = summary.initial, usage.initial
    rows = size_bytes = 0
    async for row, decoded in read_rows(reader, stream, until=until):
        seen = summary.evolve(seen, decoded.recorded)
        used = usage.evolve(used, decoded.recorded)
        if row.stream_name == stream:
            rows, size_bytes = rows + 1, size_bytes + _size_bytes(row)
    thread_id = id_of(stream) or ""
    if not rows:
        raise NotFound("thread", thread_id)
    parent = await parent_of(reader, stream)
    return ThreadStats(
        thread_id=thread_id,
        title=seen.title,
        message_count=seen.messages,
        event_count=rows,
        total_bytes=size_bytes,
        usage=used,
        started_at=_time(seen.started_at_ms),
        updated_at=_time(seen.updated_at_ms),
        forked_from=ForkedFrom(id_of(parent.stream) or "", parent.until or 0) if parent else None,
    )


def _size_bytes(row: Message) -> int:
    return sum(len(text.encode()) for text in (row.type, row.data or "", row.metadata or ""))


def _time(time_ms: int | None) -> datetime | None:
    return None if time_ms is None else utc_time(time_ms)
