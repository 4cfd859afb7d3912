"""The strict server refuses what providers refuse, so that its silence means something."""

import http.client
import json
from typing import Any

import pytest

from tests.model_server import ModelServer, Say
from tests.provider_rules import broken_rule

USER = {"role": "user", "content": "hi"}
RESULT = {"role": "tool", "tool_call_id": "c1", "content": "1"}


def asks(
    call_id: str = "c1", arguments: str = "{}", name: str = "add", **more: Any
) -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    call = {"id": call_id, "type": "function", "function": function}
    return {"role": "assistant", "tool_calls": [call], **more}


def says(*blocks: dict[str, Any], role: str = "assistant") -> dict[str, Any]:
    return {"role": role, "content": list(blocks)}


USE = {"type": "tool_use", "id": "c1", "name": "add", "input": {}}
USED = {"type": "tool_result", "tool_use_id": "c1", "content": "1"}
TEXT = {"type": "text", "text": "hi"}


@pytest.mark.parametrize(
    "messages",
    [
        [USER],
        [{"role": "system", "content": "s"}, USER, USER],
        [USER, asks(), RESULT],
        [USER, asks(), RESULT, {"role": "assistant", "content": "1"}, USER],
    ],
)
def test_a_valid_history_is_accepted(messages: list[Any]) -> None:
    assert broken_rule("/v1/chat/completions", {"messages": messages}) is None


@pytest.mark.parametrize(
    ("messages", "rule"),
    [
        ([], "no messages"),
        ([{"role": "assistant", "content": "hi"}, USER], "not the user's"),
        ([USER, {"role": "assistant", "content": "hi"}], "the assistant's"),
        ([USER, asks()], "assistant's"),
        ([USER, asks(), USER], "no result right after"),
        ([USER, asks(), USER, RESULT], "no result right after"),
        ([USER, RESULT], "no call right before"),
        ([USER, asks(), RESULT, RESULT], "no call right before"),
        ([USER, asks(), RESULT, asks(), RESULT], "not unique"),
        ([USER, asks(""), {**RESULT, "tool_call_id": ""}], "missing"),
        ([USER, asks(arguments="[1]"), RESULT], "no JSON object"),
        ([USER, asks(arguments="{"), RESULT], "no JSON object"),
        ([USER, asks("c" * 41), {**RESULT, "tool_call_id": "c" * 41}], "may have the id"),
        ([USER, asks("c.1"), {**RESULT, "tool_call_id": "c.1"}], "may have the id"),
        ([USER, asks(name="add it"), RESULT], "may be called"),
        ([USER, asks(name="a" * 65), RESULT], "may be called"),
        ([USER, asks(), {**RESULT, "content": None}], "no text"),
        ([{"role": "user", "content": " "}], "user's message is empty"),
        ([USER, {"role": "assistant", "content": ""}, USER], "neither text nor calls"),
        ([{"role": "robot", "content": "hi"}], "role robot"),
    ],
)
def test_a_history_that_breaks_a_rule_is_refused(messages: list[Any], rule: str) -> None:
    assert rule in (broken_rule("/v1/chat/completions", {"messages": messages}) or "")


@pytest.mark.parametrize(
    ("messages", "rule"),
    [
        ([says(TEXT, role="user"), says(USE), says(USED, TEXT, role="user")], None),
        ([says(TEXT, role="user"), says(USE), says(TEXT, USED, role="user")], "behind something"),
        ([says(TEXT, role="user"), says(TEXT)], "the assistant's"),
        ([says(TEXT, role="user"), says(USE), says(TEXT, role="user")], "no result right after"),
        ([says(TEXT, role="user"), says(USED, role="user")], "no call right before"),
        ([says(TEXT, role="user"), says({"type": "text", "text": " "})], "empty text"),
    ],
)
def test_the_form_of_anthropic_has_the_same_rules(messages: list[Any], rule: str | None) -> None:
    broken = broken_rule("/v1/messages", {"messages": messages, "tools": [{"name": "add"}]})
    assert broken is None if rule is None else rule in (broken or "")


@pytest.mark.parametrize(
    ("names", "rule"),
    [
        (["add", "take-2_x"], None),
        ([], "list of tools is empty"),
        (["add", "add"], "one name"),
        (["add it"], "may be called"),
    ],
)
def test_tools_that_cannot_be_offered_are_refused(names: list[str], rule: str | None) -> None:
    tools = [{"type": "function", "function": {"name": name}} for name in names]
    openai = broken_rule("/v1/chat/completions", {"messages": [USER], "tools": tools})
    anthropic = broken_rule(
        "/v1/messages", {"messages": [USER], "tools": [{"name": name} for name in names]}
    )
    assert openai == anthropic
    assert openai is None if rule is None else rule in (openai or "")


def test_anthropic_refuses_calls_without_tools() -> None:
    messages = [says(TEXT, role="user"), says(USE), says(USED, role="user")]
    assert "tools" in (broken_rule("/v1/messages", {"messages": messages}) or "")


def test_a_refused_history_is_answered_with_400_and_kept() -> None:
    with ModelServer(Say("hello")) as server:
        connection = http.client.HTTPConnection(server.url.removeprefix("http://"))
        connection.request("POST", "/v1/chat/completions", json.dumps({"messages": [RESULT]}))
        with connection.getresponse() as response:
            assert response.status == 400
        connection.close()
        assert len(server.refusals) == 1
