"""A revision of a named definition, as it is stored for ever: read, and written again the same."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from messagedb_agent.clock import FixedClock
from messagedb_agent.context import last_n
from messagedb_agent.definitions import AgentDefinition, Definitions, Example
from messagedb_agent.definitions.saved import read_saved
from messagedb_agent.events.canonical import canonical_text, parse
from messagedb_agent.events.values import Limits, ModelParameters
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.store.message import Message

FOLDER = Path(__file__).parent / "definitions" / "v1"
ID = "019b76da-a800-7000-8000-000000000001"
STREAM = "agentDefinition-travel"
WRITER = "kX3w9Qd_fzE"
TIME_MS = 1_767_225_600_123
WHOLE = AgentDefinition(
    role="A travel agent for families.\nGrüß Gott, \U0001f600.",
    goal="Find a journey that all of them enjoy.",
    constraints=["Name the price.", "Ask before you book."],
    personality="Warm, and brief.",
    instructions="Look for trains first.",
    examples=[Example(user="Where to in May?", assistant="How old are your children?")],
    name="Ada",
    model="anthropic/claude-haiku-4-5",
    parameters=ModelParameters(
        temperature=Decimal("0.20"), top_p=Decimal("0.9"), max_tokens=1024, extra='{"seed": 7}'
    ),
    tools=["echo", "calculate"],
    limits=Limits(calls_per_turn=20, cost_usd_per_thread=Decimal("2.50")),
    context=last_n(20),
)
# With keys that came later.
EXAMPLES = {
    "DefinitionSaved": WHOLE,
    "DefinitionSaved.memory": WHOLE.model_copy(update={"memory": True}),
}


class OneId:
    """Makes the id of the example."""

    def new(self) -> str:
        return ID


def stored(name: str) -> Message:
    row = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    time = datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None)
    data, metadata = json.dumps(row["data"]), json.dumps(row["metadata"])
    return Message(ID, STREAM, row["type"], 0, 1, data, metadata, time)


def test_the_newest_example_leaves_no_field_out() -> None:
    given = EXAMPLES["DefinitionSaved.memory"].model_dump(exclude_defaults=True)
    assert given.keys() == AgentDefinition.model_fields.keys()


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_stored_revision_is_read_as_what_it_said(name: str) -> None:
    found = read_saved(stored(name))
    assert found.definition == EXAMPLES[name]
    assert found.system_prompt == WHOLE.system_prompt
    assert (found.name, found.revision, found.by, found.time_ms) == ("travel", 0, "ada", TIME_MS)


@pytest.mark.parametrize("name", EXAMPLES)
async def test_the_same_revision_is_written_as_it_was(name: str) -> None:
    store = MemoryStore()
    definitions = Definitions(store, "agent", FixedClock(TIME_MS), OneId(), WRITER)
    await definitions.save("travel", EXAMPLES[name], by="ada")
    written, row = await store.last(STREAM), stored(name)
    assert written is not None
    assert (written.id, written.type) == (row.id, row.type)
    for one, other in ((written.data, row.data), (written.metadata, row.metadata)):
        assert canonical_text(parse(one or "")) == canonical_text(parse(other or ""))
