"""An output as providers are asked for it: in their own form, where that leaves tools alone."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from messagedb_agent import MemoryStore, Provider, connect
from messagedb_agent.events.codec import decode
from messagedb_agent.events.request import Request
from messagedb_agent.events.schema import LlmResponseReceived
from messagedb_agent.events.values import ToolSpec
from messagedb_agent.projections.explanation import asking as asked_by
from messagedb_agent.projections.explanation import explained
from tests.end_to_end.llm.asking import ADD, BOTH_WAYS, KEY, Asker, Sleeps, request
from tests.model_server import Body, Fail, ModelServer, Say

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


# In the words of providers.
REFUSALS = {
    "openai": "Invalid schema for response_format 'answer': In context=(), it is recursive.",
    "anthropic": "output_format.schema: Recursive definitions are not supported",
}
MODELS = {"openai": "openai/gpt-4o", "anthropic": "anthropic/claude-haiku-4-5"}
CHAIN = {
    "type": "object",
    "properties": {"next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}},
    "required": ["next"],
}
FORMS = pytest.mark.parametrize("form", ["openai", "anthropic"])


@FORMS
@BOTH_WAYS
async def test_a_provider_that_refuses_the_schema_is_asked_again_without_it(
    server: ModelServer, form: str, streamed: bool
) -> None:
    server.then(Fail(400, REFUSALS[form]), Say('{"next": null}'))
    sleeps = Sleeps()
    asker = Asker(server, form, streamed, MODELS[form], sleeps=sleeps)
    asked = replace(request(tools=(), max_retries=0), output_schema=json.dumps(CHAIN))
    reply = await asker.reply(asked)
    assert reply.text == '{"next": null}'
    assert asker.shown() == ('{"next": null}' if streamed else "")
    assert [attempt.kind for attempt in reply.attempts] == ["bad_request", "answered"]
    assert sum(sleeps.seconds) == 0
    first, second = (_without_form(sent.body) for sent in server.requests)
    assert first[0] == second[0]
    assert first[1]
    assert not second[1]


def _without_form(body: Mapping[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return what is sent beside the form of the answer, and the form."""
    names = {"response_format", "output_format", "output_config"} & body.keys()
    rest = {name: value for name, value in body.items() if name not in names}
    return rest, {name: body[name] for name in names}


@pytest.mark.parametrize(
    ("answers", "kinds"),
    [
        ((Fail(400, "temperature is out of range"),), ["bad_request"]),
        ((Fail(400, "no such schema"), Fail(400, "nor this schema")), ["bad_request"] * 2),
        ((Fail(401, "no key for a schema"),), ["authentication"]),
    ],
)
async def test_it_is_asked_again_once_and_for_the_schema_alone(
    server: ModelServer, answers: tuple[Fail, ...], kinds: list[str]
) -> None:
    server.then(*answers)
    failure = await Asker(server, name="openai/gpt-4o").failure(asking())
    assert [attempt.kind for attempt in failure.attempts] == kinds
    assert len(server.requests) == len(kinds)


async def test_a_schema_that_was_not_sent_is_not_what_was_refused(server: ModelServer) -> None:
    server.then(Fail(400, "tools.0.custom.input_schema: not supported"))
    failure = await Asker(server, name="openai/scripted").failure(asking())
    assert len(failure.attempts) == 1


@FORMS
async def test_the_log_of_a_refused_schema_holds(server: ModelServer, form: str) -> None:
    """What a request is, and its digest, does not depend on how a provider was given it."""
    for answer in ('{"next": {}}', '{"next": {"next": null}}'):
        server.then(Fail(400, REFUSALS[form]), Say(answer))
    base = server.url + ("/v1" if form == "openai" else "")
    providers = {form: Provider(api_key=KEY, api_base=base)}
    async with connect(MemoryStore(), tools=(), providers=providers) as engine:
        agent = await engine.create_agent(model=MODELS[form])
        agent = await agent.advance("What is next?", output=CHAIN)
        assert agent.output == {"next": {"next": None}}
        assert (await engine.verify(agent.thread_id)).finding is None
        events = [decode(row).recorded.event async for row in engine.all_messages()]
        claims = (await engine.fold(agent.thread_id, asked_by)).claims
        for claim in claims:
            at = claim.event.context_position
            found = explained(claim, await engine.fold(agent.thread_id, asked_by, at=at))
            assert found is not None
            assert found.is_recorded
            assert found.request.output_schema == json.dumps(CHAIN)
    replies = [event for event in events if isinstance(event, LlmResponseReceived)]
    kinds = [[attempt.kind for attempt in reply.attempts] for reply in replies]
    assert kinds == [["bad_request", "answered"]] * len(claims) == [["bad_request", "answered"]] * 2
