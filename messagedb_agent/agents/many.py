"""Many threads at once as they stand: short ones are read together, by few statements."""

from collections.abc import AsyncIterator, Iterator, Sequence

from messagedb_agent.agents.runs import Runs
from messagedb_agent.agents.snapshot_policy import LONG
from messagedb_agent.agents.view import View
from messagedb_agent.errors import IntegrityError
from messagedb_agent.store.store import BATCH_SIZE, StreamHead
from messagedb_agent.store.stream_name import id_of


async def newest(
    runs: Runs, heads: Sequence[StreamHead]
) -> AsyncIterator[tuple[StreamHead, View | IntegrityError]]:
    """Yield how some threads stand, in their order; those that are gone meanwhile are left out.

    Args:
        runs: reads them, and keeps what was read.
        heads: the threads, as they stood when they were found.

    Raises:
        StoreUnavailable: the store was not reached.
    """
    store = runs.equipment.store
    found = await store.heads_of([head.stream_name for head in heads])
    ends = {head.stream_name: head.position for head in found}
    for some in _together([head for head in heads if head.stream_name in ends], ends):
        unread = [
            stream
            for stream in (head.stream_name for head in some)
            if ends[stream] < LONG and not runs.has(_thread_id(stream))
        ]
        firsts = await store.beginnings(unread, rows=LONG)
        for head in some:
            stream = head.stream_name
            first = firsts.get(stream, ())
            try:
                run = await runs.read(_thread_id(stream), ends[stream], first)
            except IntegrityError as error:
                yield head, error
            else:
                yield head, run.view


def _together(heads: Sequence[StreamHead], ends: dict[str, int]) -> Iterator[list[StreamHead]]:
    """Yield threads of which one statement may read the messages, at most `LONG` of each."""
    some, rows = list[StreamHead](), 0
    for head in heads:
        more = min(ends[head.stream_name] + 1, LONG)
        if some and rows + more > BATCH_SIZE:
            yield some
            some, rows = [], 0
        some.append(head)
        rows += more
    if some:
        yield some


def _thread_id(stream: str) -> str:
    return id_of(stream) or ""
