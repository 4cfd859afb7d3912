"""A thread that says what was known of a user is held to the user's stream."""

import pytest

from messagedb_agent.agents.engine import Engine
from messagedb_agent.audit import Checking
from messagedb_agent.events.schema import AgentRedefined
from messagedb_agent.events.values import Definition, Recalled
from messagedb_agent.llm.scripted import ScriptedModel
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.store.store import Store
from messagedb_agent.tools.toolbox import Toolbox
from tests.counting_store import CountingStore
from tests.integration.verify.threads import CHANGE, CUT, Forge, write


async def begun(store: Store, category: str) -> tuple[Engine, str]:
    """Begin a thread with the second of two facts; return its id too."""
    engine = Engine(store, lambda _: ScriptedModel("one", "two", "three"), Toolbox(), category)
    await engine.memory.set("ada", "city", "Paris")
    await engine.memory.set("ada", "food", "bread")
    definition = engine.define(system_prompt="Be kind.", memory=True)
    return engine, (await engine.start("hello", definition=definition, user="ada")).thread_id


async def test_what_is_recalled_as_it_was_known_is_counted(store: Store, category: str) -> None:
    engine, thread = await begun(store, category)
    await engine.memory.set("ada", "city", "Rome")
    agent = await (await engine.latest(thread)).advance("again")
    found = await engine.verify(thread)
    assert (found.finding, found.memories, found.absent_memories) == (None, 2, ())
    assert (await engine.verify((await agent.fork()).thread_id)).memories == 3


@pytest.mark.parametrize("position", [0, 1])
async def test_a_memory_that_was_changed_is_found_where_it_was_recalled(
    store: Store, forge: Forge, category: str, position: int
) -> None:
    engine, thread = await begun(store, category)
    stream = engine.memory.stream("ada")
    await forge(CHANGE, stream, position)
    finding = (await engine.verify(thread)).finding
    assert finding is not None
    assert (finding.position, finding.type) == (0, "SessionStarted")
    assert f"{stream}/{position} is not as it was written" in finding.what


async def test_a_memory_that_is_not_there_is_named_and_not_condemned(
    store: Store, forge: Forge, category: str
) -> None:
    """Nor is another one of the same user, as where the thread was imported alone."""
    engine, thread = await begun(store, category)
    stream = engine.memory.stream("ada")
    await forge(CUT, stream, -1)
    engine, _ = await begun(store, category)
    found = await engine.verify(thread)
    assert (found.finding, found.memories, found.absent_memories) == (None, 0, (f"{stream}/1",))


def altered(definition: Definition, **values: object) -> Definition:
    assert definition.recalled is not None
    recalled = definition.recalled.model_copy(update=values)
    return definition.model_copy(update={"recalled": recalled})


async def forged(category: str, **values: object) -> tuple[Engine, str, Recalled]:
    """Return a thread that says so of what it recalls, under a hash that follows."""
    engine, thread = await begun(MemoryStore(), category)
    definition = (await engine.latest(thread)).definition
    assert definition is not None
    assert definition.recalled is not None
    event = AgentRedefined(definition=altered(definition, **values))
    await write(engine.store, f"{category}:v0-{thread}", event)
    return engine, thread, definition.recalled


@pytest.mark.parametrize(
    ("values", "what"),
    [
        ({"text": "Ada is rich."}, "it recalls another text than was known at {stream}/1"),
        ({"position": 0}, "what it recalls, {stream}/0, is not what was noted: it stands at"),
        ({"stream_name": "x-y"}, "what it recalls, x-y/1, is not what was noted: it stands at"),
        ({"stream_name": "x"}, "what it recalls, x/1, is not what was noted: it stands in no"),
    ],
)
async def test_a_thread_that_recalls_what_was_not_known_is_found(
    category: str, values: dict[str, object], what: str
) -> None:
    engine, thread, recalled = await forged(category, **values)
    finding = (await engine.verify(thread)).finding
    assert finding is not None
    assert finding.type == "AgentRedefined"
    assert finding.what.startswith(what.format(stream=recalled.stream_name))


async def test_what_does_not_say_which_event_it_was_taken_from_is_named(category: str) -> None:
    engine, thread, recalled = await forged(category, event_id=None)
    found = await engine.verify(thread)
    absent = (f"{recalled.stream_name}/{recalled.position}",)
    assert (found.finding, found.memories, found.absent_memories) == (None, 1, absent)


async def test_what_many_threads_recall_is_folded_once(category: str) -> None:
    store = CountingStore()
    engine, first = await begun(store, category)
    for number in range(50):
        await engine.memory.set("ada", f"key {number}", number)
    definition = engine.define(system_prompt="Be kind.", memory=True)
    second, third = [
        (await engine.start("hello", definition=definition, user="ada")).thread_id for _ in "ab"
    ]
    checking, given = Checking(engine), list[int]()
    for thread in (first, second, third):
        before = store.given
        assert (await checking.verify(thread)).memories == 1
        given.append(store.given - before)
    assert given[1] - given[0] == 50  # one by one, behind the two facts that were known before
    assert given[1] - given[2] == 52
