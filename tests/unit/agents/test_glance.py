"""A thread in a line, from a bounded part of what stands in it."""

from collections.abc import AsyncIterator, Sequence

import pytest

from messagedb_agent.agents.agent import Agent
from messagedb_agent.agents.glance import SIZES, glance
from messagedb_agent.engine.batch import Draft
from messagedb_agent.engine.history import read_events
from messagedb_agent.errors import ModelError
from messagedb_agent.events.request import CallFailure
from messagedb_agent.events.schema import SessionTitled
from messagedb_agent.llm.scripted import call
from messagedb_agent.projections.projection import fold
from messagedb_agent.projections.summary import Summary, summary
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.store.message import Message
from messagedb_agent.tools.function_tool import tool
from tests.contract.messages import new
from tests.unit.engine.world import engine_on, journal_of, look, scripted, stream_of

# Fewer rows than a thread here has, and enough for the newest claim of an answer to be among them.
FEW = (12,)


class CountingStore(MemoryStore):
    """A memory store that counts the rows it gives out."""

    def __init__(self) -> None:
        super().__init__()
        self.rows_read = 0

    async def read(
        self, stream: str, *, position: int = 0, until: int | None = None
    ) -> AsyncIterator[Message]:
        async for message in super().read(stream, position=position, until=until):
            self.rows_read += 1
            yield message


@tool(needs_approval=True)
def burn(what: str) -> str:
    """Burn something."""
    return f"{what} is ash"


def shown(line: Summary) -> Sequence[object]:
    return (line.status, line.title, line.messages, line.started_at_ms, line.updated_at_ms)


async def assert_told_at_every_position(store: MemoryStore, stream: str) -> int:
    """Compare with the fold of the whole at every position; return how many there are."""
    version = await store.stream_version(stream)
    for position in range(version + 1):
        history = read_events(store, stream, until=position)
        expected = fold(summary, [recorded async for recorded in history])
        found = await glance(store, stream, position, sizes=FEW)
        assert shown(found) == shown(expected), position
    return version + 1


async def eventful(store: MemoryStore) -> Agent:
    """Return a thread in which nearly everything has happened."""
    burns = (call("burn", what="a"), call("burn", what="b"))
    failure, overflow = CallFailure("refused", "no"), CallFailure("context_overflow", "too long")
    answers = (call("look"), "one", burns, "ash", failure, "better", overflow, "so far", "all")
    model = scripted(*answers, call("look"), " ", "last")
    engine = engine_on(store, model, look, burn)
    agent = await engine.start("\n  first \n words ")
    agent = await agent.advance("burn")
    first, second = agent.approvals
    agent = await (await agent.approve(first.call_id)).deny(second.call_id)
    with pytest.raises(ModelError) as caught:
        await agent.advance("fail")
    assert isinstance(caught.value.agent, Agent)
    agent = await caught.value.agent.resume()
    agent = await agent.advance("too much")
    agent = await (await agent.end()).advance("again")
    journal = await journal_of(engine, agent.thread_id)
    titled = Draft("00000000-0000-7000-8000-0000000000aa", SessionTitled(title="Ash"))
    await journal.record([titled], lambda _: None)
    return await (await engine.latest(agent.thread_id)).advance("still there?")


async def test_a_threads_newest_rows_tell_of_it_what_all_of_them_do() -> None:
    store = MemoryStore()
    agent = await eventful(store)
    assert await assert_told_at_every_position(store, f"agent:v0-{agent.thread_id}") > 3 * FEW[0]


async def test_a_forks_newest_rows_tell_of_it_what_all_of_them_do() -> None:
    store = MemoryStore()
    agent = await eventful(store)
    other = engine_on(store, scripted(*(f"{n}" for n in range(9))), look, burn)
    old = await other.load_agent(agent.parent_id or "")
    fork = await old.advance("instead")
    assert fork.thread_id != agent.thread_id
    for n in range(4):
        fork = await fork.advance(f"more {n}")
    await assert_told_at_every_position(store, stream_of(other, fork.thread_id))


async def test_a_long_thread_is_listed_by_a_bounded_part_of_it() -> None:
    store = CountingStore()
    engine = engine_on(store, scripted(*["yes"] * 500), look)
    agent = await engine.start("first")
    for n in range(499):
        agent = await agent.advance(f"message {n}")
    store.rows_read = 0
    [listed] = await engine.threads()
    assert agent.position == 1_500
    assert store.rows_read < 2 * SIZES[0]
    assert (listed.summary.status, listed.summary.title) == ("waiting", "first")
    assert listed.summary.messages == 1_000


async def test_of_a_long_stream_of_others_no_status_is_made_up() -> None:
    store = CountingStore()
    await store.append("agent:v0-theirs", new("UserMessageAdded", '{"text": "hello"}'))
    await store.append("agent:v0-theirs", *(new("OrderPlaced") for _ in range(2 * SIZES[-1])))
    store.rows_read = 0
    [listed] = await engine_on(store).threads()
    assert store.rows_read < 2 * SIZES[-1]
    assert (listed.summary.status, listed.summary.title) == ("unknown", "hello")
    assert (listed.summary.thread_id, listed.summary.messages) == ("theirs", 1)
    assert listed.summary.updated_at_ms


async def test_a_short_stream_of_others_is_read_whole() -> None:
    store = MemoryStore()
    await store.append("agent:v0-theirs", *(new("OrderPlaced") for _ in range(SIZES[-1])))
    [listed] = await engine_on(store).threads()
    assert listed.summary.status == "foreign"
