"""Random envelopes that our events are sealed with, and rows that somebody else wrote."""

import json
import re
from typing import Any

from hypothesis import strategies as st

from messagedb_agent.events.canonical import canonical_text, parse
from messagedb_agent.events.codec import Envelope
from messagedb_agent.events.metadata import Cause, Travelling
from messagedb_agent.store.jsonb import normalised
from tests.properties.values import CLEAN_TEXT, DEEP, EVENTS, JSON_OBJECTS, JSON_TEXT
from tests.rows import Row

CAUSES = st.none() | st.builds(
    Cause, CLEAN_TEXT.filter(bool), st.integers(0, 2**31), st.none() | st.integers(1, 2**53)
)
PROPERTIES = st.none() | JSON_OBJECTS.filter(
    lambda text: text != "{}" and "0" * 300 not in text
).map(
    lambda text: canonical_text(parse(normalised(text)))  # they come from a row, always
)
NAMES = st.none() | CLEAN_TEXT.filter(bool)
ENVELOPES = st.builds(
    Envelope,
    cause=CAUSES,
    travelling=st.builds(Travelling, NAMES, NAMES, PROPERTIES),
    occurred_at_ms=st.integers(0, 2**40),
    writer=CLEAN_TEXT.filter(bool),
)


def cleaned(value: Any) -> Any:
    """Return JSON with what PostgreSQL cannot hold replaced."""
    match value:
        case str():
            return re.sub("[\0\ud800-\udfff]", "\ufffd", value)
        case list():
            return [cleaned(item) for item in value]
        case dict():
            return {key: cleaned(item) for key, item in value.items()}
        case _:
            return value


VERSIONS = st.sampled_from(["1", "2", "0", "99999", "x", ""])


@st.composite
def foreign_rows(draw: st.DrawFn) -> Row:
    """A row that somebody else wrote: like one of ours, with something else somewhere."""
    event = draw(EVENTS)
    value = event.model_dump(mode="json", by_alias=True, exclude_none=True)
    key = draw(st.sampled_from([*value, "unheardOf"]))
    value[key] = "\0"
    text = json.dumps(cleaned({**value, key: "@"}), ensure_ascii=False)
    data = text.replace('"@"', draw(JSON_TEXT | DEEP), 1)
    local = f'{{"critical": {draw(JSON_TEXT)}, "occurredAt": {draw(JSON_TEXT)}}}'
    metadata = f'{{"schemaVersion": "{draw(VERSIONS)}", "localProperties": {local}}}'
    return Row(
        type=draw(st.sampled_from([type(event).__name__, "Moved"])),
        data=draw(st.sampled_from([data, None])),
        metadata=draw(st.sampled_from([metadata, None])),
    )
