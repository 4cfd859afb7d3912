"""When an agent came to be: the same, by whatever road it was reached."""

from datetime import UTC, datetime
from uuid import uuid4

from messagedb_agent.agents.agent import Agent
from messagedb_agent.agents.engine import Engine
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.store.message import NewMessage
from tests.contract.messages import new
from tests.unit.engine.world import engine_on, events, scripted, stream_of

MUCH_LATER_MS = 4_000_000_000_000


def much_later(type: str, data: str) -> NewMessage:
    return new(type, data, f'{{"localProperties": {{"occurredAt": {MUCH_LATER_MS}}}}}')


async def roads(engine: Engine, agent: Agent) -> list[Agent]:
    """Return an agent as it was got, by its id, and as the newest of its thread in two engines."""
    elsewhere = engine_on(engine.store)
    return [
        agent,
        await engine.load_agent(agent.id),
        await engine.latest(agent.thread_id),
        await elsewhere.load_agent(agent.id),
        await elsewhere.latest(agent.thread_id),
    ]


async def test_what_makes_no_state_makes_an_agent_no_younger() -> None:
    engine = engine_on(MemoryStore(), scripted("one"))
    agent = await engine.start("first")
    await engine.store.append(
        stream_of(engine, agent.thread_id),
        much_later("SessionTitled", '{"title": "a title"}'),
        much_later("SessionArchived", "{}"),
        much_later("OrderPlaced", "{}"),
    )
    seen = await roads(engine, agent)
    assert {one.id for one in seen} == {agent.id}
    assert {one.created_at for one in seen} == {agent.created_at}


async def test_an_agent_came_to_be_when_the_event_that_names_it_happened() -> None:
    engine = engine_on(MemoryStore(), scripted("one", "two"))
    for agent in (await engine.create_agent(), await engine.start("first")):
        (named_by,) = [r for r in await events(engine, agent.thread_id) if r.id == agent.id]
        assert agent.created_at == datetime.fromtimestamp(named_by.time_ms / 1000, UTC)


async def test_a_message_said_twice_gives_the_agent_of_then() -> None:
    engine, id = engine_on(MemoryStore(), scripted("one", "two")), str(uuid4())
    first = await engine.start("first", message_id=id)
    await first.advance("second")
    again = await engine.start("first", message_id=id)
    assert (again.id, again.created_at) == (first.id, first.created_at)


async def test_a_fork_is_as_old_as_its_own_events() -> None:
    engine = engine_on(MemoryStore(), scripted("one", "two", "three"))
    first = await engine.start("first")
    await engine.store.append(
        stream_of(engine, first.thread_id), much_later("UserMessageAdded", '{"text": "later"}')
    )
    fork = await first.advance("another way")
    assert fork.thread_id != first.thread_id
    assert {one.created_at for one in await roads(engine, fork)} == {fork.created_at}
    assert fork.created_at.timestamp() * 1000 < MUCH_LATER_MS


async def test_a_thread_that_was_never_started_is_as_old_as_its_newest_row() -> None:
    engine = engine_on(MemoryStore())
    row = much_later("UserMessageAdded", '{"text": "hello"}')
    await engine.store.append("agent:v0-theirs", row)
    for agent in (await engine.latest("theirs"), await engine.load_agent(row.id)):
        assert agent.created_at == datetime.fromtimestamp(MUCH_LATER_MS / 1000, UTC)
