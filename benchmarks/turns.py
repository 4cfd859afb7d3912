"""A long thread, turn by turn, beside the same writes made bare."""

from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median
from time import perf_counter, process_time

import psycopg

from benchmarks.bare import BareWriter, NotingStore
from benchmarks.database import Bench, second_database, size_bytes
from benchmarks.lengthening import add_turns
from benchmarks.script import OneCall
from messagedb_agent import Agent, connect

EDGE = 20
"""How many turns the first ones, the last ones and the far ones are."""


@dataclass(slots=True)
class Turns:
    """What was measured, in order.

    Attributes:
        engine_ms: milliseconds of each turn.
        cpu_ms: of these, milliseconds that this process worked.
        bare_ms: milliseconds of the same writes made bare, right after each turn.
        events: how many events the turns wrote.
        commits: how many appends the turns made, each a commit.
    """

    engine_ms: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
    bare_ms: list[float] = field(default_factory=list)
    events: int = 0
    commits: int = 0

    @property
    def added_ms(self) -> float:
        """What a turn takes beyond its writes: the median over all turns."""
        pairs = zip(self.engine_ms, self.bare_ms, strict=True)
        return median(engine - bare for engine, bare in pairs)

    def ratio(self, part: slice = slice(None)) -> float:
        """Return how much more some turns cost than their writes: the median over them."""
        pairs = zip(self.engine_ms[part], self.bare_ms[part], strict=True)
        return median(engine / bare for engine, bare in pairs)


@dataclass(frozen=True, slots=True)
class LongThread:
    """One thread, measured.

    Attributes:
        turns: its turns, one after another.
        size_bytes: growth of the table over these, with indexes.
        far: turns behind many that were put there without being run.
    """

    turns: Turns
    size_bytes: int
    far: Turns


async def measure(bench: Bench, count: int, far: int, on_turn: Callable[[int], None]) -> LongThread:
    """Run one thread for `count` turns of one tool call each, and for a few at turn `far`.

    Every turn says something to the newest agent. Its appends are then made once more into
    another database of the same server, turn by turn, so that whatever slows the machine down for
    a while slows both.
    """
    bare_url = await second_database(bench, "bare")
    store = await NotingStore.connect(bench.url)
    turns, far_turns = Turns(), Turns()
    with psycopg.connect(bare_url, autocommit=True, prepare_threshold=0) as connection:
        bare = BareWriter(connection)

        async def turn(agent: Agent, measured: Turns) -> Agent:
            began, worked = perf_counter(), process_time()
            agent = await agent.advance("What is six times seven?")
            measured.engine_ms.append((perf_counter() - began) * 1000)
            measured.cpu_ms.append((process_time() - worked) * 1000)
            appends = [append.messages for append in store.take()]
            measured.bare_ms.append(bare.write(appends))
            measured.events += sum(map(len, appends))
            measured.commits += len(appends)
            return agent

        async with connect(store, models=lambda _: OneCall()) as engine:
            agent = await engine.create_agent("bench", model="scripted")
            bare.write(append.messages for append in store.take())
            before_bytes = size_bytes(bench.url)
            for number in range(count):
                agent = await turn(agent, turns)
                on_turn(number + 1)
            grown = size_bytes(bench.url) - before_bytes

            messages = [message async for message in engine.messages(agent.thread_id)]
            add_turns(bench, messages[-turns.events // count :], far - EDGE - count)
            # The first one of so many events would be made beside the turns that are measured.
            await engine.write_snapshot(agent.thread_id)
            agent = await engine.latest(agent.thread_id)
            for _ in range(EDGE):
                agent = await turn(agent, far_turns)
    return LongThread(turns, grown, far_turns)
