"""A backlog that is consumed: at least once, exactly once, and by a bare loop beside them."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from time import perf_counter, process_time
from typing import Any
from uuid import uuid4

import orjson
import psycopg

from benchmarks.database import Bench, size_bytes
from benchmarks.script import OneCall
from messagedb_agent import Subscription, connect
from messagedb_agent.store.message import Message, NewMessage
from messagedb_agent.store.message_db import MessageDbStore

CATEGORY = "agent:v0"
STREAMS = 1_250
"""How many threads the events are of."""
AT_WORK = 16
"""How many of them are at work at the same time: so many alternate, event by event."""
_PAGE = 1_000
_LOOKS = 7

# The events of one turn, over and over: thread after thread, sixteen at a time, each of which has
# its next turn when all others had theirs. Ids are new; hashes and what refers to ids are copies.
_FILL = """
INSERT INTO message_store.messages (stream_name, type, position, data, metadata, id)
SELECT 'agent:v0-' || copy.thread, type,
       CASE WHEN position = 0 THEN 0 ELSE position + turn * %(turn)s END,
       data, metadata, gen_random_uuid()
FROM generate_series(0, %(turns)s) AS turn
CROSS JOIN (SELECT n, gen_random_uuid()::text AS thread
            FROM generate_series(1, %(streams)s) AS n OFFSET 0) AS copy
CROSS JOIN message_store.messages AS one
WHERE one.stream_name = %(thread)s AND (position > 0 OR turn = 0)
ORDER BY turn, n / %(at_work)s, position, n
LIMIT %(events)s
"""
_BARE = "SELECT * FROM get_category_messages(%s, %s::bigint, %s::bigint)"
_TABLE = "CREATE TABLE message_store.handled (id text)"
_GRANT = "GRANT INSERT ON message_store.handled TO message_store"
_WRITE = "INSERT INTO handled VALUES (%s)"


@dataclass(frozen=True, slots=True)
class Consumed:
    """What one way to consume took.

    Attributes:
        count: how many messages came.
        elapsed_s: seconds, from start to end.
        cpu_s: seconds that this process worked meanwhile, the server's not counted.
    """

    count: int
    elapsed_s: float
    cpu_s: float

    @property
    def per_s(self) -> float:
        """Messages a second."""
        return self.count / self.elapsed_s


@dataclass(frozen=True, slots=True)
class Backlog:
    """What was measured.

    Attributes:
        events: how many there are, of so many `STREAMS`.
        mean_bytes: of one, with all indexes.
        bare: read by psycopg, data and metadata parsed by orjson, in one loop.
        at_least_once: handed to a coroutine function that does nothing.
        exactly_once: handed with a connection to one that writes nothing there.
        exactly_once_written: of a tenth of the events, to one that writes a row for each.
        resumed_ms: until the first message is in a handler's hands, from the middle.
        begun_ms: the same from the start.
        page_ms: for a page of 1,000 at the start, in the middle and at the end.
        scan: how the server finds a page in the middle.
    """

    events: int
    mean_bytes: float
    bare: Consumed
    at_least_once: Consumed
    exactly_once: Consumed
    exactly_once_written: Consumed
    resumed_ms: float
    begun_ms: float
    page_ms: tuple[float, float, float]
    scan: str


async def measure(bench: Bench, events: int) -> Backlog:
    """Fill the database, and consume all of it."""
    await _fill(bench, events)
    first, last = _ends(bench.url)
    middle = (first + last) // 2
    bare = _bare(bench.url, first)
    async with await MessageDbStore.connect(bench.url) as store:
        begun_ms = await _first_ms(store, first)
        resumed_ms = await _first_ms(store, middle)
        at_least_once = await _consumed(store, _count)
        exactly_once = await _consumed(store, _count_in_transaction)
        tenth = last - (last - first) // 10
        written = await _consumed(store, _write, start=tenth)
    pages = tuple(_page_ms(bench.url, place) for place in (first, middle, last - _PAGE))
    mean = size_bytes(bench.admin_url) / (events + 8)
    scan = _scan(bench.admin_url, middle)
    return Backlog(
        *(events, mean, bare, at_least_once, exactly_once, written),
        *(resumed_ms, begun_ms, (pages[0], pages[1], pages[2]), scan),
    )


async def _fill(bench: Bench, events: int) -> None:
    async with connect(bench.url, models=lambda _: OneCall()) as engine:
        agent = await engine.create_agent("bench", model="scripted")
        agent = await agent.advance("What is six times seven?")
    turn = agent.position
    values = {
        "thread": f"{CATEGORY}-{agent.thread_id}",
        "turn": turn,
        "turns": events // (STREAMS * turn) + 1,
        "streams": STREAMS,
        "at_work": AT_WORK,
        "events": events,
    }
    with psycopg.connect(bench.admin_url, autocommit=True) as connection:
        connection.execute(_FILL, values)
        connection.execute(_TABLE)
        connection.execute(_GRANT)
        connection.execute("VACUUM ANALYZE message_store.messages")
        connection.execute("CHECKPOINT")  # which else came while it is consumed


def _ends(url: str) -> tuple[int, int]:
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT min(global_position), max(global_position) FROM message_store.messages"
        ).fetchone()
    assert row
    return int(row[0]), int(row[1])


def _bare(url: str, position: int) -> Consumed:
    count, began, worked = 0, perf_counter(), process_time()
    with _bare_connection(url) as connection:
        while page := connection.execute(_BARE, (CATEGORY, position, _PAGE)).fetchall():
            for row in page:
                orjson.loads(row[5])
                orjson.loads(row[6])
            count += len(page)
            position = page[-1][4] + 1
    return Consumed(count, perf_counter() - began, process_time() - worked)


def _bare_connection(url: str) -> psycopg.Connection[tuple[Any, ...]]:
    connection = psycopg.connect(url, autocommit=True)
    connection.execute("SET search_path TO message_store, public")
    return connection


def _page_ms(url: str, position: int) -> float:
    took = []
    with _bare_connection(url) as connection:
        for _ in range(_LOOKS):
            began = perf_counter()
            connection.execute(_BARE, (CATEGORY, position, _PAGE)).fetchall()
            took.append((perf_counter() - began) * 1000)
    return median(took)


def _scan(url: str, position: int) -> str:
    """Return how the server finds a page: what Message DB's function asks, with its values."""
    query = """
    EXPLAIN SELECT * FROM message_store.messages
    WHERE message_store.category(stream_name) = %s AND global_position >= %s
    ORDER BY global_position LIMIT %s
    """
    with psycopg.connect(url) as connection:
        found = psycopg.ClientCursor(connection).execute(query, (CATEGORY, position, _PAGE))
        scans = [str(line) for (line,) in found if " Scan " in line]
    return ", ".join(scan.partition("->")[2].partition(" on ")[0].strip() for scan in scans)


async def _first_ms(store: MessageDbStore, position: int) -> float:
    """Return the milliseconds until the first message is in hand, with a position noted there."""
    took = []
    for look in range(_LOOKS):
        name = f"looks{position}x{look}"
        note = NewMessage(str(uuid4()), "Recorded", f'{{"position": {position}}}')
        await store.append(f"{CATEGORY}+position-{name}", note)
        took.append(await _until_first_ms(store, name))
    return median(took)


async def _until_first_ms(store: MessageDbStore, name: str) -> float:
    first = asyncio.Event()

    async def handle(_: Message) -> None:
        first.set()

    subscription = Subscription(store, CATEGORY, handle, name=name)
    began = perf_counter()
    run = asyncio.create_task(subscription.run())
    await first.wait()
    took_ms = (perf_counter() - began) * 1000
    subscription.stop()
    await run
    return took_ms


async def _count(_: Message) -> None:
    pass


async def _count_in_transaction(_: Message, __: Any) -> None:
    pass


async def _write(message: Message, connection: Any) -> None:
    await connection.execute(_WRITE, (message.id,))


async def _consumed(store: MessageDbStore, handle: Callable[..., Any], start: int = 1) -> Consumed:
    name = handle.__name__.replace("_", "")
    subscription = Subscription(store, CATEGORY, handle, name=name, start=start)
    began, worked = perf_counter(), process_time()
    await subscription.run(once=True)
    return Consumed(subscription.done, perf_counter() - began, process_time() - worked)
