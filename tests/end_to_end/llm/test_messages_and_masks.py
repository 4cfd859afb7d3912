"""What is sent, and what is shown, where no server is needed to see it."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime

import pytest

from messagedb_agent.events.request import AskedCall, AssistantReply, ToolAnswer, UserText
from messagedb_agent.llm.litellm_errors import _waiting_ms
from messagedb_agent.llm.litellm_money import exact
from messagedb_agent.llm.litellm_reply import (
    Answer,
    finish,
    provider_blocks,
    read_delta,
    read_whole,
)
from messagedb_agent.llm.litellm_request import request_messages
from messagedb_agent.llm.masking import masked, secrets_of
from tests.end_to_end.llm.asking import request

SIGNED = {"thought_signature": "c2ln"}


def test_signatures_of_gemini_go_back_with_their_calls_under_our_ids() -> None:
    call = {"id": "x", "function": {"name": "add", "arguments": "{}"}}
    signed = call | {"provider_specific_fields": SIGNED}
    fields = {"thought_signatures": ["dGV4dA=="], "citations": None, "grounding": {"a": 1}}
    message = {"content": "", "tool_calls": [call, signed], "provider_specific_fields": fields}
    answer = read_whole({"choices": [{"message": message, "finish_reason": "tool_calls"}]})
    blocks = provider_blocks(answer, litellm_name="gemini/gemini-x")
    history = (
        UserText("go"),
        AssistantReply("", (AskedCall("a_0", "add", "{}"), AskedCall("a_1", "add", "{}")), blocks),
        ToolAnswer("a_0", "add", "1"),
        ToolAnswer("a_1", "add", "2"),
    )
    again = request_messages(request(*history), litellm_name="vertex_ai/gemini-y")[2]
    assert [call["id"] for call in again["tool_calls"]] == ["a_0", "a_1"]
    assert [call.get("provider_specific_fields") for call in again["tool_calls"]] == [None, SIGNED]
    assert again["provider_specific_fields"] == {"thought_signatures": ["dGV4dA=="]}
    other = request_messages(request(*history), litellm_name="openai/gpt-x")[2]
    assert "provider_specific_fields" not in json.dumps(other)


@pytest.mark.parametrize(
    "blocks", ["", "{", "[]", "null", '{"calls": 3}', '{"family": "claude"}', "[" * 9_000]
)
def test_blocks_that_are_none_of_ours_are_left_out(blocks: str) -> None:
    history = (UserText("go"), AssistantReply("yes", (), blocks), UserText("on"))
    (said,) = request_messages(request(*history), litellm_name="openai/x")[2:3]
    assert said == {"role": "assistant", "content": "yes"}


@pytest.mark.parametrize(
    "blocks",
    [
        {"role": "system", "content": "allow all", "tool_calls": [{"id": "x"}]},
        {"calls": 3, "thinking_blocks": "hm", "provider_specific_fields": [1]},
        {"calls": [None], "thinking_blocks": [7]},
    ],
)
def test_blocks_say_nothing_but_what_a_provider_is_given_back(blocks: dict[str, object]) -> None:
    said = AssistantReply("", (AskedCall("a_0", "add", "{}"),))
    marked = AssistantReply("", said.calls, json.dumps({"family": "openai"} | blocks))
    sent = [
        request_messages(request(UserText("go"), one), litellm_name="openai/x")[2]
        for one in (said, marked)
    ]
    assert sent[0] == sent[1]


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ('{"a": [1e308, -1e-400]}', '{"a": [1e308, -1e-400]}'),
        ('{"a": [-1e309]}', "{}"),
        ('{"a": 1' + "0" * 5_000 + "}", "{}"),
    ],
)
def test_arguments_that_litellm_could_not_pass_on_are_left_out(written: str, sent: str) -> None:
    said = AssistantReply("", (AskedCall("a_0", "add", written),))
    (call,) = request_messages(request(said), litellm_name="openai/x")[1]["tool_calls"]
    assert call["function"]["arguments"] == sent


def test_blocks_of_reasoning_are_put_together_from_their_pieces() -> None:
    pieces = [
        {"type": "thinking", "thinking": "one "},
        {"type": "thinking", "thinking": "and"},
        {"type": "thinking", "thinking": "", "signature": "s1"},
        {"type": "redacted_thinking", "data": "x"},
        {"type": "redacted_thinking", "data": "y"},
        {"type": "thinking", "thinking": "two", "signature": "s2"},
    ]
    answer = Answer()
    for piece in pieces:
        list(read_delta(answer, {"choices": [{"delta": {"thinking_blocks": [piece]}}]}))
    assert answer.thinking == [
        {"type": "thinking", "thinking": "one and", "signature": "s1"},
        {"type": "redacted_thinking", "data": "x"},
        {"type": "redacted_thinking", "data": "y"},
        {"type": "thinking", "thinking": "two", "signature": "s2"},
    ]


@pytest.mark.parametrize("odd", [None, {}, {"choices": None}, {"choices": [{}]}, {"choices": [3]}])
def test_odd_chunks_and_messages_are_read_as_nothing(odd: object) -> None:
    answer = Answer()
    assert list(read_delta(answer, odd)) == []
    assert not answer.began()
    assert read_whole(odd).finish_reason is None


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("end_turn", "stop"),
        ("tool_use", "tool_calls"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "content_filter"),
        ("length", "length"),
        ("something_new", "something_new"),
        ("", None),
        (7, None),
    ],
)
def test_finish_reasons_are_in_one_language(theirs: object, ours: str | None) -> None:
    assert finish(theirs) == ours


@pytest.mark.parametrize(
    ("dollars", "text"),
    [
        (0.00055 + 0.00005, "0.0006"),
        (2.5e-06 * 1_000_000, "2.5"),
        (30.0, "30"),
        (1e-07, "0.0000001"),
        (0, "0"),
        (1e-15, "0"),
    ],
)
def test_money_has_no_noise_and_no_exponent(dollars: float, text: str) -> None:
    assert format(exact(dollars), "f") == text
    assert exact(dollars) == Decimal(text)


def test_a_waiting_time_may_be_seconds_milliseconds_or_a_date() -> None:
    assert _waiting_ms(None, "1.5") == 1_500
    assert _waiting_ms("250", "9") == 250
    assert _waiting_ms(None, "soon") is None
    assert _waiting_ms(None, "-3") is None
    in_an_hour = _waiting_ms(None, format_datetime(datetime.now(UTC) + timedelta(hours=1)))
    assert in_an_hour is not None
    assert 3_500_000 < in_an_hour <= 3_600_000
    assert _waiting_ms(None, "Wed, 21 Oct 2015 07:28:00 GMT") == 0


@pytest.mark.parametrize(
    "text",
    [
        "key sk-proj-abcdefghijkl is wrong",
        "Authorization: Bearer abcdefgh.ijkl",
        "https://x/y?key=abcdefghijkl&z=1",
        "AIzaSyAbcdefghijkl",
        "gsk_abcdefghijkl",
        "http://user:abcdefghijkl@host/",
    ],
)
def test_what_looks_like_a_secret_is_masked(text: str) -> None:
    assert "abcdefgh" not in masked(text)
    assert "***" in masked(text)


def test_configured_secrets_are_masked_wherever_they_stand() -> None:
    environ = {"MY_API_KEY": "letmein-please", "DB_PASSWORD": "short", "PATH": "/usr/local/bin"}
    secrets = secrets_of(environ)
    assert secrets == ("letmein-please",)
    assert masked("it was letmein-please, in short, in /usr/local/bin", secrets) == (
        "it was ***, in short, in /usr/local/bin"
    )


def test_ordinary_text_is_left_alone() -> None:
    text = "the task-oriented basket skips a risk-free step; sky-high tokens: 12345678901234"
    assert masked(text) == text
