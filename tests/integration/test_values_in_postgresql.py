"""Thousands of values through a real PostgreSQL: what is written comes back, or is refused."""

import asyncio
import itertools
import json
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from messagedb_agent.events.chain import GENESIS, row_hash
from messagedb_agent.events.codec import EVENT_TYPES, Envelope, Sealed, decode, seal
from messagedb_agent.events.recorded import UnknownEvent
from messagedb_agent.events.schema import Event
from messagedb_agent.projections.conversation import conversation
from messagedb_agent.projections.projection import fold
from messagedb_agent.projections.transcript import transcript
from messagedb_agent.store.message import Message, NewMessage
from messagedb_agent.store.message_db import MessageDbStore
from tests.contract.messages import all_of
from tests.properties.effort import examples
from tests.properties.rows import ENVELOPES, cleaned, foreign_rows
from tests.properties.values import EVENTS, TEXT
from tests.rows import Row

EACH = 10
"""How many values each example writes: drawing them takes longer than PostgreSQL does."""


class Shelf:
    """Streams that are written once and read back."""

    def __init__(self, url: str, runner: asyncio.Runner) -> None:
        self._runner = runner
        self._store = runner.run(MessageDbStore.connect(url))
        path = psycopg.conninfo.make_conninfo(url, options="-csearch_path=message_store")
        self._foreign = psycopg.connect(path, autocommit=True)

    def close(self) -> None:
        self._foreign.close()
        self._runner.run(self._store.close())

    def write(self, stream: str, messages: Sequence[NewMessage]) -> list[Message]:
        """Append messages to a new stream."""
        self._runner.run(self._store.append(stream, *messages, expected_version=-1))
        return self.read(stream)

    def write_unchecked(self, stream: str, row: Row, types: Sequence[str]) -> list[Message]:
        """Write one row under several types, as a client of Message DB that checks nothing."""
        self._foreign.execute(
            "SELECT write_message(gen_random_uuid()::text, %s, type, %s, %s)"
            " FROM unnest(%s::text[]) AS type",
            (stream, row.data, row.metadata, list(types)),
        )
        return self.read(stream)

    def read(self, stream: str) -> list[Message]:
        return self._runner.run(all_of(self._store.read(stream)))


@pytest.fixture(scope="module")
def shelf(store_url: str) -> Iterator[Shelf]:
    with asyncio.Runner() as runner:
        shelf = Shelf(store_url, runner)
        yield shelf
        shelf.close()


def variants(event: Event, texts: Sequence[str]) -> list[Event]:
    """Return an event with one of its texts replaced by another, over and over."""
    said = event.model_dump(mode="json", by_alias=True)
    places = list(_texts(said))
    found = [event]
    for text, (holder, key) in zip(texts, itertools.cycle(places), strict=False):
        before, holder[key] = holder[key], text
        try:
            found.append(type(event).model_validate(said))
        except ValidationError:  # a word of a closed set
            found.append(event)
        holder[key] = before
    return found


def _texts(value: Any) -> Iterator[tuple[Any, Any]]:
    for key, item in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(item, str):
            yield value, key
        elif isinstance(item, dict | list):
            yield from _texts(item)


@examples(500)
@given(EVENTS, st.lists(TEXT, min_size=EACH - 1, max_size=EACH - 1), ENVELOPES)
def test_an_event_comes_back_as_it_was_written_or_marked_sanitised(
    shelf: Shelf, event: Event, texts: list[str], envelope: Envelope
) -> None:
    stream, hash = f"values:v0-{uuid4()}", GENESIS
    events = variants(event, texts)
    sealed: list[Sealed] = []
    for position, one in enumerate(events):
        sealed.append(seal(str(uuid4()), stream, position, one, envelope, hash))
        hash = sealed[-1].hash
    rows = shelf.write(stream, [NewMessage(s.id, s.type, s.data, s.metadata) for s in sealed])
    hash = GENESIS
    for given_, written, row in zip(events, sealed, rows, strict=True):
        hash = row_hash(hash, row)
        assert hash == written.hash
        found = decode(row)
        said = given_.model_dump(mode="json", by_alias=True)
        clean = type(given_).model_validate(cleaned(said))
        assert found.recorded.event == written.event == clean
        marked = json.loads(row.metadata or "{}")["localProperties"].get("sanitised", False)
        assert marked == (cleaned(said) != said)
        assert (found.metadata.cause, found.metadata.travelling, found.metadata.writer) == (
            envelope.cause,
            envelope.travelling,
            envelope.writer,
        )


@examples(150)
@given(foreign_rows(), st.lists(st.sampled_from(list(EVENT_TYPES)), min_size=3, max_size=3))
def test_what_another_writer_writes_is_read_as_an_event_or_an_unknown_one(
    shelf: Shelf, row: Row, types: list[str]
) -> None:
    try:
        rows = shelf.write_unchecked(f"values:v0-{uuid4()}", row, [row.type, *types])
    except psycopg.errors.StatementTooComplex:  # the server's own bound
        assert "[" * 10_000 in f"{row.data}"
        return
    recorded = [decode(found).recorded for found in rows]
    for found, one in zip(rows, recorded, strict=True):
        assert type(one.event) in (EVENT_TYPES.get(found.type), UnknownEvent)
        assert len(row_hash(GENESIS, found)) == len(GENESIS)
    fold(conversation, recorded)
    fold(transcript, recorded)
