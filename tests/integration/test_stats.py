"""A thread in numbers is the same wherever it is kept."""

from messagedb_agent.agents.engine import Engine
from messagedb_agent.llm.offline import OfflineModel
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.store.message import NewMessage
from messagedb_agent.store.message_db import MessageDbStore
from messagedb_agent.tools.builtin import builtin_tools
from tests.contract.messages import new
from tests.unit.engine.world import engine_on, stream_of


async def copied(source: Engine, target: MemoryStore, thread_id: str) -> None:
    async for row in source.messages(thread_id):
        message = NewMessage(row.id, row.type, row.data, row.metadata)
        await target.append(row.stream_name, message)


async def test_a_thread_in_numbers_is_the_same_on_every_store(
    store_url: str, category: str
) -> None:
    async with await MessageDbStore.connect(store_url) as store:
        engine = engine_on(store, OfflineModel(), *builtin_tools(), category=category)
        agent = await engine.start("Grüß dich! What is 42 * 7?\u0000 ☃")
        await store.append(stream_of(engine, agent.thread_id), new("Noted", '{"n": 1e3}'))
        fork = await (await agent.advance("Thanks!")).fork(title="A fork")
        memory = MemoryStore()
        other = engine_on(memory, category=category)
        for thread in (agent, fork):
            await copied(engine, memory, thread.thread_id)
            kept = await other.stats(thread.thread_id)
            assert kept == await engine.stats(thread.thread_id)
            assert kept.total_bytes > 0
