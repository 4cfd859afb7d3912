"""Named definitions, on every store: revisions that are appended, read, and never changed."""

import json

import pytest

from messagedb_agent.clock import FixedClock
from messagedb_agent.definitions import AgentDefinition, Definitions
from messagedb_agent.errors import NotFound, RefusedName, ValidationError, WrongExpectedVersion
from messagedb_agent.events.chain import GENESIS, hash_text, row_hash
from messagedb_agent.events.values import Limits, ModelParameters, Revision
from messagedb_agent.ids import TimeOrderedIds
from messagedb_agent.store.store import Store
from tests.contract.messages import new

CLERK = AgentDefinition(role="A clerk.", constraints=["Sell stamps."])
THIEF = AgentDefinition(
    role="A thief.",
    goal="Steal stamps.",
    constraints=["Never lie.\nNever sing."],
    personality="Quiet.",
    instructions="Wait for the night. \u2028 \U0001f600",
    examples=[{"user": "Hands up!", "assistant": "Done."}],  # type: ignore[list-item]  # as TOML
    name="Bill",
    model="m-1",
    parameters=ModelParameters.model_validate({"temperature": "0.20", "maxTokens": 7}),
    tools=(),
    limits=Limits(calls_per_turn=3),
)


@pytest.fixture
def definitions(store: Store, category: str) -> Definitions:
    clock = FixedClock(1767225600123)
    return Definitions(store, category, clock, TimeOrderedIds(clock), "a-writer")


async def test_a_definition_is_saved_and_read_as_it_was_written(
    definitions: Definitions, store: Store
) -> None:
    saved = await definitions.save("thief", THIEF, by="ada")
    assert saved.definition == THIEF
    assert (saved.name, saved.revision, saved.by) == ("thief", 0, "ada")
    assert saved.system_prompt == THIEF.system_prompt
    assert saved.time_ms == 1767225600123
    assert saved.place == Revision(
        stream_name=f"{definitions.category}Definition-thief",
        position=0,
        event_id=saved.place.event_id,
    )
    assert await definitions.get("thief") == await definitions.get("thief", 0) == saved
    row = await store.by_id(saved.place.event_id)
    assert row is not None
    assert (row.type, row.stream_name) == ("DefinitionSaved", saved.place.stream_name)


async def test_each_save_is_a_revision_and_older_ones_stay(definitions: Definitions) -> None:
    first = await definitions.save("agent", CLERK)
    second = await definitions.save("agent", THIEF)
    third = await definitions.save("agent", CLERK)
    assert [one.revision for one in (first, second, third)] == [0, 1, 2]
    assert await definitions.get("agent") == third
    assert await definitions.get("agent", 0) == first
    assert await definitions.get("agent", 1) == second
    assert list(await definitions.revisions("agent")) == [first, second, third]


async def test_what_says_the_same_as_the_newest_revision_is_not_written(
    definitions: Definitions,
) -> None:
    first = await definitions.save("agent", CLERK, by="ada")
    again = AgentDefinition(role=" A clerk.\n", constraints=("Sell stamps.",))
    assert await definitions.save("agent", again, by="bob") == first
    assert await definitions.save("agent", again, expected=0) == first
    assert len(await definitions.revisions("agent")) == 1


async def test_a_save_that_is_to_follow_another_revision_is_refused(
    definitions: Definitions,
) -> None:
    with pytest.raises(WrongExpectedVersion):
        await definitions.save("agent", CLERK, expected=0)
    await definitions.save("agent", CLERK, expected=-1)
    with pytest.raises(WrongExpectedVersion):
        await definitions.save("agent", THIEF, expected=-1)
    await definitions.save("agent", THIEF, expected=0)
    assert [one.definition for one in await definitions.revisions("agent")] == [CLERK, THIEF]


async def test_names_are_listed_with_their_newest_revision(definitions: Definitions) -> None:
    assert await definitions.list() == []
    await definitions.save("b", CLERK)
    newest = await definitions.save("b", THIEF)
    other = await definitions.save("a-1", CLERK)
    assert list(await definitions.list()) == [other, newest]
    beside = Definitions(
        definitions.store, f"{definitions.category}2", definitions.clock, definitions.ids, "w"
    )
    assert await beside.list() == []


async def test_what_is_not_there_is_not_found(definitions: Definitions) -> None:
    with pytest.raises(NotFound, match="no definition 'agent'"):
        await definitions.get("agent")
    with pytest.raises(NotFound):
        await definitions.revisions("agent")
    await definitions.save("agent", CLERK)
    with pytest.raises(NotFound, match="agent/1"):
        await definitions.get("agent", 1)
    with pytest.raises(ValidationError) as caught:
        await definitions.get("agent", -1)
    assert caught.value.field == "revision"


@pytest.mark.parametrize("name", ["", "-a", "a b", "a+b", "a/b", "a.toml", "ä", "a" * 101])
async def test_a_name_that_no_definition_can_have_is_refused(
    definitions: Definitions, name: str
) -> None:
    with pytest.raises(RefusedName) as caught:
        await definitions.save(name, CLERK)
    assert caught.value.field == "definition"


async def test_revisions_are_chained_over_rows_of_others_too(
    definitions: Definitions, store: Store
) -> None:
    stream = (await definitions.save("agent", CLERK)).place.stream_name
    await store.append(stream, new("Noted", '{"by": "others"}'), expected_version=0)
    last = await definitions.save("agent", THIEF)
    assert last.revision == 2
    assert [one.revision for one in await definitions.revisions("agent")] == [0, 2]
    previous = GENESIS
    async for row in store.read(stream):
        previous = row_hash(previous, row)
        local = json.loads(row.metadata or "{}").get("localProperties", {})
        if row.type == "DefinitionSaved":
            assert local["hash"] == hash_text(previous)
