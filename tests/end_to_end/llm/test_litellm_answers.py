"""Answers of a provider, through real litellm, as replies."""

import asyncio
import gc
import json
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from messagedb_agent.events.request import (
    AskedCall,
    AssistantReply,
    CallFailure,
    Reply,
    RequestedCall,
    ToolAnswer,
    UserText,
)
from messagedb_agent.events.values import Price, Usage
from messagedb_agent.llm.litellm_library import close_connections, load
from messagedb_agent.llm.model import LanguageModel
from tests.contract.model_contract import Behaviour, ModelContract
from tests.end_to_end.llm.asking import BOTH_FORMS, BOTH_WAYS, Asker, request
from tests.model_server import Answer, Body, Call, Fail, ModelServer, Say


@BOTH_FORMS
class TestLitellmKeepsTheContract(ModelContract):
    """The suite that every model passes, in both forms."""

    @pytest.fixture
    def behaviour(self, form: str, server: ModelServer) -> Behaviour:
        asker = Asker(server, form)
        asked = (Call("add", '{"a": 1}', "c1"), Call("add", '{"a": 2}', "c2"))
        scripts: dict[str, Answer] = {
            "text": Say("héllo wörld"),
            "calls": Say("", asked),
            "failure": Fail(400, "no"),
        }

        def build(*wanted: str) -> LanguageModel:
            server.then(*(scripts[each] for each in wanted))
            return asker.model()

        return Behaviour(build, lambda *, calls=False: request())


@BOTH_FORMS
@BOTH_WAYS
async def test_a_text_comes_back_with_all_that_is_known_of_it(
    server: ModelServer, form: str, streamed: bool
) -> None:
    server.then(Say("héllo wörld", usage=(11, 7)))
    asker = Asker(server, form, streamed)
    reply = await asker.reply()
    (attempt,) = reply.attempts
    assert (reply.text, reply.finish_reason, reply.calls) == ("héllo wörld", "stop", ())
    assert reply.model == "scripted-1"
    assert reply.usage == Usage(input_tokens=11, output_tokens=7)
    assert (attempt.kind, attempt.usage, attempt.waited_ms) == ("answered", None, 0)
    assert asker.shown() == ("héllo wörld" if streamed else "")
    assert [bool(sent.body.get("stream")) for sent in server.requests] == [streamed]


@BOTH_FORMS
@BOTH_WAYS
async def test_parallel_calls_come_in_their_order(
    server: ModelServer, form: str, streamed: bool
) -> None:
    calls = [Call("add", json.dumps({"a": n}), f"call_{n}") for n in range(3)]
    server.then(Say("Let me see.", (*calls, Call("nosuch", "{}", "call_9"))))
    reply = await Asker(server, form, streamed).reply()
    assert [(call.provider_call_id, call.name) for call in reply.calls] == [
        *((f"call_{n}", "add") for n in range(3)),
        ("call_9", "nosuch"),
    ]
    assert [json.loads(call.arguments) for call in reply.calls[:3]] == [{"a": n} for n in range(3)]
    assert (reply.text, reply.finish_reason) == ("Let me see.", "tool_calls")


@BOTH_WAYS
@pytest.mark.parametrize("written", ['{"a":  1}', '{"a": ', "not JSON", "", "[1]", '"\\ud800"'])
async def test_arguments_stay_as_the_model_wrote_them(
    server: ModelServer, streamed: bool, written: str
) -> None:
    server.then(Say("", (Call("add", written),)))
    reply = await Asker(server, "openai", streamed).reply()
    assert reply.calls == (RequestedCall("call_1", "add", written),)


@BOTH_WAYS
async def test_calls_without_a_name_or_an_id_and_with_object_arguments_are_passed_on(
    server: ModelServer, streamed: bool
) -> None:
    odd = (Call("add", {"a": 1}, None), Call("add", None, "c2"), Call(None, "{}", "c3"))
    server.then(Say("", odd))
    reply = await Asker(server, "openai", streamed).reply()
    assert [(call.name, call.arguments) for call in reply.calls] == [
        ("add", '{"a": 1}'),
        ("add", ""),
        ("", "{}"),
    ]


async def test_calls_that_all_have_the_same_index_are_told_apart_by_id(
    server: ModelServer,
) -> None:
    def event(delta: dict[str, Any], finish: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return f"data: {json.dumps({'id': 'x', 'choices': [choice]})}\n\n"

    def call(call_id: str, arguments: str) -> str:
        function = {"name": "add", "arguments": arguments}
        return event({"tool_calls": [{"index": 0, "id": call_id, "function": function}]})

    events = call("c1", '{"a": 1}') + call("c2", '{"a": 2}') + event({}, "tool_calls")
    server.then(Body(f"{events}data: [DONE]\n\n".encode(), content_type="text/event-stream"))
    reply = await Asker(server, "openai", streamed=True).reply()
    assert [call.arguments for call in reply.calls] == ['{"a": 1}', '{"a": 2}']


@BOTH_FORMS
@pytest.mark.parametrize("write", [2, 7])
async def test_a_stream_may_be_split_anywhere(server: ModelServer, form: str, write: int) -> None:
    text, said = "zażółć 😀", {"text": 'jaźń "😀" {}'}
    arguments = json.dumps(said, ensure_ascii=False)
    server.then(Say(text, (Call("add", arguments),), reasoning="hm 😀", piece=2, write=write))
    asker = Asker(server, form, streamed=True)
    reply = await asker.reply()
    assert (reply.text, asker.shown()) == (text, text)
    assert (reply.reasoning, asker.shown("reasoning")) == ("hm 😀", "hm 😀")
    assert [json.loads(call.arguments) for call in reply.calls] == [said]


@BOTH_FORMS
@BOTH_WAYS
async def test_an_answer_that_met_its_length_is_returned_with_its_calls(
    server: ModelServer, form: str, streamed: bool
) -> None:
    server.then(Say("so far", (Call("add", '{"a": 1}'),), finish="length"))
    reply = await Asker(server, form, streamed).reply()
    assert (reply.text, reply.finish_reason, len(reply.calls)) == ("so far", "length", 1)


@BOTH_WAYS
async def test_two_hundred_calls_and_a_megabyte_of_text_come_whole(
    server: ModelServer, streamed: bool
) -> None:
    text = "word " * 200_000
    server.then(Say(text, tuple(Call("add", id=f"c{n}") for n in range(200)), piece=9_000))
    reply = await Asker(server, "openai", streamed).reply()
    assert reply.text == text
    assert [call.provider_call_id for call in reply.calls] == [f"c{n}" for n in range(200)]


async def test_a_text_that_repeats_itself_is_not_broken_off(server: ModelServer) -> None:
    server.then(Say("----" * 300, piece=4))
    reply = await Asker(server, "openai", streamed=True).reply()
    assert reply.text == "----" * 300


WRONG_USAGE = [
    "lots",
    {"prompt_tokens": "many", "completion_tokens": None, "total_tokens": [1]},
    {"prompt_tokens": -5, "completion_tokens": 3.5},
    {"input_tokens": "many", "output_tokens": {}},
]


@BOTH_FORMS
@BOTH_WAYS
@pytest.mark.parametrize("usage", WRONG_USAGE, ids=str)
async def test_usage_of_the_wrong_type_does_not_cost_the_answer(
    server: ModelServer, form: str, streamed: bool, usage: Any
) -> None:
    server.then(Say("fine", usage=usage), Say("fine", usage=usage))
    outcome = await Asker(server, form, streamed)()
    if form == "anthropic" and usage == "lots":
        assert isinstance(outcome, CallFailure)  # litellm reads it before any of the text
        return
    assert isinstance(outcome, Reply)
    assert (outcome.text, outcome.usage) == ("fine", None)
    # What litellm cannot read whole is asked for again as a stream.
    assert server.requests[-1].body.get("stream") or len(server.requests) == 1


@BOTH_FORMS
@BOTH_WAYS
async def test_usage_that_the_provider_does_not_give_is_unknown(
    server: ModelServer, form: str, streamed: bool
) -> None:
    server.then(Say("some words that could be counted", usage=None))
    reply = await Asker(server, form, streamed).reply()
    assert (reply.usage, reply.cost_usd, reply.price) == (None, None, None)


def price(**dollars: str) -> Price:
    return Price(**{kind: Decimal(value) for kind, value in dollars.items()})


PRICED = [
    (
        "openai",
        "openai/gpt-4o",
        {
            "prompt_tokens": 1000,
            "completion_tokens": 10,
            "total_tokens": 1010,
            "prompt_tokens_details": {"cached_tokens": 800},
        },
        Usage(input_tokens=1000, output_tokens=10, cached_input_tokens=800),
        "0.0016",
        price(input_usd="2.5", output_usd="10", cached_input_usd="1.25"),
    ),
    (
        "anthropic",
        "anthropic/claude-haiku-4-5",
        {
            "input_tokens": 100,
            "output_tokens": 10,
            "cache_read_input_tokens": 800,
            "cache_creation_input_tokens": 100,
        },
        Usage(input_tokens=1000, output_tokens=10, cached_input_tokens=800, cache_write_tokens=100),
        "0.000355",
        price(input_usd="1", output_usd="5", cached_input_usd="0.1", cache_write_usd="1.25"),
    ),
]


@BOTH_WAYS
@pytest.mark.parametrize(("form", "name", "sent", "usage", "cost", "listed"), PRICED)
async def test_cost_and_price_are_exact_decimals(
    server: ModelServer,
    streamed: bool,
    form: str,
    name: str,
    sent: object,
    usage: Usage,
    cost: str,
    listed: Price,
) -> None:
    server.then(Say("ok", usage=sent))
    reply = await Asker(server, form, streamed, name=name).reply()
    assert reply.usage == usage
    assert reply.cost_usd == Decimal(cost)
    assert str(reply.cost_usd) == cost
    assert reply.price == listed


@BOTH_WAYS
@pytest.mark.parametrize(
    ("told", "cost"),
    [(0.25, "0.25"), (0, "0"), (-0.25, "0.000125"), ("free", "0.000125"), (True, "0.000125")],
)
async def test_a_cost_that_a_gateway_gives_counts_unless_it_cannot_be_one(
    server: ModelServer, streamed: bool, told: object, cost: str
) -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 20, "cost": told}
    server.then(Say("ok", usage=usage))
    reply = await Asker(server, "openai", streamed, name="openai/gpt-4o").reply()
    assert reply.cost_usd == Decimal(cost)  # of the price list where the gateway's is no cost


async def test_a_price_that_cannot_be_one_makes_no_cost(server: ModelServer) -> None:
    litellm = load()
    prices = {"input_cost_per_token": -1.0, "output_cost_per_token": 0.000001}
    litellm.register_model({"openai/refunds": {**prices, "litellm_provider": "openai"}})
    server.then(Say("ok", usage=(10, 10)))
    reply = await Asker(server, "openai", name="openai/refunds").reply()
    assert (reply.cost_usd, reply.price) == (None, price(output_usd="1"))


CONVERSATION = (
    UserText("add them"),
    AssistantReply(
        "Adding.",
        (AskedCall("aa_0", "add", '{"a": 1}'), AskedCall("aa_1", "add", '{"a": 2}')),
    ),
    ToolAnswer("aa_0", "add", "1"),
    ToolAnswer("aa_1", "add", "it failed: no such number"),
    AssistantReply("", (AskedCall("bb_0", "gone", "{}"),)),
    ToolAnswer("bb_0", "gone", ""),
    UserText("a note that came meanwhile"),
    AssistantReply("Three."),
    UserText("thanks"),
    UserText("and more?"),
)


@BOTH_FORMS
@BOTH_WAYS
@pytest.mark.parametrize("offered", [True, False], ids=["with tools", "without tools"])
async def test_a_conversation_of_several_rounds_satisfies_a_strict_provider(
    server: ModelServer, form: str, streamed: bool, offered: bool
) -> None:
    server.then(Say("fine"))
    asked = request(*CONVERSATION) if offered else request(*CONVERSATION, tools=())
    assert (await Asker(server, form, streamed).reply(asked)).text == "fine"
    (sent,) = server.requests
    assert server.refusals == []
    assert "it failed: no such number" in json.dumps(sent.body["messages"])


async def test_the_request_says_what_it_was_given_to_say(server: ModelServer) -> None:
    server.then(Say("fine"))
    extra = '{"tool_choice": "required", "seed": 7}'
    await Asker(server, "openai").reply(request(top_p=Decimal("0.9"), extra=extra))
    (sent,) = server.requests
    assert sent.headers["authorization"].startswith("Bearer ")
    assert sent.body["messages"] == [
        {"role": "system", "content": "You are a test."},
        {"role": "user", "content": "hello"},
    ]
    said = {key: sent.body[key] for key in ("model", "temperature", "top_p", "max_tokens", "seed")}
    assert said == {
        "model": "scripted",
        "temperature": 0.2,
        "top_p": 0.9,
        "max_tokens": 100,
        "seed": 7,
    }
    assert sent.body["tool_choice"] == "required"
    assert sent.body["tools"][0]["function"] == {
        "name": "add",
        "description": "Adds numbers.",
        "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}},
    }


async def test_an_empty_system_prompt_and_an_empty_toolbox_are_not_sent(
    server: ModelServer,
) -> None:
    server.then(Say("fine"))
    asker = Asker(server, "openai")
    bare = request(tools=(), temperature=None, max_tokens=None)
    await asker.reply(type(bare)("m", "", bare.messages, parameters=bare.parameters))
    (sent,) = server.requests
    assert sent.body == {"model": "scripted", "messages": [{"role": "user", "content": "hello"}]}


@BOTH_WAYS
async def test_signed_reasoning_is_given_back_to_its_own_family_and_to_no_other(
    server: ModelServer, streamed: bool
) -> None:
    server.then(Say("", (Call("add", '{"a": 1}'),), reasoning="I think.", signature="sig=="))
    first = await Asker(server, "anthropic", streamed).reply()
    assert first.reasoning == "I think."
    later = request(
        UserText("go"),
        AssistantReply("", (AskedCall("aa_0", "add", '{"a": 1}'),), first.provider_blocks),
        ToolAnswer("aa_0", "add", "1"),
    )
    server.then(Say("done"), Say("done"))
    await Asker(server, "anthropic", streamed).reply(later)
    await Asker(server, "openai", streamed).reply(later)
    to_claude, to_another = server.requests[1:]
    assert to_claude.body["messages"][1]["content"][0] == {
        "type": "thinking",
        "thinking": "I think.",
        "signature": "sig==",
    }
    assert "sig==" not in json.dumps(to_another.body)
    assert server.refusals == []


@BOTH_FORMS
@BOTH_WAYS
async def test_connections_are_closed_and_opened_again(
    server: ModelServer, form: str, streamed: bool
) -> None:
    def open_sessions() -> list[object]:
        """Sessions of this loop that are open, whoever holds them."""
        loop = asyncio.get_running_loop()
        sessions = (each for each in gc.get_objects() if type(each) is aiohttp.ClientSession)
        return [each for each in sessions if each._loop is loop and not each.closed]

    async def on_another_loop() -> None:
        await asker.reply()
        await close_connections()

    server.then(Say("zero"), Say("one"), Say("two"))
    asker = Asker(server, form, streamed)
    await asyncio.to_thread(asyncio.run, on_another_loop())
    assert (await asker.reply()).text == "one"
    assert open_sessions()
    await close_connections()
    assert not open_sessions()
    assert (await asker.reply()).text == "two"
