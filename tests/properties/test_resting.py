"""A thread that rests for certain, by some of its rows, rests by all of them."""

from collections.abc import Sequence

from hypothesis import given

from messagedb_agent.agents.resting import rests_behind
from messagedb_agent.events.codec import decode
from messagedb_agent.events.recorded import Recorded
from messagedb_agent.projections.projection import fold
from messagedb_agent.projections.summary import summary
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.store.message import Message
from tests.properties.effort import examples
from tests.properties.sessions import MOVES, Moves, session_of
from tests.properties.streams import SESSIONS, STREAMS
from tests.properties.test_glance import written

WITH_WORK = ("ready", "running", "unknown")


async def rows_of(records: Sequence[Recorded]) -> list[list[Message]]:
    """Return the rows of each stream that is no fork."""
    store: MemoryStore = await written(records)
    names = dict.fromkeys(recorded.stream for recorded in records)
    return [[row async for row in store.read(name)] for name in names][:1]


async def check(records: Sequence[Recorded]) -> int:
    """Check every part of a stream that ends anywhere in it; return how many rest for certain."""
    found = 0
    for rows in await rows_of(records):
        for end in range(1, len(rows) + 1):
            whole = fold(summary, [decode(row).recorded for row in rows[:end]])
            for start in range(end):
                if rests_behind(rows[start:end]):
                    found += 1
                    assert whole.status not in WITH_WORK, (start, end)
    return found


@examples(150)
@given(SESSIONS)
async def test_no_part_of_a_session_rests_where_the_whole_does_not(
    records: tuple[Recorded, ...],
) -> None:
    await check(records[:40])


@examples(150)
@given(STREAMS)
async def test_no_part_of_any_stream_rests_where_the_whole_does_not(
    records: tuple[Recorded, ...],
) -> None:
    await check(records[:40])


@examples(50)
@given(MOVES)
async def test_no_part_of_what_an_engine_writes_rests_where_the_whole_does_not(
    moves: Moves,
) -> None:
    await check(session_of(0, moves).log.records[:40])
