"""What newer code wrote changes nothing for older code: unknown types, unknown fields."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from messagedb_agent.agents.view import view
from messagedb_agent.events.codec import decode, encode
from messagedb_agent.events.recorded import Recorded, UnknownEvent
from messagedb_agent.events.schema import SCHEMA_VERSION
from messagedb_agent.projections.effects import effects
from messagedb_agent.projections.projection import Projection, fold
from messagedb_agent.projections.transcript import transcript
from messagedb_agent.projections.usage import usage
from tests.properties.effort import examples
from tests.properties.streams import SESSIONS
from tests.rows import Row

NEW = "ofANewerVersion"
GAP = 2
"""From one event to the next, so that there is a position for another between them."""

UNKNOWN = UnknownEvent("BudgetReserved", "unknown type")
ADDED = f"{UNKNOWN.type}: {UNKNOWN.reason}"
METADATA = json.dumps({"schemaVersion": str(SCHEMA_VERSION + 1)})


def enriched(value: Any) -> Any:
    """Return JSON with a field more in every object."""
    match value:
        case dict():
            return {**{key: enriched(item) for key, item in value.items()}, NEW: {"x": [1]}}
        case list():
            return [enriched(item) for item in value]
        case _:
            return value


@examples(150)
@given(SESSIONS)
def test_no_field_that_is_unknown_changes_an_event(stream: tuple[Recorded, ...]) -> None:
    for one in stream:
        if not isinstance(one.event, UnknownEvent):
            data = encode(one.event).data.decode()
            more = json.dumps(enriched(json.loads(data)))
            row = Row(type=type(one.event).__name__, data=data)
            newer = row.but(data=more, metadata=METADATA)
            assert decode(newer).recorded.event == decode(row).recorded.event


def spread(stream: Sequence[Recorded]) -> list[Recorded]:
    return [replace(one, position=one.position * GAP) for one in stream]


@examples(300)
@given(SESSIONS, st.lists(st.integers(1, 45), min_size=1, max_size=12))
def test_events_of_unknown_types_change_no_projection(
    stream: tuple[Recorded, ...], places: list[int]
) -> None:
    spaced = spread(stream)
    mixed: list[Recorded] = []
    for place, one in enumerate(spaced):
        if place in places and one.position:  # a stream begins with its start
            id = f"{place:08x}-ffff-7000-8000-000000000000"
            mixed.append(Recorded(id, one.stream, one.position - 1, UNKNOWN))
        mixed.append(one)
    projections: tuple[Projection[Any], ...] = (view, usage, effects)
    for projection in projections:
        assert fold(projection, mixed) == fold(projection, spaced)
    shown, before = fold(transcript, mixed), fold(transcript, spaced)
    assert shown.state == before.state
    assert [item for item in shown if item.text != ADDED] == list(before)  # a person sees them
