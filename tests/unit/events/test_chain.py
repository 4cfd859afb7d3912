"""The hash chain over rows."""

import hashlib

import pytest

from messagedb_agent.events.chain import GENESIS, hash_bytes, hash_text, row_hash
from tests.rows import Row

ROW = Row(
    data='{"text": "hi"}',
    metadata='{"schemaVersion": "1", "properties": {"n": 1.50}, "localProperties": {"hash": "x",'
    ' "writer": "w"}, "causationMessagePosition": 3, "causationMessageGlobalPosition": 9}',
)


def test_a_hash_covers_the_row_in_canonical_form_after_the_hash_before() -> None:
    canonical = (
        '{"data":{"text":"hi"},"id":"00000000-0000-7000-8000-000000000001","metadata":'
        '{"causationMessagePosition":3,"localProperties":{"writer":"w"},"properties":{"n":1.50},'
        '"schemaVersion":"1"},"position":0,"streamName":"agent:v0-thread",'
        '"type":"UserMessageAdded"}'
    )
    assert row_hash(GENESIS, ROW) == hashlib.sha256(GENESIS + canonical.encode()).digest()


@pytest.mark.parametrize(
    "changed",
    [
        ROW.but(id="00000000-0000-7000-8000-000000000002"),
        ROW.but(stream_name="agent:v0-threae"),
        ROW.but(type="SessionTitled"),
        ROW.but(position=1),
        ROW.but(data='{"text": "Hi"}'),
        ROW.but(data='{"text": "hi", "more": null}'),
        ROW.but(data=None),
        ROW.but(metadata=None),
        ROW.but(metadata=(ROW.metadata or "").replace("1.50", "1.5")),
        ROW.but(metadata=(ROW.metadata or "").replace('"w"', '"v"')),
        ROW.but(metadata=(ROW.metadata or "").replace('Position": 3', 'Position": 4')),
    ],
)
def test_any_change_of_what_is_covered_is_another_hash(changed: Row) -> None:
    assert row_hash(GENESIS, changed) != row_hash(GENESIS, ROW)


def test_another_predecessor_is_another_hash() -> None:
    assert row_hash(b"\1" * 32, ROW) != row_hash(GENESIS, ROW)


def test_the_hash_itself_and_the_causes_global_position_are_not_covered() -> None:
    metadata = ROW.metadata or ""
    for changed in (
        metadata.replace('"hash": "x", ', ""),
        metadata.replace('"x"', '"y"'),
        metadata.replace(', "causationMessageGlobalPosition": 9', ""),
    ):
        assert changed != metadata
        assert row_hash(GENESIS, ROW.but(metadata=changed)) == row_hash(GENESIS, ROW)


def test_null_is_an_empty_object_and_a_json_null_is_not() -> None:
    empty = ROW.but(data=None, metadata=None)
    assert row_hash(GENESIS, empty) == row_hash(GENESIS, empty.but(data="{}", metadata="{}"))
    assert row_hash(GENESIS, empty) != row_hash(GENESIS, empty.but(data="null"))


@pytest.mark.parametrize("value", ["null", "5", '"text"', "[1, {}]", "[" * 300 + "]" * 300])
def test_any_json_has_a_hash(value: str) -> None:
    assert len(row_hash(GENESIS, ROW.but(data=value, metadata=value))) == 32


def test_a_hash_is_written_as_43_characters_and_read_back() -> None:
    digest = row_hash(GENESIS, ROW)
    assert len(hash_text(digest)) == 43
    assert hash_bytes(hash_text(digest)) == digest


@pytest.mark.parametrize(
    "text",
    ["", "abc", "A" * 42, "A" * 44, "A" * 42 + "B", "A" * 42 + "!", "A" * 43 + "\n", "é" * 43],
)
def test_a_text_that_is_no_hash_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        hash_bytes(text)
