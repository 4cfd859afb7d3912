"""Keys that are given to `connect`: they reach the provider, and nothing else ever shows them."""

import logging
import traceback

import pytest

from messagedb_agent import Agent, MemoryStore, Provider, connect
from messagedb_agent.errors import ConfigurationError, ModelError, ValidationError
from messagedb_agent.llm.litellm_library import load_in_thread
from tests.end_to_end.llm.asking import BOTH_FORMS, NAMES
from tests.model_server import Fail, ModelServer, Say

KEY = "canary-0123456789abcdef"


def providers(server: ModelServer, form: str) -> dict[str, Provider]:
    base = server.url + ("/v1" if form == "openai" else "")
    return {form: Provider(api_key=KEY, api_base=base), "groq": Provider(api_key=KEY[::-1])}


@BOTH_FORMS
async def test_a_given_key_reaches_its_provider_and_stands_nowhere_else(
    server: ModelServer, form: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("LiteLLM", "httpx", "httpcore", "openai", "aiohttp"):
        caplog.set_level(logging.DEBUG, logger=name)
    server.then(
        Say("Hello."),
        Fail(401, f"wrong key {KEY}, and so is {KEY[::-1]}"),
        Fail(400, f"no model for {KEY}"),
    )
    store = MemoryStore()
    async with connect(store, tools=(), providers=providers(server, form)) as engine:
        agent = await engine.create_agent(model=NAMES[form])
        agent = await agent.advance("hi")
        assert agent.answer == "Hello."
        errors = [await failure(agent), await failure(agent)]
        rows = [repr(row) async for row in engine.all_messages()]
        shown = repr((engine, vars(engine), agent, agent.view))
    sent = [dict(request.headers) for request in server.requests]
    assert [KEY in repr(headers) for headers in sent] == [True, True, True]
    assert ["***" in str(error) for error in errors] == [True, True], errors
    lines = [f"{record.getMessage()} {record.args}" for record in caplog.records]
    told = ["".join(traceback.format_exception(error)) for error in errors]
    for text in (*rows, shown, *map(repr, errors), *told, *lines, caplog.text):
        assert KEY not in text
        assert KEY[::-1] not in text
    assert len(rows) > 8


async def failure(agent: Agent) -> ModelError:
    with pytest.raises(ModelError) as failed:
        await agent.advance("again", at_head=True)
    return failed.value


async def test_a_provider_that_nobody_knows_is_refused_when_connecting() -> None:
    with pytest.raises(ValidationError, match="'opnai'") as refused:
        await connect(MemoryStore(), providers={"opnai": Provider(api_key=KEY)})
    assert refused.value.field == "providers"


@pytest.mark.parametrize("name", ["huggingface", "azure", "bedrock_mantle"])
async def test_a_provider_that_litellm_alone_knows_may_be_given(name: str) -> None:
    async with connect(MemoryStore(), providers={name: Provider(api_key=KEY)}):
        pass


async def test_a_given_key_opens_what_litellm_finds_for_a_bare_name() -> None:
    litellm = await load_in_thread()
    name = next(iter(litellm.cohere_chat_models))
    settings = {"cohere_chat": Provider(api_key=KEY), "cohere": Provider(api_key=KEY)}
    async with connect(MemoryStore(), tools=(), providers=settings) as engine:
        model = engine.models(name)
        assert KEY in repr(model._model._target.options)  # type: ignore[attr-defined]  # its inside


async def test_without_a_key_bedrock_needs_credentials_and_with_one_it_does_not() -> None:
    region = Provider(region="eu-central-1")
    async with connect(MemoryStore(), providers={"bedrock": region}) as engine:
        with pytest.raises(ConfigurationError, match="AWS_ACCESS_KEY_ID"):
            engine.models("bedrock/anthropic.claude-x")
    given = Provider(api_key=KEY, region="eu-central-1")
    async with connect(MemoryStore(), providers={"bedrock": given}) as engine:
        engine.models("bedrock/anthropic.claude-x")
