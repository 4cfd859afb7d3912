"""What newer and stranger writers say is read as far as it can be, and never guessed at."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from messagedb_agent.events.codec import EVENT_TYPES, decode
from messagedb_agent.events.recorded import UnknownEvent
from messagedb_agent.events.schema import (
    AgentRedefined,
    LlmCallFailed,
    LlmCallStarted,
    LlmResponseReceived,
    ToolExecutionCompleted,
    ToolExecutionFailed,
    ToolOutcomeResolved,
)
from tests.rows import Row

NEW = "invented_later"
ATTEMPT = {"model": "m", "kind": NEW, "elapsedMs": 1}
CALL = {"callId": "c_0", "name": "look", "arguments": "{}", "problem": NEW}
TOOL = {"name": "look", "description": "", "parametersSchema": "{}", "effect": NEW}
CLAIM = {"purpose": NEW, "model": "m", "contextPosition": 1, "requestDigest": ""}
REPLY = {"llmCallId": "c", "model": "m", "text": "", "finishReason": NEW}
DEFINITION = {"name": "a", "systemPrompt": "", "model": "m"}
FAILED_CALL = {"llmCallId": "c", "kind": NEW, "message": ""}
FAILED_TOOL = {"callId": "c_0", "attempt": 1, "kind": NEW, "message": "", "elapsedMs": 1}
RESULT = {"callId": "c_0", "result": "seen", "elapsedMs": 1}

RESOLVED = {"callId": "c_0", "status": NEW, "text": "half of it"}


def read(type: str, data: dict[str, Any], metadata: str | None = None) -> Any:
    return decode(Row(type=type, data=json.dumps(data), metadata=metadata)).recorded.event


class TestClosedSets:
    """A word that this code does not know is read as the nearest it does."""

    def test_a_purpose_stands_beside_the_turn(self) -> None:
        event = read("LlmCallStarted", CLAIM)
        assert isinstance(event, LlmCallStarted)
        assert event.purpose == "judge"

    def test_why_a_model_call_failed_is_internal(self) -> None:
        event = read("LlmCallFailed", {**FAILED_CALL, "attempts": [ATTEMPT]})
        assert isinstance(event, LlmCallFailed)
        assert event.kind == "internal"
        assert [attempt.kind for attempt in event.attempts] == ["internal"]

    def test_why_a_tool_call_failed_is_that_it_raised(self) -> None:
        event = read("ToolExecutionFailed", FAILED_TOOL)
        assert isinstance(event, ToolExecutionFailed)
        assert event.kind == "raised"

    def test_a_call_that_cannot_run_does_not_run(self) -> None:
        event = read("LlmResponseReceived", {**REPLY, "toolCalls": [CALL]})
        assert isinstance(event, LlmResponseReceived)
        assert [call.problem for call in event.tool_calls] == ["bad_arguments"]
        assert event.finish_reason == NEW  # no closed set: the provider's own word

    def test_a_tool_is_never_run_again(self) -> None:
        event = read("AgentRedefined", {"definition": {**DEFINITION, "tools": [TOOL]}})
        assert isinstance(event, AgentRedefined)
        assert [tool.effect for tool in event.definition.tools] == ["never"]

    def test_what_became_of_a_call_is_that_it_failed(self) -> None:
        event = read("ToolOutcomeResolved", RESOLVED)
        assert isinstance(event, ToolOutcomeResolved)
        assert (event.status, event.text) == ("failed", "half of it")

    @pytest.mark.parametrize(
        ("type", "data"),
        [
            ("ToolOutcomeResolved", RESOLVED),
            ("LlmCallStarted", CLAIM),
            ("LlmCallFailed", FAILED_CALL),
            ("LlmCallFailed", {**FAILED_CALL, "kind": "internal", "attempts": [ATTEMPT]}),
            ("ToolExecutionFailed", FAILED_TOOL),
            ("LlmResponseReceived", {**REPLY, "toolCalls": [CALL]}),
            ("AgentRedefined", {"definition": {**DEFINITION, "tools": [TOOL]}}),
        ],
    )
    def test_this_code_writes_no_such_word(self, type: str, data: dict[str, Any]) -> None:
        with pytest.raises(ValidationError, match="Input should be"):
            EVENT_TYPES[type].model_validate(data)

    @pytest.mark.parametrize("kind", [7, None, ["raised"], {"kind": "raised"}])
    def test_what_is_no_word_is_no_event(self, kind: object) -> None:
        assert isinstance(read("ToolExecutionFailed", {**FAILED_TOOL, "kind": kind}), UnknownEvent)


class TestNewerShapes:
    """A known type whose newer shape cannot be read."""

    def test_it_must_not_be_ignored(self) -> None:
        event = read("LlmCallFailed", {"claim": "c"}, '{"schemaVersion": "2"}')
        assert isinstance(event, UnknownEvent)
        assert event.critical

    @pytest.mark.parametrize("metadata", [None, "{}", '{"schemaVersion": "1"}'])
    def test_one_that_is_not_newer_is_ignored(self, metadata: str | None) -> None:
        event = read("LlmCallFailed", {"claim": "c"}, metadata)
        assert isinstance(event, UnknownEvent)
        assert not event.critical


class TestWholeNumbers:
    """Counts go up to what every reader of JSON holds without loss."""

    @pytest.mark.parametrize("number", ["0", "9007199254740992", "1.0", "25e1"])
    def test_a_number_that_all_hold_is_read(self, number: str) -> None:
        event = decode(counted(number)).recorded.event
        assert isinstance(event, ToolExecutionCompleted)
        assert event.elapsed_ms == float(number)
        assert isinstance(event.elapsed_ms, int)

    @pytest.mark.parametrize(
        "number",
        ["9007199254740993", "1" + "0" * 30, "1" + "0" * 5_000, "1e400", "1e300", "-1", "1.5"],
    )
    def test_a_number_that_some_would_round_makes_no_event(self, number: str) -> None:
        event = decode(counted(number)).recorded.event
        assert isinstance(event, UnknownEvent)
        assert event.reason.startswith("elapsedMs: ")
        assert not event.critical

    @pytest.mark.parametrize("value", ["true", "false", '"1"', "null", "[1]", "{}"])
    def test_what_is_no_number_makes_no_event(self, value: str) -> None:
        assert isinstance(decode(counted(value)).recorded.event, UnknownEvent)

    def test_this_code_writes_none(self) -> None:
        with pytest.raises(ValidationError, match="less than or equal to 9007199254740992"):
            ToolExecutionCompleted(call_id="c_0", result="seen", elapsed_ms=2**53 + 1)


def counted(number: str) -> Row:
    data = json.dumps({**RESULT, "elapsedMs": "?"}).replace('"?"', number)
    return Row(type="ToolExecutionCompleted", data=data)


@pytest.mark.parametrize("cost", [True, False])
def test_true_and_false_are_no_money(cost: bool) -> None:
    data = {**REPLY, "finishReason": "stop", "costUsd": cost}
    assert isinstance(read("LlmResponseReceived", data), UnknownEvent)


@pytest.mark.parametrize("value", [1, 0, "yes", "no", "true", None])
def test_whether_a_tool_needs_approval_is_true_or_false(value: object) -> None:
    tool = {**TOOL, "needsApproval": value}
    event = read("AgentRedefined", {"definition": {**DEFINITION, "tools": [tool]}})
    assert isinstance(event, UnknownEvent)
