"""An output as providers are asked for it: in their own form, where that leaves tools alone."""

import json
from dataclasses import replace
from typing import Any

import pytest

from messagedb_agent.events.request import Request
from messagedb_agent.events.values import ToolSpec
from tests.end_to_end.llm.asking import ADD, BOTH_WAYS, Asker, request
from tests.model_server import Body, ModelServer, Say

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
FORM = {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}}


def asking(*tools: ToolSpec, schema: str = json.dumps(SCHEMA)) -> Request:
    return replace(request(tools=tools), output_schema=schema)


@BOTH_WAYS
@pytest.mark.parametrize(
    ("name", "tools", "form"),
    [
        ("openai/gpt-4o", (), FORM),
        ("openai/gpt-4o", (ADD,), FORM),
        ("openai/scripted", (), None),  # of which nobody knows whether it takes one
        ("openai/scripted", (ADD,), None),
    ],
)
async def test_a_provider_is_given_the_form_where_its_model_takes_one(
    server: ModelServer, name: str, tools: tuple[ToolSpec, ...], form: Any, streamed: bool
) -> None:
    server.then(Say('{"n": 1}'))
    reply = await Asker(server, name=name, streamed=streamed).reply(asking(*tools))
    assert reply.text == '{"n": 1}'
    (sent,) = server.requests
    assert sent.body.get("response_format") == form
    assert len(sent.body.get("tools") or ()) == len(tools)


@pytest.mark.parametrize("tools", [(), (ADD,)], ids=["alone", "with a tool"])
async def test_a_model_of_anthropic_keeps_its_choice_of_tools(
    server: ModelServer, tools: tuple[ToolSpec, ...]
) -> None:
    server.then(Say('{"n": 1}'), Say('{"n": 1}'))
    new = Asker(server, "anthropic", name="anthropic/claude-haiku-4-5")
    old = Asker(server, "anthropic", name="anthropic/claude-3-haiku-20240307")
    for asker in (new, old):
        reply = await asker.reply(asking(*tools))
        assert reply.text == '{"n": 1}'
    natively, in_words = (sent.body for sent in server.requests)
    assert (natively.get("output_format") or natively["output_config"]["format"])["type"] == (
        "json_schema"
    )
    for body in (natively, in_words):
        assert "tool_choice" not in body
        assert len(body.get("tools") or ()) == len(tools)


@pytest.mark.parametrize("schema", ["{", "[]", "null", "7", "{}"])
async def test_a_schema_that_is_none_is_not_sent(server: ModelServer, schema: str) -> None:
    server.then(Say("hello"))
    reply = await Asker(server, name="openai/gpt-4o").reply(asking(schema=schema))
    assert reply.text == "hello"
    assert "response_format" not in server.requests[0].body


async def test_a_refusal_is_what_the_model_has_answered(server: ModelServer) -> None:
    message = {"role": "assistant", "content": None, "refusal": "I would rather not."}
    choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
    answer = {"id": "1", "object": "chat.completion", "created": 1, "model": "m"}
    server.then(Body(json.dumps({**answer, "choices": choices}).encode()))
    reply = await Asker(server, name="openai/gpt-4o").reply(asking())
    assert reply.text == "I would rather not."
