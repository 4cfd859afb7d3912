"""Which model a name means, and what is found missing before anything is asked."""

import json
from pathlib import Path

import pytest

from messagedb_agent.errors import ConfigurationError
from messagedb_agent.llm.litellm_model import LitellmModel
from messagedb_agent.llm.offline import OfflineModel
from messagedb_agent.llm.providers import suggest
from messagedb_agent.llm.resolve import ModelSettings, check, resolve
from messagedb_agent.llm.retrying import Retrying

KEYS = {
    "ANTHROPIC_API_KEY": "key-anthropic",
    "GEMINI_API_KEY": "key-gemini",
    "OPENAI_API_KEY": "key-openai",
    "MISTRAL_API_KEY": "key-mistral",
}


@pytest.fixture
def no_google(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No credentials of Google's anywhere."""
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))


@pytest.fixture
def google(tmp_path: Path) -> dict[str, str]:
    """A file with credentials, of the kind that `gcloud auth application-default login` makes."""
    path = tmp_path / "credentials.json"
    made = {
        "type": "authorized_user",
        "client_id": "id",
        "client_secret": "secret",
        "refresh_token": "token",
    }
    path.write_text(json.dumps(made))
    return {"GOOGLE_APPLICATION_CREDENTIALS": str(path)}


def target(name: str, settings: ModelSettings) -> tuple[str, dict[str, object]]:
    model = resolve(name, settings=settings)
    assert isinstance(model, Retrying)
    attempt = model._model
    assert isinstance(attempt, LitellmModel)
    return attempt._target.name, dict(attempt._target.options)


def test_offline_needs_nothing() -> None:
    assert isinstance(resolve("offline", settings=ModelSettings()), OfflineModel)


@pytest.mark.parametrize(
    ("name", "full_name", "key"),
    [
        ("anthropic/claude-haiku-4-5", "anthropic/claude-haiku-4-5", "key-anthropic"),
        ("claude-haiku-4-5", "anthropic/claude-haiku-4-5", "key-anthropic"),
        ("gemini-2.5-flash", "gemini/gemini-2.5-flash", "key-gemini"),
        ("gpt-5-mini", "openai/gpt-5-mini", "key-openai"),
        ("o3-mini", "openai/o3-mini", "key-openai"),
        ("o3", "openai/o3", "key-openai"),
        ("mistral/mistral-small-latest", "mistral/mistral-small-latest", "key-mistral"),
    ],
)
def test_a_name_means_a_provider_and_its_key(name: str, full_name: str, key: str) -> None:
    assert target(name, ModelSettings(environ=KEYS)) == (full_name, {"api_key": key})


@pytest.mark.parametrize("name", ["claude-haiku-4-5", "gemini-2.5-flash"])
def test_a_bare_name_means_vertex_where_project_and_location_are_set(
    name: str, google: dict[str, str]
) -> None:
    settings = ModelSettings(gcp_project="p", gcp_location="global", environ=KEYS | google)
    assert target(name, settings) == (
        f"vertex_ai/{name}",
        {
            "vertex_project": "p",
            "vertex_location": "global",
            "vertex_credentials": google["GOOGLE_APPLICATION_CREDENTIALS"],
        },
    )


@pytest.mark.parametrize(("project", "location"), [("p", None), (None, "global"), ("p", "")])
def test_half_a_place_on_google_cloud_is_none(project: str | None, location: str | None) -> None:
    settings = ModelSettings(gcp_project=project, gcp_location=location, environ=KEYS)
    assert target("claude-x", settings)[0] == "anthropic/claude-x"


@pytest.mark.usefixtures("no_google")
@pytest.mark.parametrize("name", ["claude-x", "gemini-x", "vertex_ai/claude-x"])
def test_missing_google_credentials_are_found_with_the_command_that_gets_them(name: str) -> None:
    settings = ModelSettings(gcp_project="p", gcp_location="global", environ=KEYS)
    with pytest.raises(ConfigurationError, match="gcloud auth application-default login"):
        check(name, settings)


@pytest.mark.parametrize("content", [None, "", "{}", '{"type": "unheard of"}'])
def test_unusable_google_credentials_are_found_too(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "credentials.json"
    if content is not None:
        path.write_text(content)
    settings = ModelSettings(environ={"GOOGLE_APPLICATION_CREDENTIALS": str(path)})
    with pytest.raises(ConfigurationError, match="gcloud auth application-default login"):
        check("vertex_ai/gemini-x", settings)


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("claude-x", "ANTHROPIC_API_KEY"),
        ("gemini/gemini-x", "GEMINI_API_KEY"),
        ("gpt-4o", "OPENAI_API_KEY"),
        ("groq/x", "GROQ_API_KEY"),
        ("openrouter/a/b", "OPENROUTER_API_KEY"),
    ],
)
@pytest.mark.parametrize("empty", [False, True])
def test_a_missing_key_is_named(name: str, variable: str, empty: bool) -> None:
    settings = ModelSettings(environ={variable: ""} if empty else {})
    with pytest.raises(ConfigurationError, match=variable) as refused:
        check(name, settings)
    assert refused.value.field == variable


@pytest.mark.parametrize("name", ["", " ", "openai/", " claude-x", "claude-x\n"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        check(name, ModelSettings(environ=KEYS))
    assert refused.value.field == "MODEL_NAME"


@pytest.mark.parametrize(
    "provider", ["groq", "Groq", "gemini", "vertex_ai", "ollama", "huggingface"]
)
def test_a_provider_alone_names_no_model(provider: str) -> None:
    settings = ModelSettings(environ=KEYS | {"GROQ_API_KEY": "key", "HUGGINGFACE_API_KEY": "key"})
    with pytest.raises(
        ConfigurationError, match=f"write it as {provider.lower()}/MODEL"
    ) as refused:
        check(provider, settings)
    assert refused.value.field == "MODEL_NAME"


def test_a_server_of_ones_own_may_call_a_model_as_a_provider_is_called() -> None:
    base = "http://127.0.0.1:1/v1"
    assert target("mistral", ModelSettings(api_base=base))[0] == "openai/mistral"


def test_a_server_of_ones_own_is_given_the_key_where_there_is_one() -> None:
    base = "http://127.0.0.1:1/v1"
    settings = ModelSettings(api_base=base, environ=KEYS)
    assert target("openai/x", settings) == ("openai/x", {"api_base": base, "api_key": "key-openai"})
    assert target("ollama_chat/x", ModelSettings(api_base=base))[0] == "ollama_chat/x"


def test_settings_do_not_show_keys() -> None:
    assert "key-openai" not in repr(ModelSettings(environ=KEYS))


@pytest.mark.parametrize(
    ("environ", "suggested"),
    [
        ({}, None),
        ({"OPENAI_API_KEY": ""}, None),
        ({"GROQ_API_KEY": "k"}, None),
        ({"GOOGLE_API_KEY": "k"}, "gemini/gemini-2.5-flash"),
        ({"OPENAI_API_KEY": "k"}, "openai/gpt-5-mini"),
        (KEYS, "anthropic/claude-haiku-4-5"),
    ],
)
def test_a_key_suggests_a_model_that_it_opens(
    environ: dict[str, str], suggested: str | None
) -> None:
    assert suggest(environ) == suggested
    if suggested is not None:
        check(suggested, ModelSettings(environ=environ))
