"""A long thread, turn by turn, beside the same writes made bare."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from statistics import median
from time import perf_counter, process_time
from typing import Any
from uuid import uuid4

import psycopg

from benchmarks.database import Bench, second_database, size_bytes
from messagedb_agent import connect
from messagedb_agent.events.request import Reply, Request, RequestedCall
from messagedb_agent.events.values import Attempt, Usage
from messagedb_agent.llm.scripted import ScriptedModel, call
from messagedb_agent.store.message import Appended, NewMessage
from messagedb_agent.store.message_db import MessageDbStore

EDGE = 20
"""How many turns the first ones and the last ones are."""

# What a store writes an append with, and nothing of the store: one statement, so one commit.
_WRITE = """
SELECT write_message(message->>'id', %s, message->>'type', message->'data', message->'metadata',
                     %s::bigint + ordinal - 1)
FROM jsonb_array_elements(%s::jsonb) WITH ORDINALITY AS new(message, ordinal)
ORDER BY ordinal
"""


@dataclass(frozen=True, slots=True)
class Turns:
    """What was measured.

    Attributes:
        engine_ms: milliseconds of each turn, in order.
        cpu_ms: of these, milliseconds that this process worked.
        bare_ms: milliseconds of the same writes made bare, right after each turn.
        size_bytes: growth of the engine's table over all turns, with indexes.
        events: events that the turns wrote.
        commits: appends that the turns made, each a commit.
    """

    engine_ms: Sequence[float]
    cpu_ms: Sequence[float]
    bare_ms: Sequence[float]
    size_bytes: int
    events: int
    commits: int

    @property
    def added_ms(self) -> float:
        """What a turn takes beyond its writes: the median over all turns."""
        pairs = zip(self.engine_ms, self.bare_ms, strict=True)
        return median(engine - bare for engine, bare in pairs)

    def ratio(self, part: slice) -> float:
        """Return how much more some turns cost than their writes: the median over them."""
        pairs = zip(self.engine_ms[part], self.bare_ms[part], strict=True)
        return median(engine / bare for engine, bare in pairs)


@dataclass(frozen=True, slots=True)
class _Append:
    """An append as the engine made it."""

    messages: tuple[NewMessage, ...]
    expected_version: int | None


class _NotingStore(MessageDbStore):
    """Writes what it is told to, and notes it."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._appends: list[_Append] = []

    async def append(
        self, stream: str, *messages: NewMessage, expected_version: int | None = None
    ) -> Appended:
        self._appends.append(_Append(messages, expected_version))
        return await super().append(stream, *messages, expected_version=expected_version)

    def take(self) -> list[_Append]:
        """Return what was written since the last call."""
        taken, self._appends = self._appends, []
        return taken


class BareWriter:
    """Makes the engine's appends once more, by one prepared statement each."""

    def __init__(self, connection: psycopg.Connection) -> None:
        connection.execute("SET search_path TO message_store, public")
        self._connection = connection
        self._stream = f"agent:v0-{uuid4()}"

    def write(self, appends: Sequence[_Append]) -> float:
        """Write, and return the milliseconds it took."""
        ready = [(self._stream, a.expected_version, _as_array(a.messages)) for a in appends]
        began = perf_counter()
        for values in ready:
            self._connection.execute(_WRITE, values).fetchall()
        return (perf_counter() - began) * 1000


async def measure(bench: Bench, count: int, on_turn: Callable[[int], None]) -> Turns:
    """Run one thread for `count` turns of one tool call each.

    Every turn says something to the newest agent. Its appends are then made once more into
    another database of the same server, turn by turn, so that whatever slows the machine down for
    a while slows both.
    """
    bare_url = await second_database(bench, "bare")
    model = ScriptedModel(*_script(), repeat=True)
    store = await _NotingStore.connect(bench.url)
    engine_ms, cpu_ms, bare_ms, events, commits = [], [], [], 0, 0
    with psycopg.connect(bare_url, autocommit=True, prepare_threshold=0) as connection:
        bare = BareWriter(connection)
        async with connect(store, models=lambda _: model) as engine:
            agent = await engine.create_agent("bench", model="scripted")
            bare.write(store.take())
            before_bytes = size_bytes(bench.url)
            for number in range(count):
                began, worked = perf_counter(), process_time()
                agent = await agent.advance(f"What is {number} times seven?")
                engine_ms.append((perf_counter() - began) * 1000)
                cpu_ms.append((process_time() - worked) * 1000)
                appends = store.take()
                bare_ms.append(bare.write(appends))
                events += sum(len(append.messages) for append in appends)
                commits += len(appends)
                on_turn(number + 1)
        grown = size_bytes(bench.url) - before_bytes
    return Turns(engine_ms, cpu_ms, bare_ms, grown, events, commits)


def _script() -> tuple[Callable[[Request], Reply], ...]:
    """Return a tool call and an answer, made beforehand: no model's time is measured."""
    asked = _reply("", call("calculate", expression="6 * 7"))
    answered = _reply("Six times seven is 42, as it has always been.")
    return (lambda _: asked, lambda _: answered)


def _reply(text: str, *calls: RequestedCall) -> Reply:
    usage = Usage(input_tokens=1200, output_tokens=40)
    return Reply(
        model="scripted",
        text=text,
        calls=calls,
        finish_reason="tool_calls" if calls else "stop",
        usage=usage,
        cost_usd=Decimal("0.0042"),
        attempts=(Attempt(model="scripted", kind="answered", elapsed_ms=812),),
    )


def _as_array(messages: Sequence[NewMessage]) -> str:
    """Return messages as one JSON array, the same but for their ids, which are unique."""
    rows = (
        f'{{"id":"{uuid4()}","type":"{m.type}","data":{m.data},"metadata":{m.metadata}}}'
        for m in messages
    )
    return f"[{','.join(rows)}]"
