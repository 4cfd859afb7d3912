"""Metadata as they are read."""

import pytest

from messagedb_agent.events.metadata import (
    NO_METADATA,
    Cause,
    Metadata,
    Travelling,
    read_metadata,
)


def test_all_that_is_there_is_read() -> None:
    text = (
        '{"schemaVersion": "3", "correlationStreamName": "shop-1", "replyStreamName": "shop-2",'
        ' "causationMessageStreamName": "a-1", "causationMessagePosition": 4,'
        ' "causationMessageGlobalPosition": 9, "properties": {"b": 1.50, "a": "x"},'
        ' "localProperties": {"occurredAt": 5, "writer": "w", "hash": "h", "critical": true}}'
    )
    assert read_metadata(text) == Metadata(
        schema_version=3,
        travelling=Travelling("shop-1", "shop-2", '{"a":"x","b":1.50}'),
        cause=Cause("a-1", 4, 9),
        occurred_at_ms=5,
        writer="w",
        hash="h",
        critical=True,
    )


@pytest.mark.parametrize("text", [None, "null", "[]", "5", '"x"', "", "{", "[" * 3_000, "{}"])
def test_what_is_no_metadata_is_as_good_as_absent(text: str | None) -> None:
    assert read_metadata(text) == NO_METADATA


@pytest.mark.parametrize(
    "text",
    [
        '{"schemaVersion": 3}',
        '{"schemaVersion": "three"}',
        '{"schemaVersion": "-1"}',
        '{"schemaVersion": "1000000"}',
        '{"correlationStreamName": 5, "replyStreamName": ""}',
        '{"causationMessageStreamName": "a-1"}',
        '{"causationMessagePosition": 4}',
        '{"causationMessageStreamName": "a-1", "causationMessagePosition": true}',
        '{"properties": [], "localProperties": []}',
        '{"properties": {}, "localProperties": {"hash": 5, "writer": null, "critical": "true"}}',
    ],
)
def test_what_has_the_wrong_form_is_as_good_as_absent(text: str) -> None:
    assert read_metadata(text) == NO_METADATA


def test_properties_keep_the_digits_of_numbers_that_floats_would_round() -> None:
    beyond = "1" + "0" * 200
    metadata = read_metadata(
        f'{{"properties": {{"n": {beyond}}}, "localProperties": {{"hash": "h"}}}}'
    )
    assert metadata.travelling.properties == f'{{"n":{beyond}}}'
    assert metadata.hash == "h"


@pytest.mark.parametrize("value", ["1" + "0" * 400, '"' + "x" * 5_000 + '"'])
def test_properties_that_not_every_reader_can_hold_do_not_travel(value: str) -> None:
    metadata = read_metadata(f'{{"properties": {{"n": {value}}}, "schemaVersion": "1"}}')
    assert metadata.travelling.properties is None


def test_a_reply_address_that_is_no_stream_name_does_not_travel() -> None:
    metadata = read_metadata('{"replyStreamName": "' + "x" * 501 + '"}')
    assert metadata.travelling.reply_to is None
