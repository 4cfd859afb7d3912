"""Many threads of one process and one category, all at work at once, beside bare writes."""

import asyncio
import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from time import perf_counter, process_time

import psycopg

from benchmarks.bare import Append, BareWriter, NotingStore, new_stream
from benchmarks.database import Bench, second_database
from benchmarks.script import OneCall
from messagedb_agent import Agent, connect
from messagedb_agent.cli.app import GC_THRESHOLD

ROUNDS = 7
"""How often all threads take a turn, after one round that is not counted."""


@dataclass(frozen=True, slots=True)
class Threads:
    """What was measured: a figure for each round.

    Attributes:
        turns_per_s: turns of all threads together.
        cpu_ms: milliseconds that this process worked for one turn.
        rare_cpu_ms: the same where garbage is looked for as rarely as the command line does.
        bare_per_s: turns of four events in four commits, one after another by one connection.
        group_per_s: turns of all events, those of many threads in one commit.
    """

    turns_per_s: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
    rare_cpu_ms: list[float] = field(default_factory=list)
    bare_per_s: list[float] = field(default_factory=list)
    group_per_s: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """How many times the bare rate the threads reached: the median over the rounds."""
        pairs = zip(self.turns_per_s, self.bare_per_s, strict=True)
        return median(turns / bare for turns, bare in pairs)


async def measure(bench: Bench, count: int, on_round: Callable[[int], None]) -> Threads:
    """Let `count` threads of one process take a turn of one tool call each, all at once.

    After each round the same number of turns is written bare, twice, into another database of the
    same server: one event in each of a turn's four commits, commit by commit; and all events,
    those of up to 100 threads in one commit.
    """
    bare_url = await second_database(bench, "bare_threads")
    store = await NotingStore.connect(bench.url)
    measured = Threads()
    with psycopg.connect(bare_url, autocommit=True, prepare_threshold=0) as connection:
        bare = BareWriter(connection)
        async with connect(store, models=lambda _: OneCall()) as engine:
            agents: Sequence[Agent] = [
                await engine.create_agent("bench", model="scripted") for _ in range(count)
            ]
            agents = await _all_advance(agents)
            turn = _one_turn(store.take())
            for number in range(ROUNDS):
                began, worked = perf_counter(), process_time()
                agents = await _all_advance(agents)
                measured.cpu_ms.append((process_time() - worked) * 1000 / count)
                measured.turns_per_s.append(count / (perf_counter() - began))
                store.take()

                took_ms = bare.write([append.messages[:1] for append in turn] * count)
                measured.bare_per_s.append(count * 1000 / took_ms)
                streams = [new_stream() for _ in range(count)]
                took_ms = sum(bare.write_together(streams, append) for append in turn)
                measured.group_per_s.append(count * 1000 / took_ms)
                on_round(number + 1)

            usual = gc.get_threshold()
            gc.set_threshold(GC_THRESHOLD)
            for _ in range(ROUNDS):
                worked = process_time()
                agents = await _all_advance(agents)
                measured.rare_cpu_ms.append((process_time() - worked) * 1000 / count)
            gc.set_threshold(*usual)
    return measured


async def _all_advance(agents: Sequence[Agent]) -> Sequence[Agent]:
    return await asyncio.gather(*(agent.advance("What is six times seven?") for agent in agents))


def _one_turn(appends: Sequence[Append]) -> list[Append]:
    """Return the appends of one thread's turn, as if its stream began with them."""
    by_place = {append.expected_version: append for append in appends}
    first = min(place for place in by_place if place >= 0)
    turn, place = [], first
    while append := by_place.get(place):
        turn.append(replace(append, expected_version=place - first - 1))
        place += len(append.messages)
    return turn
