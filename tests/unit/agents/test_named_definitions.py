"""Threads that run a named definition record which revision of it they ran."""

import pytest

from messagedb_agent import AgentDefinition
from messagedb_agent.agents.reading import Reading
from messagedb_agent.errors import NotFound, ValidationError
from messagedb_agent.events.schema import AgentRedefined, SessionStarted
from messagedb_agent.events.values import Definition, Limits
from messagedb_agent.projections.transcript import transcript
from messagedb_agent.store.memory import MemoryStore
from tests.unit.engine.world import engine_on, events, look, scripted

CLERK = AgentDefinition(role="A clerk.", model="m-1")
THIEF = AgentDefinition(role="A thief.", name="Bill")


async def definitions_of(engine: Reading, thread_id: str) -> list[Definition]:
    """Return the definitions that a thread has recorded, in order."""
    found = [one.event for one in await events(engine, thread_id)]
    return [e.definition for e in found if isinstance(e, SessionStarted | AgentRedefined)]


async def test_a_thread_records_the_revision_that_it_was_begun_with() -> None:
    engine = engine_on(MemoryStore(), scripted("one", "two"))
    first = await engine.definitions.save("agent", CLERK)
    second = await engine.definitions.save("agent", THIEF)
    newest = await engine.start("hello", definition="agent")
    older = await engine.start("hello", definition=first)
    created = await engine.create_agent(definition="agent")
    for agent, saved, name in ((newest, second, "Bill"), (older, first, "agent")):
        assert agent.definition is not None
        assert agent.definition.revision == saved.place
        assert agent.definition.name == name
        assert agent.definition.system_prompt == saved.system_prompt
        assert (await engine.verify(agent.thread_id)).finding is None
    assert created.definition == newest.definition
    unnamed = await engine.create_agent(definition=CLERK)
    assert unnamed.definition is not None
    assert unnamed.definition.revision is None


async def test_a_revision_stays_what_it_was_when_the_name_goes_on() -> None:
    engine = engine_on(MemoryStore(), scripted("one", "two"))
    first = await engine.definitions.save("agent", CLERK)
    agent = await engine.start("hello", definition="agent")
    await engine.definitions.save("agent", THIEF)
    later = await agent.advance("again")
    assert later.definition == agent.definition
    assert await engine.definitions.get("agent", first.revision) == first


async def test_another_revision_of_a_thread_is_recorded_with_the_next_message() -> None:
    engine = engine_on(MemoryStore(), scripted("one", "two", "three", "four"), look)
    await engine.definitions.save("agent", CLERK)
    agent = await engine.start("hello", definition="agent")
    same = AgentDefinition(role="A clerk.", model="m-1", tools=["look"])
    second = await engine.definitions.save("agent", same)
    agent = await agent.advance("again", definition="agent")
    agent = await agent.advance("and again", definition="agent")
    first, redefined = await definitions_of(engine, agent.thread_id)
    assert redefined.revision == second.place
    assert redefined == first.model_copy(update={"revision": second.place, "tool_names": ("look",)})
    items = await engine.fold(agent.thread_id, transcript)
    told = [(item.kind, item.text) for item in items if item.kind in ("defined", "redefined")]
    assert told == [
        ("defined", "agent, revision 0"),
        ("redefined", "tool names, definition agent, revision 1"),
    ]
    assert (await engine.verify(agent.thread_id)).finding is None


async def test_a_definition_without_a_name_takes_the_place_of_one_with() -> None:
    engine = engine_on(MemoryStore(), scripted("one", "two"))
    await engine.definitions.save("agent", CLERK)
    agent = await engine.start("hello", definition="agent")
    agent = await agent.advance("again", definition=THIEF)
    assert agent.definition is not None
    assert agent.definition.revision is None
    assert (agent.definition.name, agent.definition.model) == ("Bill", "m-1")
    assert agent.definition.system_prompt == THIEF.system_prompt


async def test_what_is_given_beside_a_revision_stands_before_it_and_the_revision_stays() -> None:
    engine = engine_on(MemoryStore(), scripted("one", "two"))
    saved = await engine.definitions.save("agent", CLERK)
    agent = await engine.create_agent("Ada", definition="agent", model="m-2")
    agent = await agent.advance("hello", limits=Limits(calls_per_turn=9))
    assert agent.definition is not None
    assert (agent.definition.name, agent.definition.model) == ("Ada", "m-2")
    assert agent.definition.limits == Limits(calls_per_turn=9)
    assert agent.definition.revision == saved.place


async def test_a_fork_and_what_if_go_on_with_the_revision_or_with_another() -> None:
    engine = engine_on(MemoryStore(), scripted("one", "two"))
    first = await engine.definitions.save("agent", CLERK)
    asked = await engine.start("hello", definition="agent", detached=True)
    fork = await asked.fork()
    assert fork.definition is not None
    assert fork.definition.revision == first.place
    kinds = [item.kind for item in await engine.fold(fork.thread_id, transcript)]
    assert kinds.count("defined") == 1
    second = await engine.definitions.save("agent", THIEF)
    other = await engine.what_if(asked, definition="agent")
    assert other.definition is not None
    assert other.definition.revision == second.place
    assert other.answer == "two"


async def test_a_name_that_is_not_there_is_not_found_and_nothing_is_written() -> None:
    engine = engine_on(MemoryStore(), scripted("one"))
    with pytest.raises(NotFound) as caught:
        await engine.start("hello", definition="agent")
    assert (caught.value.what, caught.value.name) == ("definition", "agent")
    assert await engine.threads() == ()
    agent = await engine.create_agent()
    with pytest.raises(NotFound):
        await agent.advance("hello", definition="agent")
    with pytest.raises(ValidationError) as refused:
        await agent.advance("hello", definition=engine.define())
    assert refused.value.field == "definition"
    assert (await engine.latest("last")).id == agent.id


async def test_definitions_stand_beside_the_threads_of_their_category_alone() -> None:
    store = MemoryStore()
    engine = engine_on(store, scripted("one"))
    other = engine_on(store, scripted("one"), category="shop")
    saved = await engine.definitions.save("agent", CLERK)
    assert saved.place.stream_name == "agentDefinition-agent"
    assert await other.definitions.list() == []
    assert (
        await other.definitions.save("agent", THIEF)
    ).place.stream_name == "shopDefinition-agent"
    assert await engine.threads() == ()
