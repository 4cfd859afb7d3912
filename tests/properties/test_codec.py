"""What is written reads back equal, whatever it says; and whatever stands there is read."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from messagedb_agent.events.chain import GENESIS, hash_text, row_hash
from messagedb_agent.events.codec import EVENT_TYPES, Envelope, decode, seal
from messagedb_agent.events.recorded import UnknownEvent
from messagedb_agent.events.schema import Event
from messagedb_agent.projections.conversation import conversation
from messagedb_agent.projections.projection import fold
from tests.properties.effort import examples
from tests.properties.rows import ENVELOPES, cleaned, foreign_rows
from tests.properties.values import DEEP, EVENTS, JSON_OBJECTS, JSON_TEXT
from tests.rows import TIME_MS, Row, stored

STREAM = "agent:v0-thread"
ID = "019b76da-a800-7000-8000-00000000000a"


@examples(120)
@given(EVENTS, ENVELOPES)
def test_an_event_reads_back_as_it_was_written_or_marked_sanitised(
    event: Event, envelope: Envelope
) -> None:
    one = seal(ID, STREAM, 3, event, envelope, GENESIS)
    decoded = decode(stored(one, STREAM, 3))
    said = event.model_dump(mode="json", by_alias=True)
    assert decoded.recorded.event == one.event == type(event).model_validate(cleaned(said))
    assert ("sanitised" in json.loads(one.metadata)["localProperties"]) == (cleaned(said) != said)
    assert decoded.recorded.time_ms == envelope.occurred_at_ms
    assert decoded.metadata.cause == envelope.cause
    assert decoded.metadata.travelling == envelope.travelling
    assert decoded.metadata.writer == envelope.writer


@examples(120)
@given(EVENTS, ENVELOPES, st.binary(min_size=32, max_size=32))
def test_the_hash_made_in_writing_is_the_hash_of_the_row(
    event: Event, envelope: Envelope, previous: bytes
) -> None:
    one = seal(ID, STREAM, 3, event, envelope, previous)
    row = stored(one, STREAM, 3)
    assert row_hash(previous, row) == one.hash
    assert decode(row).metadata.hash == hash_text(one.hash)


@examples(80)
@given(EVENTS, ENVELOPES, st.data())
def test_a_change_anywhere_in_what_is_covered_is_another_hash(
    event: Event, envelope: Envelope, data: st.DataObject
) -> None:
    row = stored(seal(ID, STREAM, 3, event, envelope, GENESIS), STREAM, 3)
    field = data.draw(st.sampled_from(["data", "metadata"]))
    value = json.loads((row.data if field == "data" else row.metadata) or "{}")
    place, key = data.draw(st.sampled_from(list(_leaves(value, field))))
    place[key] = f"{place[key]}!"
    changed = row.but(**{field: json.dumps(value)})
    assert row_hash(GENESIS, changed) != row_hash(GENESIS, row)


def _leaves(value: Any, field: str) -> list[tuple[Any, Any]]:
    """Return where every covered leaf of an object stands; the object itself gains one."""
    value.setdefault("extra", "")
    found: list[tuple[Any, Any]] = []
    open_values = [value]
    while open_values:
        place = open_values.pop()
        for key, item in place.items() if isinstance(place, dict) else enumerate(place):
            if isinstance(item, dict | list):
                open_values.append(item)
            elif field == "data" or key not in ("hash", "causationMessageGlobalPosition"):
                found.append((place, key))
    return found


ANY_JSON = st.none() | JSON_TEXT | JSON_OBJECTS | DEEP


@examples(120)
@given(foreign_rows())
def test_a_row_that_is_nearly_one_of_ours_decodes_to_an_event_or_an_unknown_one(row: Row) -> None:
    _is_read(row)


@examples(120)
@given(st.sampled_from([*EVENT_TYPES, "Moved", ""]), ANY_JSON, ANY_JSON)
def test_any_row_decodes_to_an_event_or_an_unknown_one(
    type: str, data: str | None, metadata: str | None
) -> None:
    _is_read(Row(type=type, data=data, metadata=metadata))


def _is_read(row: Row) -> None:
    recorded = decode(row).recorded
    assert type(recorded.event) in (*EVENT_TYPES.values(), UnknownEvent)
    assert isinstance(recorded.time_ms, int)
    assert len(row_hash(GENESIS, row)) == 32
    fold(conversation, [recorded])  # and it can be folded
    if row.metadata is None:
        assert recorded.time_ms == TIME_MS
