"""A thread that says which definition it ran is held to what was saved."""

import pytest

from messagedb_agent import AgentDefinition
from messagedb_agent.agents.engine import Engine
from messagedb_agent.errors import ValidationError
from messagedb_agent.events.schema import AgentRedefined
from messagedb_agent.events.values import Definition, Revision
from messagedb_agent.llm.scripted import ScriptedModel
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.store.store import Store
from messagedb_agent.tools.toolbox import Toolbox
from tests.integration.verify.threads import CHANGE, DROP, Forge, write

CLERK = AgentDefinition(role="A clerk.")


def engine_of(store: Store, category: str) -> Engine:
    model = ScriptedModel("one", "two", "three")
    return Engine(store, lambda _: model, Toolbox(), category)


async def begun(store: Store, category: str) -> tuple[Engine, str]:
    """Begin a thread with the second of two revisions; return its id too."""
    engine = engine_of(store, category)
    await engine.definitions.save("agent", AgentDefinition(role="A judge."))
    await engine.definitions.save("agent", CLERK)
    agent = await engine.start("hello", definition="agent")
    return engine, agent.thread_id


async def test_a_definition_that_stands_as_it_was_saved_is_counted(
    store: Store, category: str
) -> None:
    engine, thread = await begun(store, category)
    await engine.definitions.save("agent", AgentDefinition(role="A thief."))
    agent = await (await engine.latest(thread)).advance("again", definition="agent")
    await agent.fork()
    found = await engine.verify(thread)
    assert (found.finding, found.definitions, found.absent_definitions) == (None, 2, ())
    fork = await engine.latest("last")
    assert (await engine.verify(fork.thread_id)).definitions == 3


@pytest.mark.parametrize("position", [0, 1])
async def test_a_definition_that_was_changed_is_found_where_it_was_run(
    store: Store, forge: Forge, category: str, position: int
) -> None:
    engine, thread = await begun(store, category)
    stream = f"{category}Definition-agent"
    await forge(CHANGE, stream, position)
    finding = (await engine.verify(thread)).finding
    assert finding is not None
    assert (finding.position, finding.type) == (0, "SessionStarted")
    assert f"{stream}/{position} is not as it was written" in finding.what


async def test_a_definition_that_is_not_there_is_named_and_not_condemned(
    store: Store, forge: Forge, category: str
) -> None:
    """An archive holds threads alone: where one was imported, nobody can say what was saved."""
    engine, thread = await begun(store, category)
    await forge(DROP, f"{category}Definition-agent", 1)
    found = await engine.verify(thread)
    absent = (f"{category}Definition-agent/1",)
    assert (found.finding, found.definitions, found.absent_definitions) == (None, 0, absent)


async def test_a_thread_that_ran_another_prompt_than_it_says_is_found(category: str) -> None:
    store = MemoryStore()
    engine, thread = await begun(store, category)
    agent = await engine.latest(thread)
    recorded = agent.definition
    assert recorded is not None
    forged = recorded.model_copy(update={"system_prompt": "You are a thief."})
    await write(store, f"{category}:v0-{thread}", AgentRedefined(definition=forged))
    finding = (await engine.verify(thread)).finding
    assert finding is not None
    assert finding.what == "another prompt than its definition was saved with"
    elsewhere = Revision(stream_name="x-y", position=0, event_id=agent.id)
    for wrong in (forged, recorded.model_copy(update={"revision": elsewhere})):
        await refused(engine, wrong)


async def refused(engine: Engine, definition: Definition) -> None:
    before = len(await engine.threads())
    with pytest.raises(ValidationError) as caught:
        await engine.start("hello", definition=definition)
    assert caught.value.field == "revision"
    assert len(await engine.threads()) == before


async def test_an_agent_that_is_given_another_prompt_is_of_no_definition_any_more(
    category: str,
) -> None:
    engine, thread = await begun(MemoryStore(), category)
    agent = await (await engine.latest(thread)).advance("again", system_prompt="Be brief.")
    assert agent.definition is not None
    assert agent.definition.revision is None
    found = await engine.verify(thread)
    assert (found.finding, found.definitions) == (None, 1)
