"""A thread in numbers: what was said and used, what is stored, where it came from."""

import pytest

from messagedb_agent.errors import NotFound
from messagedb_agent.llm.offline import OfflineModel
from messagedb_agent.projections.stats import ForkedFrom
from messagedb_agent.projections.usage import usage
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.tools.builtin import builtin_tools
from tests.contract.messages import new
from tests.unit.engine.world import engine_on


async def test_a_thread_is_counted() -> None:
    store = MemoryStore()
    engine = engine_on(store, OfflineModel(), *builtin_tools())
    agent = await engine.start("What is 42 * 7?", user="ada")
    await agent.set_title("On sums")
    stats = await engine.stats(agent.thread_id)
    assert (stats.thread_id, stats.title) == (agent.thread_id, "On sums")
    assert (stats.message_count, stats.event_count, stats.tool_calls) == (2, 9, 1)
    assert stats.usage == await engine.fold(agent.thread_id, usage)
    assert stats.tokens.output_tokens > 0
    assert stats.cost_usd == 0
    used = stats.usage
    assert stats.elapsed_ms == used.models.elapsed_ms + used.tools.elapsed_ms
    assert stats.forked_from is None
    assert stats.started_at is not None
    assert stats.updated_at is not None
    assert stats.started_at <= agent.created_at <= stats.updated_at
    at_first = await engine.stats(agent.thread_id, at=1)
    assert (at_first.message_count, at_first.event_count, at_first.tool_calls) == (1, 2, 0)
    assert at_first.title == "What is 42 * 7?"


async def test_bytes_are_those_of_the_rows_as_they_stand() -> None:
    store = MemoryStore()
    engine = engine_on(store)
    await store.append("agent:v0-x", new("Noted", '{"b": "☃",  "a": 1}', '{"n":[1,2]}'))
    rows = ('Noted{"a": 1, "b": "☃"}{"n": [1, 2]}', "Noted")
    assert (await engine.stats("x")).total_bytes == len(rows[0].encode())
    await store.append("agent:v0-x", new("Noted", None))
    stats = await engine.stats("x")
    assert (stats.event_count, stats.total_bytes) == (2, sum(len(row.encode()) for row in rows))


async def test_a_fork_counts_what_was_said_before_it_and_stores_its_own_alone() -> None:
    engine = engine_on(MemoryStore(), OfflineModel(), *builtin_tools())
    agent = await engine.start("What is 42 * 7?")
    fork = await agent.fork()
    parent, stats = await engine.stats(agent.thread_id), await engine.stats(fork.thread_id)
    assert stats.forked_from == ForkedFrom(agent.thread_id, agent.position)
    assert (stats.event_count, stats.message_count) == (1, parent.message_count)
    assert stats.total_bytes < parent.total_bytes
    assert (stats.usage.models, stats.tool_calls) == (parent.usage.models, parent.tool_calls)


async def test_a_thread_that_is_not_there_has_no_numbers() -> None:
    with pytest.raises(NotFound):
        await engine_on(MemoryStore()).stats("nobody")
