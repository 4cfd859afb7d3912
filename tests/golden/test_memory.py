"""What was remembered of users once is read, and would be written again, for ever."""

import json
from pathlib import Path
from typing import get_args

import pytest

from messagedb_agent.agents.memory import UserMemory
from messagedb_agent.agents.notebook import Wanted
from messagedb_agent.clock import FixedClock
from messagedb_agent.engine.journal import Writing
from messagedb_agent.events.memory import (
    FactForgotten,
    FactRemembered,
    FactsExtracted,
    MemoryEvent,
    decode_noted,
)
from messagedb_agent.events.values import EventPlace
from messagedb_agent.ids import TimeOrderedIds
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.store.message import Message

FOLDER = Path(__file__).parent / "memory" / "v1"

_EXAMPLES: tuple[MemoryEvent, ...] = (
    FactRemembered(
        user="ada@example.org",
        key="children",
        value='[{"age":4,"name":"Zoë"}]',
        category="family",
        taught_by=EventPlace(stream_name="agent:v0-parent", position=12),
        by="bob",
    ),
    FactForgotten(user="ada@example.org", key="children", by="ada"),
    FactsExtracted(
        user="ada@example.org",
        stream_name="agent:v0-parent",
        position=12,
        llm_call_id="019b76da-a800-7000-8000-000000000001",
    ),
)


async def written() -> list[Message]:
    """Write the examples, one after the other, always at the same time and place."""
    clock = FixedClock(1_767_225_600_123)
    writing = Writing(clock, TimeOrderedIds(clock), "kX3w9Qd_fzE")
    memory = UserMemory(MemoryStore(), "agent", writing)
    for event in _EXAMPLES:
        await memory.note(event.user, _only(event), id=_id(event))
    return [row async for row in memory.store.read(memory.stream("ada@example.org"))]


def _only(event: MemoryEvent) -> Wanted:
    return lambda _: (event,)


def _id(event: MemoryEvent) -> str:
    return f"019b76da-a87b-7000-8000-00000000000{_EXAMPLES.index(event)}"


def stored(row: Message) -> str:
    values = {
        "id": row.id,
        "streamName": row.stream_name,
        "position": row.position,
        "type": row.type,
        "data": json.loads(row.data or ""),
        "metadata": json.loads(row.metadata or ""),
    }
    return json.dumps(values, ensure_ascii=False, indent=2, sort_keys=True) + "\n"


@pytest.mark.parametrize("index", range(len(_EXAMPLES)))
async def test_a_stored_fact_is_read_as_what_it_said_and_written_as_it_was(index: int) -> None:
    row = (await written())[index]
    path = FOLDER / f"{row.type}.json"
    assert path.read_text(encoding="utf-8") == stored(row)
    assert decode_noted(row).event == _EXAMPLES[index]


def test_every_type_has_an_example_that_leaves_no_field_out() -> None:
    assert {type(event) for event in _EXAMPLES} == set(get_args(MemoryEvent))
    for event in _EXAMPLES:
        assert event.model_fields_set == set(type(event).model_fields)
