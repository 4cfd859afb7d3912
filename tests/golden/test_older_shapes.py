"""A thread in an older shape is, to newer code, the thread that it always was."""

import json
from collections.abc import Iterator, Sequence
from functools import partial

import pytest

from messagedb_agent import connect
from messagedb_agent.engine.verify import verify
from messagedb_agent.events import codec
from messagedb_agent.events.chain import GENESIS, hash_text, row_hash
from messagedb_agent.events.metadata import read_metadata
from messagedb_agent.events.upcasting import Upcaster, upcast
from messagedb_agent.llm.scripted import ScriptedModel
from tests.golden.conversations import (
    NAMES,
    folded_request,
    golden,
    request_json,
    row_of,
    shown_of,
    store_of,
)
from tests.rows import Row

TODAY = 3
"""What today's shape is taken for; the two before it are made up."""

RENAMED = {
    ("UserMessageAdded", 1): ("content", "words"),
    ("LlmResponseReceived", 1): ("says", "text"),
    ("UserMessageAdded", 2): ("words", "text"),
    ("ToolExecutionCompleted", 2): ("output", "result"),
}
"""By type and version: what a field is called there, and in the version that follows."""


def renaming(old: str, new: str) -> Upcaster:
    return lambda data: {new if name == old else name: value for name, value in data.items()}


@pytest.fixture(autouse=True)
def _two_versions_on(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = {key: renaming(old, new) for key, (old, new) in RENAMED.items()}
    monkeypatch.setattr(codec, "SCHEMA_VERSION", TODAY)
    monkeypatch.setattr(codec, "upcast", partial(upcast, upcasters=steps, current=TODAY))


def in_shape(version: int, rows: Sequence[Row]) -> Iterator[Row]:
    """Yield rows as code of an older version would have written them."""
    last = GENESIS
    for row in rows:
        assert row.data is not None
        assert row.metadata is not None
        data, metadata = json.loads(row.data), json.loads(row.metadata)
        for step in range(TODAY - 1, version - 1, -1):
            if names := RENAMED.get((row.type, step)):
                data = renaming(names[1], names[0])(data)
        metadata["schemaVersion"] = str(version)
        old = row.but(data=json.dumps(data), metadata=json.dumps(metadata))
        last = row_hash(last, old)
        metadata["localProperties"]["hash"] = hash_text(last)
        yield old.but(metadata=json.dumps(metadata))


def rows_of(name: str, version: int) -> list[Row]:
    return list(in_shape(version, [row_of(row) for row in golden(name)["rows"]]))


def test_old_shapes_are_no_longer_todays() -> None:
    words = [json.loads(rows_of("round", version)[1].data or "") for version in (1, 2, 3)]
    assert [next(iter(data)) for data in words] == ["content", "words", "text"]


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("name", NAMES)
def test_what_a_model_is_shown_is_what_it_was_shown_then(name: str, version: int) -> None:
    shown = shown_of(rows_of(name, version))
    assert request_json(folded_request(name, shown)) == golden(name)["request"]


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("name", NAMES)
async def test_it_verifies_by_what_stands_there(name: str, version: int) -> None:
    rows = rows_of(name, version)
    verification = await verify(await store_of(rows), rows[-1].stream_name)
    assert verification.finding is None
    assert verification.events == len(rows)


@pytest.mark.parametrize("version", [1, 2])
async def test_it_goes_on_in_todays_shape(version: int) -> None:
    rows = rows_of("message", version)
    store = await store_of(rows)
    model = ScriptedModel("So do I.")
    async with connect(store, models=lambda _: model) as engine:
        agent = await (await engine.load_agent(rows[-1].id)).resume()
        written = [message async for message in store.read(rows[-1].stream_name)]
        verification = await verify(store, rows[-1].stream_name)
    assert agent.answer == "So do I."
    versions = [read_metadata(message.metadata).schema_version for message in written]
    assert versions == [version] * len(rows) + [TODAY] * (len(written) - len(rows))
    assert (verification.finding, verification.requests) == (None, 1)
