"""What a caller says of providers: what it may be, and that nobody is shown it."""

from dataclasses import replace
from typing import Any

import pytest

from messagedb_agent import MemoryStore, Provider, connect
from messagedb_agent.agents.database import Database
from messagedb_agent.errors import ConfigurationError, ValidationError
from messagedb_agent.llm.litellm_model import Target
from messagedb_agent.llm.resolve import ModelSettings, _target, check

KEY = "letmein-0123456789abcdef"
BASE = f"http://me:{KEY}@127.0.0.1:1/v1"


def target(name: str, **providers: Provider) -> Target:
    settings = ModelSettings(environ={"OPENAI_API_KEY": "from-the-environment"})
    return _target(name, replace(settings, providers=providers))


def test_a_key_that_is_given_goes_before_the_environment() -> None:
    assert target("openai/x").options == {"api_key": "from-the-environment"}
    assert target("openai/x", openai=Provider(api_key=KEY)).options == {"api_key": KEY}
    assert target("openai/x", groq=Provider(api_key=KEY)).options["api_key"] != KEY


def test_what_is_not_given_comes_from_the_environment() -> None:
    given = Provider(api_base="http://127.0.0.1:1/v1")
    assert target("openai/x", openai=given).options == {
        "api_base": "http://127.0.0.1:1/v1",
        "api_key": "from-the-environment",
    }
    assert target("ollama/x", ollama=given).options["api_key"] == "none"


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("bedrock/anthropic.claude-x", "aws_region_name"),
        ("sagemaker/x", "aws_region_name"),
        ("vertex_ai/gemini-x", "vertex_location"),
    ],
)
def test_a_region_is_called_as_litellm_calls_it(name: str, option: str) -> None:
    given = {name.partition("/")[0]: Provider(region="eu-central-1")}
    assert target(name, **given).options == {option: "eu-central-1"}


def test_a_key_that_is_given_is_missing_no_more() -> None:
    with pytest.raises(ConfigurationError, match="ANTHROPIC_API_KEY"):
        check("claude-x", ModelSettings())
    check("claude-x", ModelSettings(providers={"anthropic": Provider(api_key=KEY)}))


def test_every_key_is_kept_out_of_the_messages_of_all_models() -> None:
    given = {"openai": Provider(api_key=KEY), "groq": Provider(api_key="another-key")}
    assert target("openai/x", **given).secrets == (KEY, "from-the-environment", "another-key")


def test_no_text_of_what_holds_a_key_shows_it() -> None:
    provider = Provider(api_key=KEY, api_base=BASE, region="eu")
    settings = ModelSettings(providers={"bedrock": provider})
    made = connect(MemoryStore(), providers={"bedrock": provider})
    shown = [provider, settings, made, vars(made), _target("bedrock/x", settings)]
    assert repr(provider) == "Provider(region='eu')"
    assert [text for text in map(repr, shown) if KEY in text] == []


@pytest.mark.parametrize(
    "given",
    [
        {"api_key": ""},
        {"api_key": f" {KEY}"},
        {"api_key": KEY.encode()},
        {"api_base": KEY},
        {"api_base": f"ftp://{KEY}/"},
        {"api_base": f"http://{KEY}:x/"},
        {"region": ""},
    ],
)
def test_what_is_no_key_address_or_region_is_refused_unseen(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as refused:
        Provider(**given)
    assert refused.value.field == next(iter(given))
    assert KEY not in repr(refused.value)


@pytest.mark.parametrize(
    "given",
    [
        {"openai": KEY},
        {"openai": None},
        {"": Provider()},
        {3: Provider()},
        {"openai/gpt-x": Provider()},
        {"openai": Provider(region="eu")},
        {"vertex_ai": Provider(api_key=KEY)},
        [("openai", Provider())],
    ],
)
def test_what_cannot_be_meant_of_a_provider_is_refused_at_once_and_unseen(given: Any) -> None:
    with pytest.raises(ValidationError) as refused:
        connect(MemoryStore(), providers=given)
    assert refused.value.field == "providers"
    assert KEY not in repr(refused.value)


def test_providers_are_not_for_models_of_the_callers_own() -> None:
    with pytest.raises(ValidationError) as refused:
        connect(MemoryStore(), models=lambda name: None, providers={})  # type: ignore[arg-type]  # never asked
    assert refused.value.field == "providers"


@pytest.mark.parametrize(
    ("bounds", "field"),
    [
        ({"max_size": 0}, "max_size"),
        ({"max_size": 2.0}, "max_size"),
        ({"min_size": -1}, "min_size"),
        ({"min_size": 11}, "min_size"),
        ({"min_size": True}, "min_size"),
        ({"max_size": 1}, "min_size"),
        ({"max_inactive_connection_lifetime": 0}, "max_inactive_connection_lifetime"),
        ({"max_inactive_connection_lifetime": "5"}, "max_inactive_connection_lifetime"),
        ({"max_inactive_connection_lifetime": float("nan")}, "max_inactive_connection_lifetime"),
        ({"max_inactive_connection_lifetime": float("inf")}, "max_inactive_connection_lifetime"),
    ],
)
def test_bounds_on_connections_that_are_none_are_refused_at_once(
    bounds: dict[str, Any], field: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        connect(**bounds)
    assert refused.value.field == field
    if "max_inactive_connection_lifetime" not in bounds:
        with pytest.raises(ValidationError):
            Database(**{"min_size": 2, **bounds})
