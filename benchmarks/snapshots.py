"""The next turn of a long thread in another process, with a snapshot and without."""

import gc
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from time import perf_counter, process_time

import psycopg

from benchmarks.database import Bench
from benchmarks.lengthening import add_turns
from benchmarks.script import OneCall
from messagedb_agent import Engine, connect
from messagedb_agent.engine.fingerprint import fingerprint
from messagedb_agent.engine.snapshots import pages_stream, snapshot_stream

TIMES = 7
TURN_EVENTS = 7

LATE = 490
"""How many events there may be behind a snapshot by the default policy, or nearly."""


@dataclass(frozen=True, slots=True)
class ColdTurn:
    """A turn of an engine that knew nothing of the thread.

    Attributes:
        elapsed_ms: milliseconds from the first read to the answer.
        cpu_ms: of these, milliseconds that this process worked.
    """

    elapsed_ms: float
    cpu_ms: float


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured.

    Attributes:
        events: how long the thread was.
        without: the next turn without a snapshot.
        behind: next turns behind one.
        late: next turns with nearly as many events behind one as there may be by default.
        late_events: how many these are.
        first_ms: milliseconds to write the first one, beside the work.
        next_ms: milliseconds to write the next one, a few events later.
        size_bytes: what the first one and its pages take in the table.
        next_bytes: what the next one takes.
    """

    events: int
    without: ColdTurn
    behind: Sequence[ColdTurn]
    late: Sequence[ColdTurn]
    late_events: int
    first_ms: float
    next_ms: float
    size_bytes: int
    next_bytes: int


async def measure(bench: Bench, events: int, times: int = TIMES) -> Measured:
    """Lengthen a thread to so many events, and take turns as new processes would.

    A turn is counted from the first read of the thread to its rest, in an engine that has connected
    and has read nothing: what is looked for, read, checked and decoded of a snapshot is in it, the
    digest of this code's sources too; the start of an interpreter and its imports are not. Its
    model takes no time, and is shown the whole conversation as a sequence that it asks for its last
    message alone.
    """
    thread_id = await _thread(bench, events)
    without = await _turn(bench, thread_id, "never")
    first_ms = await _written(bench, thread_id)
    size_bytes = _size(bench, thread_id)
    behind = [await _turn(bench, thread_id, "every 1000000000") for _ in range(times)]
    next_ms = await _written(bench, thread_id)
    next_bytes = _size(bench, thread_id) - size_bytes
    late_events = await _lengthened(bench, thread_id)
    late = [await _turn(bench, thread_id, "every 1000000000") for _ in range(times)]
    sizes = (size_bytes, next_bytes)
    return Measured(events, without, behind, late, late_events, first_ms, next_ms, *sizes)


async def _thread(bench: Bench, events: int) -> str:
    async with await _engine(bench, "never") as engine:
        agent = await engine.create_agent("bench", model="scripted")
        for _ in range(3):
            agent = await agent.advance("What is six times seven?")
        messages = [message async for message in engine.messages(agent.thread_id)]
        turn = messages[-len(messages) // 3 :]
        add_turns(bench, turn, (events - len(messages)) // len(turn))
        return agent.thread_id


async def _lengthened(bench: Bench, thread_id: str) -> int:
    """Put turns behind a thread without snapshots, and return how many events they are."""
    async with await _engine(bench, "never") as engine:
        newest = await engine.newest(thread_id)
        start = newest.position - TURN_EVENTS + 1 if newest else 0
        turn = [message async for message in engine.messages(thread_id, position=start)]
    count = LATE // TURN_EVENTS
    add_turns(bench, turn, count)
    return count * TURN_EVENTS


async def _engine(bench: Bench, snapshots: str) -> Engine:
    return await connect(bench.url, models=lambda _: OneCall(), snapshots=snapshots)


async def _turn(bench: Bench, thread_id: str, snapshots: str) -> ColdTurn:
    async with await _engine(bench, snapshots) as engine:
        fingerprint.cache_clear()
        gc.collect()
        began, worked = perf_counter(), process_time()
        agent = await engine.latest(thread_id)
        await agent.advance("What is six times seven?")
        return ColdTurn((perf_counter() - began) * 1000, (process_time() - worked) * 1000)


async def _written(bench: Bench, thread_id: str) -> float:
    """Return how long a snapshot takes to be written behind a turn, in milliseconds."""
    async with await _engine(bench, "every 1") as engine:
        agent = await engine.latest(thread_id)
        await agent.advance("What is six times seven?")
        began = perf_counter()
        while engine._runs.snapshots.is_busy:
            await engine._runs.close()
        return (perf_counter() - began) * 1000


def _size(bench: Bench, thread_id: str) -> int:
    stream = f"agent:v0-{thread_id}"
    names = (snapshot_stream(stream), pages_stream(stream))
    with psycopg.connect(bench.url) as connection:
        row = connection.execute(
            "SELECT sum(pg_column_size(data)) FROM messages WHERE stream_name = ANY(%s)",
            [list(names)],
        ).fetchone()
    return int(row[0] or 0) if row else 0


def middle(turns: Sequence[ColdTurn]) -> ColdTurn:
    """Return the median of turns."""
    return ColdTurn(median(t.elapsed_ms for t in turns), median(t.cpu_ms for t in turns))
