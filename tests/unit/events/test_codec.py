"""Events to messages and back."""

import json
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from messagedb_agent.events.chain import GENESIS, hash_text, row_hash
from messagedb_agent.events.codec import EVENT_TYPES, Envelope, Sealed, clean_text, decode, seal
from messagedb_agent.events.metadata import Cause, Travelling
from messagedb_agent.events.recorded import UnknownEvent
from messagedb_agent.events.schema import (
    Event,
    LimitReached,
    SessionContinued,
    SessionTitled,
    UserMessageAdded,
)
from messagedb_agent.events.values import DecimalText, Limits, ReachedLimit, Value
from tests.rows import TIME_MS, Row, stored

STREAM = "agent:v0-thread"
ID = "00000000-0000-7000-8000-000000000001"
FROM_OUTSIDE = Envelope(None, Travelling(), TIME_MS, "w")


def sealed(event: Event, envelope: Envelope = FROM_OUTSIDE) -> Sealed:
    return seal(ID, STREAM, 0, event, envelope, GENESIS)


def metadata_of(one: Sealed) -> dict[str, Any]:
    metadata: dict[str, Any] = json.loads(one.metadata)
    return metadata


class TestOut:
    """What is written."""

    def test_data_have_lower_camel_keys_and_no_nulls(self) -> None:
        event = SessionContinued(limits=Limits(calls_per_turn=3))
        assert json.loads(sealed(event).data) == {"limits": {"callsPerTurn": 3}}

    def test_metadata_name_cause_travel_and_writer_in_message_dbs_own_keys(self) -> None:
        envelope = Envelope(
            Cause("agent:v0-other", 7, 99),
            Travelling("shop-1", "shop-replies", '{"trace":"t","weight":1.50}'),
            TIME_MS,
            "w",
        )
        one = sealed(UserMessageAdded(text="hi"), envelope)
        assert metadata_of(one) == {
            "causationMessageStreamName": "agent:v0-other",
            "causationMessagePosition": 7,
            "causationMessageGlobalPosition": 99,
            "correlationStreamName": "shop-1",
            "replyStreamName": "shop-replies",
            "properties": {"trace": "t", "weight": 1.5},
            "schemaVersion": "1",
            "localProperties": {"occurredAt": TIME_MS, "writer": "w", "hash": hash_text(one.hash)},
        }
        assert '"weight":1.50' in one.metadata

    def test_what_comes_from_outside_names_no_cause(self) -> None:
        assert set(metadata_of(sealed(UserMessageAdded(text="hi")))) == {
            "schemaVersion",
            "localProperties",
        }

    def test_the_global_position_of_a_cause_in_the_same_append_is_left_out(self) -> None:
        one = sealed(UserMessageAdded(text="hi"), Envelope(Cause(STREAM, 7), Travelling(), 0, "w"))
        assert "causationMessageGlobalPosition" not in one.metadata

    @pytest.mark.parametrize("text", ["a\0b", "\ud800", "x\udfff", "\ude00\ud83d"])
    def test_what_postgresql_cannot_hold_is_replaced_and_marked(self, text: str) -> None:
        one = sealed(SessionTitled(title=text, by="ada"))
        clean = SessionTitled(title=clean_text(text), by="ada")
        assert one.event == clean
        assert json.loads(one.data) == {"title": clean.title, "by": "ada"}
        assert metadata_of(one)["localProperties"]["sanitised"] is True
        assert one.hash == row_hash(GENESIS, stored(one, STREAM, 0))

    @pytest.mark.parametrize("text", ["a\0b", "\ud800"])
    def test_it_is_replaced_however_deep_it_stands(self, text: str) -> None:
        reached = ReachedLimit(name="tokensPerThread", limit=text, reached="1")
        one = sealed(LimitReached(limits=(reached,)))
        [limit] = json.loads(one.data)["limits"]
        assert limit["limit"] == clean_text(text)
        assert metadata_of(one)["localProperties"]["sanitised"] is True

    @pytest.mark.parametrize("text", ["\\u0000", "\U0001f600", "\x01\x7f\u2028", "\ufffd"])
    def test_what_postgresql_can_hold_stays_as_it_is(self, text: str) -> None:
        event = SessionTitled(title=text)
        assert sealed(event).event is event
        assert "sanitised" not in sealed(event).metadata

    def test_a_field_nobody_declared_is_an_error_of_the_writer(self) -> None:
        with pytest.raises(ValidationError, match="colour"):
            UserMessageAdded.model_validate({"text": "hi", "colour": "red"})

    def test_the_same_event_by_another_writer_has_another_hash(self) -> None:
        other = Envelope(None, Travelling(), TIME_MS, "v")
        event = UserMessageAdded(text="hi")
        assert sealed(event).hash != sealed(event, other).hash


class TestIn:
    """What is read."""

    def test_an_unknown_type_is_kept_and_ignored(self) -> None:
        event = decode(Row(type="Moved", data="{}")).recorded.event
        assert event == UnknownEvent("Moved", "unknown type")

    def test_an_unknown_type_may_be_critical(self) -> None:
        row = Row(type="Moved", metadata='{"localProperties": {"critical": true}}')
        assert decode(row).recorded.event == UnknownEvent("Moved", "unknown type", critical=True)

    def test_an_unknown_key_is_ignored_also_deep_inside(self) -> None:
        row = Row(type="SessionContinued", data='{"limits": {"callsPerTurn": 3, "x": 1}, "y": []}')
        event = decode(row).recorded.event
        assert event == SessionContinued(limits=Limits(calls_per_turn=3))

    def test_null_data_are_an_empty_object(self) -> None:
        assert decode(Row(type="SessionContinued")).recorded.event == SessionContinued()

    @pytest.mark.parametrize(
        ("data", "reason"),
        [
            ("{}", "text: Field required"),
            ('{"text": 5}', "text: Input should be a valid string"),
            ("[]", "data is not an object"),
            ("null", "data is not an object"),
            ('"text"', "data is not an object"),
            ('{"text": "hi", "x": ' + "[" * 3_000 + "]" * 3_000 + "}", "data cannot be read"),
        ],
    )
    def test_data_that_are_no_event_make_an_unknown_one(self, data: str, reason: str) -> None:
        event = decode(Row(data=data)).recorded.event
        assert isinstance(event, UnknownEvent)
        assert event.reason.startswith(reason)
        assert not event.critical

    def test_a_number_that_nobody_can_hold_spoils_only_itself(self) -> None:
        row = Row(data='{"text": "hi", "x": 1' + "0" * 400 + "}")
        assert decode(row).recorded.event == UserMessageAdded(text="hi")

    @pytest.mark.parametrize("version", ['"2"', '"99999"'])
    def test_an_event_of_a_later_version_is_read_as_far_as_it_is_known(self, version: str) -> None:
        row = Row(data='{"text": "hi", "mood": "good"}', metadata=f'{{"schemaVersion": {version}}}')
        assert decode(row).recorded.event == UserMessageAdded(text="hi")

    def test_a_critical_event_of_a_later_version_is_not_guessed_at(self) -> None:
        metadata = '{"schemaVersion": "2", "localProperties": {"critical": true}}'
        event = decode(Row(data='{"text": "hi"}', metadata=metadata)).recorded.event
        assert event == UnknownEvent("UserMessageAdded", "schema version 2", critical=True)

    def test_the_time_is_the_writers_where_it_says_so(self) -> None:
        row = Row(data='{"text": "hi"}', metadata='{"localProperties": {"occurredAt": 5}}')
        assert decode(row).recorded.time_ms == 5

    @pytest.mark.parametrize("time", ["null", '"5"', "5.5", "true", "-1", "253402300800000"])
    def test_the_time_is_the_stores_where_the_writer_says_none(self, time: str) -> None:
        row = Row(metadata=f'{{"localProperties": {{"occurredAt": {time}}}}}')
        assert decode(row).recorded.time_ms == TIME_MS

    def test_the_place_of_an_event_is_its_rows(self) -> None:
        recorded = decode(Row(data='{"text": "hi"}', position=4)).recorded
        assert (recorded.id, recorded.stream, recorded.position) == (ID, STREAM, 4)


def test_every_type_is_named_by_its_class() -> None:
    assert EVENT_TYPES["UserMessageAdded"] is UserMessageAdded
    assert all(name == cls.__name__ for name, cls in EVENT_TYPES.items())


class Money(Value):
    amount: DecimalText


class TestDecimals:
    """Numbers that are written as text."""

    @pytest.mark.parametrize(
        ("value", "text"),
        [("0.1", "0.1"), (0.1, "0.1"), ("1E+3", "1000"), ("1e-7", "0.0000001"), (2, "2")],
    )
    def test_a_decimal_is_written_without_exponent(self, value: object, text: str) -> None:
        money = Money.model_validate({"amount": value})
        assert money.model_dump(mode="json") == {"amount": text}
        assert Money.model_validate({"amount": text}).amount == Decimal(text)

    @pytest.mark.parametrize("value", ["NaN", "Infinity", "1e99", "9e999999", "0." + "1" * 61, ""])
    def test_a_decimal_that_nobody_could_add_up_is_refused(self, value: str) -> None:
        with pytest.raises(ValidationError):
            Money.model_validate({"amount": value})
