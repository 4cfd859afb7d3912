"""Named definitions: what becomes of races, and of rows that are none or cannot be read."""

from typing import Any

import pytest

from messagedb_agent import AgentDefinition
from messagedb_agent.clock import FixedClock
from messagedb_agent.definitions import Definitions
from messagedb_agent.errors import IntegrityError, ValidationError, WrongExpectedVersion
from messagedb_agent.ids import TimeOrderedIds
from messagedb_agent.store.message import NewMessage
from messagedb_agent.store.store import Store
from tests.contract.messages import new
from tests.unit.engine.world import WatchedStore

CLERK = AgentDefinition(role="A clerk.")
THIEF = AgentDefinition(role="A thief.")
STREAM = "agentDefinition-agent"


def definitions_on(store: Store) -> Definitions:
    clock = FixedClock()
    return Definitions(store, "agent", clock, TimeOrderedIds(clock), "a-writer")


async def test_of_two_that_save_at_once_one_is_refused_and_writes_nothing() -> None:
    store = WatchedStore()
    definitions = definitions_on(store)
    await definitions.save("agent", CLERK)

    async def another_first(stream: str, messages: tuple[NewMessage, ...]) -> None:
        store.before = None
        await definitions_on(store).save("agent", AgentDefinition(role="A judge."))

    store.before = another_first
    with pytest.raises(WrongExpectedVersion):
        await definitions.save("agent", THIEF)
    roles = [one.definition.role for one in await definitions.revisions("agent")]
    assert roles == ["A clerk.", "A judge."]


UNREADABLE = {
    "no data": new("DefinitionSaved", None),
    "no role": new("DefinitionSaved", '{"definition": {}, "systemPrompt": "x"}'),
    "no prompt": new("DefinitionSaved", '{"definition": {"role": "x"}}'),
    "newer": new(
        "DefinitionSaved",
        '{"definition": {"role": "x"}, "systemPrompt": "x"}',
        '{"schemaVersion": "2", "localProperties": {"critical": true}}',
    ),
}


@pytest.mark.parametrize("what", UNREADABLE)
async def test_a_revision_that_cannot_be_read_is_named_and_not_passed_over(what: str) -> None:
    """Who begins a thread by a name must not be given an older revision in silence."""
    store = WatchedStore()
    definitions = definitions_on(store)
    first = await definitions.save("agent", CLERK)
    await store.append(STREAM, UNREADABLE[what], expected_version=0)
    with pytest.raises(IntegrityError, match=f"{STREAM}/1 is no definition that can be read"):
        await definitions.get("agent")
    assert await definitions.get("agent", 0) == first
    assert list(await definitions.revisions("agent")) == [first]
    assert await definitions.list() == []
    again = await definitions.save("agent", CLERK)
    assert again.revision == 2  # what the newest one says is not known
    assert await definitions.get("agent") == again


async def test_keys_that_are_not_known_are_passed_over() -> None:
    store = WatchedStore()
    data = '{"definition": {"role": "x", "mood": 7}, "systemPrompt": "y", "since": "now"}'
    await store.append(STREAM, new("DefinitionSaved", data), expected_version=-1)
    found = await definitions_on(store).get("agent")
    assert found.definition == AgentDefinition(role="x")
    assert (found.system_prompt, found.time_ms, found.by) == ("y", None, None)


async def test_a_prompt_that_later_code_would_make_otherwise_is_a_revision_of_its_own() -> None:
    store = WatchedStore()
    data = '{"definition": {"role": "A clerk."}, "systemPrompt": "Once: A clerk."}'
    await store.append(STREAM, new("DefinitionSaved", data), expected_version=-1)
    definitions = definitions_on(store)
    assert (await definitions.get("agent")).system_prompt == "Once: A clerk."
    assert (await definitions.save("agent", CLERK)).revision == 1
    assert (await definitions.get("agent")).system_prompt == CLERK.system_prompt


async def test_what_is_no_definition_is_not_saved() -> None:
    store = WatchedStore()
    text: Any = "A clerk."
    with pytest.raises(ValidationError, match="definition: a str is no AgentDefinition"):
        await definitions_on(store).save("agent", text)
    assert await store.stream_version(STREAM) == -1
