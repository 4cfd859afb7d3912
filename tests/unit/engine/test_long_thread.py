"""A thread of 100,000 events is loaded, shown and goes on; the seconds are printed, not judged."""

import gc
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import pytest

from messagedb_agent.llm.offline import OfflineModel
from messagedb_agent.llm.scripted import call
from messagedb_agent.projections.transcript import transcript
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.store.message import Message, NewMessage
from messagedb_agent.tools.builtin import builtin_tools
from tests.unit.engine.world import engine_on, scripted, stream_of, types

EVENTS = 100_000
_UUID = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


class SeededStore(MemoryStore):
    """A memory store that takes rows which another one has checked already."""

    def seed(self, stream: str, *messages: NewMessage) -> None:
        for message in messages:
            self._write(stream, message)


async def template() -> tuple[str, list[Message]]:
    """Return the stream of a thread and its rows: a start and one turn with a tool call."""
    model = scripted(call("calculate", expression="1+4"), "It is five.")
    engine = engine_on(MemoryStore(), model, *builtin_tools())
    agent = await engine.start("What is 1 + 4?")
    return stream_of(engine, agent.thread_id), [
        m async for m in engine.messages(agent.thread_id)
    ]  # fmt: skip


def again(rows: list[Message]) -> list[NewMessage]:
    """Return the rows of a turn as those of another: every id of theirs exchanged for a new one."""
    new = {row.id: str(uuid4()) for row in rows}
    plain = {id.replace("-", ""): new[id].replace("-", "") for id in new}

    def exchanged(text: str) -> str:
        for old, fresh in (new | plain).items():
            text = text.replace(old, fresh)
        return text

    return [
        NewMessage(new[row.id], row.type, exchanged(row.data or "{}"), row.metadata) for row in rows
    ]


@contextmanager
def timed(what: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    print(f"{what}: {time.perf_counter() - began:.2f} s")


async def test_a_thread_of_100_000_events_loads_and_takes_its_next_turn(
    request: pytest.FixtureRequest,
) -> None:
    stream, rows = await template()
    store = SeededStore()
    engine = engine_on(store, OfflineModel(), *builtin_tools())
    thread_id = stream.partition("-")[2]
    start, turn = rows[0], rows[1:]
    store.seed(stream, NewMessage(start.id, start.type, start.data, start.metadata))
    while (await store.stream_version(stream)) < EVENTS - 1:
        store.seed(stream, *again(turn))

    gc.collect()
    gc.freeze()  # a real store's rows are not in this process, and are no work for its collector
    request.addfinalizer(gc.unfreeze)

    with timed("cold load"):
        agent = await engine.latest(thread_id)
    assert agent.position + 1 >= EVENTS
    turns = (agent.position) // len(turn)
    assert len(agent.view.lineage.states) == 1 + turns
    assert len(agent.view.conversation.entries) == 4 * turns
    with timed("cold turn"):
        answered = await agent.advance("What is 42 * 7?")
    with timed("next turn"):
        last = await answered.advance("What is 2 + 2?")
    with timed("transcript of a fifth"):
        shown = await engine.fold(thread_id, transcript, at=EVENTS // 5)
    assert answered.answer == "42 * 7 = 294."
    assert last.answer == "2 + 2 = 4."
    assert len(shown.settled) > 3 * turns // 5
    assert len(await types(engine, thread_id)) == agent.position + 1 + 2 * len(turn)
