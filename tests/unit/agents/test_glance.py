"""A thread in a line, from a bounded part of what stands in it."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace

import pytest

from messagedb_agent.agents.agent import Agent
from messagedb_agent.agents.glance import SIZES, glance
from messagedb_agent.engine.batch import Draft
from messagedb_agent.engine.history import read_events
from messagedb_agent.errors import ModelError
from messagedb_agent.events.request import CallFailure
from messagedb_agent.events.schema import AgentRedefined, SessionTitled
from messagedb_agent.llm.scripted import call
from messagedb_agent.projections.projection import fold
from messagedb_agent.projections.summary import Summary, summary
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.store.message import Message, NewMessage
from messagedb_agent.store.store import TypeRows
from messagedb_agent.tools.function_tool import tool
from tests.contract.messages import new
from tests.given import definition
from tests.unit.engine.world import engine_on, journal_of, look, scripted, stream_of

# Fewer rows than a thread here has, and enough for the newest claim of an answer to be among them.
FEW = (12,)


class CountingStore(MemoryStore):
    """A memory store that counts the rows it gives out, and of which streams it counts types."""

    def __init__(self) -> None:
        super().__init__()
        self.rows_read = 0
        self.typed: list[str] = []

    async def read(
        self, stream: str, *, position: int = 0, until: int | None = None
    ) -> AsyncIterator[Message]:
        async for message in super().read(stream, position=position, until=until):
            self.rows_read += 1
            yield message

    async def types(
        self, stream: str, *, until: int | None = None, texts_of: str | None = None
    ) -> Mapping[str, TypeRows]:
        self.typed.append(stream)
        return await super().types(stream, until=until, texts_of=texts_of)


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


async def test_the_title_of_a_long_fork_of_a_thread_without_messages_stays() -> None:
    store = MemoryStore()
    engine = engine_on(store, scripted(*["yes"] * 61))
    empty = await engine.create_agent()
    await empty.advance("main line")
    fork = await empty.advance("the fork's first message")
    for n in range(59):
        fork = await fork.advance(f"later {n}")
    assert fork.position > SIZES[0]
    found = await glance(store, stream_of(engine, fork.thread_id), fork.position)
    assert (found.title, found.messages) == ("the fork's first message", 120)


async def test_a_title_that_stands_too_deep_is_none_rather_than_one_that_moves() -> None:
    store = MemoryStore()
    engine = engine_on(store, scripted(*["yes"] * 10))
    agent = await engine.create_agent()
    stream = stream_of(engine, agent.thread_id)
    await store.append(stream, *(new("UserMessageAdded", '{"text": " "}') for _ in range(40)))
    agent = await engine.latest(agent.thread_id)
    for n in range(9):
        agent = await agent.advance(f"message {n}")
    found = await glance(store, stream, agent.position, sizes=FEW)
    assert (found.status, found.title, found.messages) == ("waiting", "", 58)


async def test_what_newer_code_went_on_behind_is_not_taken_for_decided() -> None:
    theirs, store = MemoryStore(), MemoryStore()
    engine = engine_on(theirs, scripted(*["yes"] * 50))
    agent = await engine.start("first")
    for n in range(49):
        agent = await agent.advance(f"message {n}")
    stream = stream_of(engine, agent.thread_id)
    async for row in theirs.read(stream):
        if row.position == 5:
            blocking = '{"schemaVersion": "2", "localProperties": {"critical": true}}'
            await store.append(stream, new("NewerThing", "{}", blocking))
        newer = as_of_version_2(row) if row.position >= 5 else row
        await store.append(stream, NewMessage(newer.id, newer.type, newer.data, newer.metadata))
    assert agent.position > SIZES[0]
    [listed] = await engine_on(store).threads()
    assert listed.summary.status == "upgrade"
    found = await glance(store, stream, agent.position + 1, sizes=FEW)
    assert (found.status, found.title) == ("unknown", "first")


def as_of_version_2(row: Message) -> Message:
    metadata = json.loads(row.metadata or "{}") | {"schemaVersion": "2"}
    return replace(row, metadata=json.dumps(metadata))


async def test_a_redefinition_since_the_last_claim_does_not_hide_the_agent_it_was_made_by() -> None:
    store = MemoryStore()
    engine = engine_on(store, scripted(*["yes"] * 5, call("burn", what="a")), burn)
    agent = await engine.start("first")
    for n in range(4):
        agent = await agent.advance(f"message {n}")
    agent = await agent.advance("burn")
    journal = await journal_of(engine, agent.thread_id)
    redefined = AgentRedefined(definition=definition())
    number = "00000000-0000-7000-8000-0000000000a"
    await journal.record([Draft(f"{number}1", redefined)], lambda _: None)
    await journal.record([Draft(f"{number}2", redefined)], lambda _: None)
    stream = stream_of(engine, agent.thread_id)
    expected = fold(summary, [recorded async for recorded in read_events(store, stream)])
    found = await glance(store, stream, await store.stream_version(stream), sizes=FEW)
    assert shown(found) == shown(expected)
    assert found.status == "approval"


async def test_types_are_counted_once_for_each_stream_of_a_thread() -> None:
    store = CountingStore()
    engine = engine_on(store, scripted(*["yes"] * 9), look)
    root = await engine.start("first")
    agent = await root.advance("more")
    fork = await root.advance("instead")
    for n in range(6):
        fork = await fork.advance(f"more {n}")
    agent_stream, fork_stream = (stream_of(engine, a.thread_id) for a in (agent, fork))
    store.typed.clear()
    assert (await glance(store, fork_stream, fork.position, sizes=FEW)).status == "waiting"
    assert store.typed == [agent_stream, fork_stream]


async def test_types_are_counted_once_where_the_newest_claims_do_not_tell() -> None:
    store = CountingStore()
    overflow = CallFailure("context_overflow", "too long")
    engine = engine_on(store, scripted(*["yes"] * 20, overflow, overflow))
    agent = await engine.start("first")
    for n in range(19):
        agent = await agent.advance(f"message {n}")
    with pytest.raises(ModelError) as caught:
        await agent.advance("too much")
    stream = stream_of(engine, agent.thread_id)
    overflowed = caught.value.agent.position - 2  # before the summary, which failed too
    for sizes, status in (((2, 3), "unknown"), ((2, 12), "ready")):
        store.typed.clear()
        assert (await glance(store, stream, overflowed, sizes=sizes)).status == status
        assert store.typed == [stream]


class LackingStore(CountingStore):
    """A memory store of which somebody has deleted a row."""

    gone: int | None = None

    async def read(
        self, stream: str, *, position: int = 0, until: int | None = None
    ) -> AsyncIterator[Message]:
        async for message in super().read(stream, position=position, until=until):
            if message.position != self.gone:
                yield message

    async def types(
        self, stream: str, *, until: int | None = None, texts_of: str | None = None
    ) -> Mapping[str, TypeRows]:
        types = dict(await super().types(stream, until=until, texts_of=texts_of))
        async for message in super().read(stream, position=self.gone or 0, until=self.gone or -1):
            rows = types[message.type]
            types[message.type] = replace(rows, count=rows.count - 1)
        return types


async def test_where_a_row_is_missing_no_status_is_made_up() -> None:
    store = LackingStore()
    engine = engine_on(store, scripted(*["yes"] * 20))
    agent = await engine.start("0")
    for n in range(1, 20):
        agent = await agent.advance(str(n))
    stream, version = stream_of(engine, agent.thread_id), agent.position
    assert (await glance(store, stream, version, sizes=FEW)).status == "waiting"
    store.gone = 6  # the answer to the second message: by the rest of the log, none ever came
    assert (await glance(store, stream, version, sizes=FEW)).status == "unknown"


async def test_a_stream_that_vanishes_while_it_is_listed_is_none() -> None:
    store = MemoryStore()
    for version in (3, 5000):
        assert not (await glance(store, "agent:v0-gone", version)).stream


async def test_forks_that_are_listed_together_have_their_past_counted_once() -> None:
    store = CountingStore()
    engine = engine_on(store, scripted(*["yes"] * 400))
    agent = await engine.start("0")
    for n in range(1, 60):
        agent = await agent.advance(str(n))
    await agent.advance("on")
    forks = {(await agent.advance(f"fork {n}")).thread_id for n in range(4)}
    store.typed.clear()
    assert {one.summary.thread_id for one in await engine.threads(4)} == forks
    assert len(store.typed) == len(set(store.typed))
