"""Times in JSON output have one form, whatever their digits."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from messagedb_agent.agents.finding import Listed
from messagedb_agent.agents.waiting import WaitingCall
from messagedb_agent.cli.rendering.json import listed_json, message_json, waiting_json
from messagedb_agent.projections.summary import Summary
from messagedb_agent.store.message import Message

WHOLE = datetime(2026, 11, 22, 7, 8, 9, tzinfo=UTC)


@pytest.mark.parametrize("ms", [0, 1, 7, 57, 570, 999])
def test_the_times_of_threads_and_calls_have_three_digits_behind_the_second(ms: int) -> None:
    time = WHOLE + timedelta(milliseconds=ms)
    since_1970 = int(WHOLE.timestamp()) * 1000 + ms
    call = WaitingCall("6f9c01", "6f9c01", "c1", "wipe", "{}", time)
    thread = Listed("6f9c01", Summary(started_at_ms=since_1970, updated_at_ms=since_1970))
    shown = f"2026-11-22T07:08:09.{ms:03}Z"
    assert waiting_json(call)["askedAt"] == shown
    assert (listed_json(thread)["startedAt"], listed_json(thread)["updatedAt"]) == (shown, shown)


@pytest.mark.parametrize("micros", [0, 5, 50_000, 123_456])
def test_the_time_of_a_message_has_six_digits_as_its_server_counts(micros: int) -> None:
    time = (WHOLE + timedelta(microseconds=micros)).replace(tzinfo=None)
    message = Message("id", "agent:v0-6f9c01", "T", 0, 1, None, None, time)
    (shown,) = re.findall(r'"time":"([^"]*)"', message_json(message))
    assert shown == f"2026-11-22T07:08:09.{micros:06}Z"
