"""The offline model: what it calls, what it says, and that it always comes to an end."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messagedb_agent.events.request import (
    AskedCall,
    AssistantReply,
    Delta,
    Reply,
    Request,
    RequestedCall,
    RequestMessage,
    ToolAnswer,
    UserText,
)
from messagedb_agent.events.values import ToolSpec
from messagedb_agent.llm.model import LanguageModel
from messagedb_agent.llm.offline import WHAT_IT_IS, OfflineModel
from messagedb_agent.llm.questions import MOST_CALCULATIONS, calculations, time_questions
from messagedb_agent.llm.scripted import call

OFFERED = ("calculate", "get_current_time", "echo")


def request(*messages: RequestMessage, offered: tuple[str, ...] = OFFERED) -> Request:
    tools = tuple(ToolSpec(name=name, description="", parameters_schema="{}") for name in offered)
    return Request("offline", "You are helpful.", messages, tools)


async def asked(said: str, offered: tuple[str, ...] = OFFERED) -> list[tuple[str, str]]:
    reply = await OfflineModel().complete(request(UserText(said), offered=offered))
    assert (reply.finish_reason == "tool_calls") == bool(reply.calls)
    assert bool(reply.text) != bool(reply.calls)
    return [(call.name, call.arguments) for call in reply.calls]


async def turn(said: str, results: dict[str, str]) -> list[Reply]:
    """Run a turn to its end, every call answered by the result of its tool."""
    model: LanguageModel = OfflineModel()
    messages: list[RequestMessage] = [UserText("What is 1 + 1?"), UserText(said)]
    replies: list[Reply] = []
    while not replies or replies[-1].calls:
        assert len(replies) < 50
        reply = await model.complete(request(*messages))
        assert isinstance(reply, Reply)
        calls = [
            AskedCall(f"{len(replies)}_{index}", call.name, call.arguments)
            for index, call in enumerate(reply.calls)
        ]
        messages.append(AssistantReply(reply.text, tuple(calls)))
        messages += [
            ToolAnswer(call.call_id, call.name, results.get(call.name, "Error: no such tool"))
            for call in calls
        ]
        replies.append(reply)
    return replies


@pytest.mark.parametrize(
    ("said", "expressions"),
    [
        ("What is 42 * 7?", ["42 * 7"]),
        ("What is 5 + 3?", ["5 + 3"]),
        ("what's 5+3", ["5+3"]),
        ("How much is 12 plus 7 times 3", ["12 + 7 * 3"]),
        ("12% of 50", ["12 / 100 * 50"]),
        ("What is 12.5 percent of 80?", ["12.5 / 100 * 80"]),
        ("What is 2+3 and 4*5?", ["2+3", "4*5"]),
        ("Please compute 1,000 * 3.", ["1000 * 3"]),
        ("I need (3 + 4) * 2.", ["(3 + 4) * 2"]),
        ("(What is 5 + 3)", ["5 + 3"]),
        ("What is the square root of 16?", ["sqrt(16)"]),
        ("what is 3 squared plus 2", ["3 ** 2 + 2"]),
        ("6 \N{MULTIPLICATION SIGN} 7", ["6 * 7"]),
        ("5 x 6", ["5 * 6"]),
        ("What is 10 divided by 4?", ["10 / 4"]),
        ("1 + 2 + 3 = ?", ["1 + 2 + 3"]),
        ("What is -3 - -5?", ["-3 - -5"]),
        ("What is 24/7?", ["24/7"]),
        ("24/7", ["24/7"]),
        ("2 ^ 10", ["2 ^ 10"]),
        ("((1+2)*(3+4))/2", ["((1+2)*(3+4))/2"]),
        ("We are open 24/7 on 2024-01-15", []),
        ("Call me at 555-1234", []),
        ("between 3-5 pm, 10:00 - 11:00", []),
        ("version 1.2.3", []),
        ("What is 42?", []),
        ("What is x + 3?", []),
        ("2 * (3 + 4", []),
        ("http://host/1+2", []),
        ("", []),
    ],
)
def test_arithmetic_is_found_in_plain_english(said: str, expressions: list[str]) -> None:
    assert calculations(said) == expressions


@pytest.mark.parametrize(
    ("said", "zones"),
    [
        ("Can you also tell me the time?", [None]),
        ("What time is it?", [None]),
        ("what's the current time", [None]),
        ("What is the date?", [None]),
        ("What day is it today?", [None]),
        ("What time is it in Tokyo?", ["Asia/Tokyo"]),
        ("tell me the time in Europe/Paris", ["Europe/Paris"]),
        ("What is the time in New York and in London?", ["America/New_York", "Europe/London"]),
        ("What is the current time in UTC?", ["UTC"]),
        ("Thanks for the time you took", []),
        ("It is time to go to Paris", []),
        ("", []),
    ],
)
def test_questions_about_the_time_are_understood(said: str, zones: list[str | None]) -> None:
    assert time_questions(said) == zones


@pytest.mark.parametrize("said", ["(" * 10_000_000, "1+" * 5_000_000, "1 " * 5_000_000])
def test_a_message_of_megabytes_is_no_question(said: str) -> None:
    assert calculations(said) == []
    assert time_questions(said) == []


def test_many_expressions_are_bounded() -> None:
    said = ", ".join(f"1 + {number}" for number in range(100))
    assert len(calculations(said)) == MOST_CALCULATIONS


async def test_arithmetic_is_answered_by_a_tool_call() -> None:
    first, last = await turn("What is 42 * 7?", {"calculate": "294"})
    assert [(asked.name, asked.arguments) for asked in first.calls] == [
        ("calculate", '{"expression": "42 * 7"}')
    ]
    assert (last.text, last.finish_reason) == ("42 * 7 = 294.", "stop")


async def test_both_questions_in_one_message_are_parallel_calls() -> None:
    first, last = await turn(
        "What is 5 - 8 and what time is it in Paris?",
        {"calculate": "-3", "get_current_time": "2026-01-01T00:00:00+01:00"},
    )
    assert [asked.name for asked in first.calls] == ["calculate", "get_current_time"]
    assert first.calls[1].arguments == '{"timezone": "Europe/Paris"}'
    assert last.text == "5 - 8 = -3.\nIt is 2026-01-01T00:00:00+01:00."


async def test_a_failed_call_is_reported_in_the_tools_words() -> None:
    *_, last = await turn(
        "What is 5 / 0 and what time is it?",
        {"calculate": "Error: division by zero", "get_current_time": "Error: no clock"},
    )
    assert last.text == "5 / 0: Error: division by zero\nget_current_time: Error: no clock"


async def test_tools_that_are_not_offered_are_not_called_of_its_own_accord() -> None:
    assert await asked("What is 5 + 3, and what time is it?", offered=("echo",)) == []
    assert await asked("What is 5 + 3, and what time is it?", offered=("calculate",)) == [
        ("calculate", '{"expression": "5 + 3"}')
    ]


SCRIPT = """Please do this:
call echo {"text": "call  two  spaces"}
  call nope {"a": 1}
then

then
call echo {"text": "unclosed
call echo
call calculate 1 + 1
call echo\t[1]
"""


async def test_a_script_calls_any_tool_in_rounds_with_arguments_as_written() -> None:
    replies = await turn(SCRIPT, {"echo": "said", "calculate": "2"})
    rounds = [[(asked.name, asked.arguments) for asked in reply.calls] for reply in replies]
    assert rounds == [
        [("echo", '{"text": "call  two  spaces"}'), ("nope", '{"a": 1}')],
        [
            ("echo", '{"text": "unclosed'),
            ("echo", "{}"),
            ("calculate", "1 + 1"),
            ("echo", "[1]"),
        ],
        [],
    ]
    assert replies[-1].text.splitlines() == [
        "echo: said",
        "nope: Error: no such tool",
        "echo: said",
        "echo: said",
        "calculate = 2.",
        "echo: said",
    ]


async def test_calls_of_one_reply_can_be_told_apart() -> None:
    (reply, *_) = await turn('call echo {"text": "a"}\ncall echo {"text": "b"}', {})
    first, second = reply.calls
    assert isinstance(first, RequestedCall)
    assert first.provider_call_id != second.provider_call_id


async def test_a_sentence_that_begins_with_call_is_no_script() -> None:
    assert await asked("call me tomorrow") == []
    assert await asked("Call echo") == []
    assert await asked("call nope") == [("nope", "{}")]


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ("Thanks for your help!", "You are welcome!"),
        ("thank you", "You are welcome!"),
        ("Tell me a story", WHAT_IT_IS),
        ("", WHAT_IT_IS),
        ("Hello, tell me all about the history of the Roman empire", WHAT_IT_IS),
    ],
)
async def test_small_talk_has_fixed_answers(said: str, text: str) -> None:
    assert (await OfflineModel().complete(request(UserText(said)))).text == text


async def test_it_says_that_it_is_no_language_model_and_how_to_have_one() -> None:
    hello = await OfflineModel().complete(request(UserText("Hello!")))
    assert "not a language model" in hello.text
    for word in ("not a language model", "--model anthropic/", "ANTHROPIC_API_KEY", "MODEL_NAME"):
        assert word in WHAT_IT_IS


async def test_only_what_came_after_the_last_user_text_is_reported() -> None:
    earlier: tuple[RequestMessage, ...] = (
        UserText("What is 1 + 1?"),
        AssistantReply("", (AskedCall("c", "calculate", '{"expression": "1 + 1"}'),)),
        ToolAnswer("c", "calculate", "2"),
    )
    reply = await OfflineModel().complete(request(*earlier, UserText("thanks")))
    assert reply.text == "You are welcome!"


async def test_it_streams_word_by_word_and_the_pieces_are_the_text() -> None:
    pieces: list[Delta] = []
    reply = await OfflineModel().complete(request(UserText("who?")), on_delta=pieces.append)
    assert "".join(piece.text for piece in pieces) == reply.text == WHAT_IT_IS
    assert {piece.kind for piece in pieces} == {"text"}
    assert all(len(piece.text.split()) == 1 for piece in pieces)


async def test_words_are_its_tokens_and_it_costs_nothing() -> None:
    reply = await OfflineModel().complete(request(UserText("one two three")))
    assert reply.usage is not None
    assert reply.usage.input_tokens == 6
    assert reply.usage.output_tokens == len(WHAT_IT_IS.split())
    assert (reply.model, reply.cost_usd) == ("offline", Decimal(0))
    (attempt,) = reply.attempts
    assert (attempt.model, attempt.kind, attempt.elapsed_ms) == ("offline", "answered", 0)


_text = st.text(max_size=30)
_json_text = st.sampled_from(["{}", '{"expression": "1"}', '{"expression": 1}', "[]", "{", ""])
_messages: st.SearchStrategy[Any] = st.one_of(
    st.builds(UserText, _text | st.just("call echo {}\nthen\ncall echo {}\nthen\ncall x {}")),
    st.builds(
        lambda text, calls: AssistantReply(text, tuple(calls)),
        _text,
        st.lists(st.builds(AskedCall, _text, st.sampled_from(OFFERED), _json_text), max_size=2),
    ),
    st.builds(ToolAnswer, _text, _text, _text),
)


@given(st.lists(_messages, max_size=8))
@settings(deadline=None)
async def test_any_request_has_the_same_answer_twice(messages: list[RequestMessage]) -> None:
    first = await OfflineModel().complete(request(*messages))
    assert first == await OfflineModel().complete(request(*messages))
    assert bool(first.text) != bool(first.calls)


async def test_it_ends_even_where_every_round_is_repeated_to_it() -> None:
    rounds = "\nthen\n".join(['call echo {"text": "again"}'] * 20)
    assert len(await turn(rounds, {"echo": "again"})) == 21


def test_a_scripted_call_and_an_offline_call_are_the_same_kind_of_value() -> None:
    assert call("echo", text="a") == RequestedCall(None, "echo", '{"text": "a"}')
