"""The scripted model says its script, keeps what it was asked, and fails when it runs out."""

from decimal import Decimal

import pytest

from messagedb_agent.events.request import (
    CallFailure,
    Delta,
    Reply,
    Request,
    RequestedCall,
    UserText,
)
from messagedb_agent.llm.model import LanguageModel
from messagedb_agent.llm.scripted import OutOfAnswers, ScriptedModel, call, say


def request(said: str = "hello there") -> Request:
    return Request("test/model", "", (UserText(said),))


async def test_answers_come_in_order_in_every_form() -> None:
    own = Reply(model="m", text="own", finish_reason="length")
    failure = CallFailure("rate_limited", "slow down")
    model = ScriptedModel(
        "a text",
        call("one"),
        (call("one", a=1), call("two")),
        say("look:", call("one")),
        say("just this"),
        own,
        failure,
        lambda asked: f"you asked {asked.model}",
    )
    replies = [await model.complete(request()) for _ in range(8)]
    shown = [
        (reply.text, tuple(asked.name for asked in reply.calls), reply.finish_reason)
        for reply in replies[:5]
        if isinstance(reply, Reply)
    ]
    assert shown == [
        ("a text", (), "stop"),
        ("", ("one",), "tool_calls"),
        ("", ("one", "two"), "tool_calls"),
        ("look:", ("one",), "tool_calls"),
        ("just this", (), "stop"),
    ]
    assert replies[5] is own
    assert replies[6] is failure
    assert isinstance(replies[7], Reply)
    assert replies[7].text == "you asked test/model"


async def test_a_function_may_be_asynchronous() -> None:
    async def answer(asked: Request) -> RequestedCall:
        return call("echo", text=asked.model)

    reply = await ScriptedModel(answer).complete(request())
    assert isinstance(reply, Reply)
    assert reply.calls == (RequestedCall(None, "echo", '{"text": "test/model"}'),)


async def test_it_keeps_every_request() -> None:
    model = ScriptedModel("a", "b")
    await model.complete(request("one"))
    await model.complete(request("two"))
    assert model.requests == [request("one"), request("two")]


async def test_running_out_fails_the_test_and_says_where() -> None:
    model: LanguageModel = ScriptedModel("only")
    await model.complete(request())
    with pytest.raises(
        OutOfAnswers, match="1 answers, and this is request 2; the user said last: 'hello there'"
    ) as caught:
        await model.complete(request())
    assert isinstance(caught.value, AssertionError)
    with pytest.raises(OutOfAnswers, match="0 answers"):
        await ScriptedModel(repeat=True).complete(Request("m", "", ()))


async def test_a_script_that_repeats_begins_again() -> None:
    model = ScriptedModel("a", "b", repeat=True)
    replies = [await model.complete(request()) for _ in range(5)]
    assert "".join(reply.text for reply in replies if isinstance(reply, Reply)) == "ababa"


async def test_text_is_streamed_and_calls_and_failures_are_not() -> None:
    pieces: list[Delta] = []
    model = ScriptedModel(" two words ", call("x"), CallFailure("empty", "nothing"))
    for _ in range(3):
        await model.complete(request(), on_delta=pieces.append)
    assert [piece.text for piece in pieces] == [" two", " words", " "]


async def test_a_reply_of_ours_counts_words_and_costs_nothing() -> None:
    reply = await ScriptedModel("three short words").complete(request())
    assert isinstance(reply, Reply)
    assert reply.usage is not None
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (2, 3)
    assert (reply.model, reply.cost_usd) == ("test/model", Decimal(0))
    assert [attempt.kind for attempt in reply.attempts] == ["answered"]


def test_an_argument_may_be_called_name() -> None:
    assert call("greet", name="x").arguments == '{"name": "x"}'
