"""What is missing or wrong here: found before any provider is asked, and never tried again."""

import subprocess
import sys
from pathlib import Path

import pytest

from messagedb_agent.errors import ConfigurationError
from messagedb_agent.events.request import CallFailure, Delta, Reply
from messagedb_agent.llm import litellm_model
from messagedb_agent.llm.litellm_library import load
from messagedb_agent.llm.litellm_model import LitellmModel, Target
from messagedb_agent.llm.providers import PROVIDERS
from messagedb_agent.llm.resolve import ModelSettings, check, resolve
from messagedb_agent.llm.retrying import Retrying
from tests.end_to_end.llm.asking import BOTH_WAYS, Asker, Sleeps, request
from tests.model_server import ModelServer, Say


async def test_a_library_that_is_not_there_is_a_matter_of_configuration(
    server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def missing() -> None:
        raise ImportError("No module named 'litellm'")

    monkeypatch.setattr(litellm_model, "load_in_thread", missing)
    failure = await Asker(server).failure()
    assert (failure.kind, len(failure.attempts)) == ("configuration", 1)
    assert "litellm" in failure.message


@pytest.mark.parametrize("extra", ['{"api_key": "x"}', '{"num_retries": 5}', "[1]", "{"])
async def test_extra_parameters_that_may_not_be_set_are_found_before_asking(
    server: ModelServer, extra: str
) -> None:
    failure = await Asker(server).failure(request(extra=extra))
    assert (failure.kind, len(failure.attempts), server.requests) == ("configuration", 1, [])


@pytest.fixture
def _no_google(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No credentials of Google's: no file, no configuration, no machine of theirs."""
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))


@pytest.mark.usefixtures("_no_google")
@BOTH_WAYS
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("vertex_ai/gemini-2.5-flash", {"vertex_project": "p", "vertex_location": "global"}),
        ("vertex_ai/claude-haiku-4-5", {"vertex_project": "p", "vertex_location": "global"}),
        ("gemini/gemini-2.5-flash", {}),
        ("anthropic/claude-haiku-4-5", {}),
        ("openai/gpt-4o", {}),
        ("nosuch/model", {}),
        ("nosuch", {}),
    ],
)
async def test_what_is_missing_here_is_never_tried_again(
    name: str, options: dict[str, str], streamed: bool
) -> None:
    sleeps = Sleeps()
    model = Retrying(LitellmModel(Target(name, options)), sleep=sleeps)
    listener: list[Delta] = []
    outcome = await model.complete(request(), on_delta=listener.append if streamed else None)
    assert isinstance(outcome, CallFailure)
    assert (outcome.kind, len(outcome.attempts)) == ("configuration", 1)
    assert sleeps.seconds == []


@pytest.mark.parametrize("name", ["nosuch/model", "nosuch", "gpt"])
def test_an_unknown_provider_is_found_before_asking(name: str) -> None:
    with pytest.raises(ConfigurationError, match="no provider is known") as refused:
        check(name, ModelSettings())
    assert refused.value.field == "MODEL_NAME"


def test_providers_that_only_litellm_knows_have_their_keys_named() -> None:
    with pytest.raises(ConfigurationError, match="NVIDIA_NIM_API_KEY"):
        check("nvidia_nim/some-model", ModelSettings())


@pytest.mark.parametrize(
    ("name", "suggestion"), [(p.name, p.suggestion) for p in PROVIDERS if p.suggestion]
)
def test_what_is_suggested_exists(name: str, suggestion: str) -> None:
    assert load().get_model_info(suggestion)["mode"] == "chat"
    assert load().get_llm_provider(suggestion)[1] == name


@pytest.mark.parametrize("name", [p.name for p in PROVIDERS])
def test_the_providers_known_here_are_known_to_litellm(name: str) -> None:
    assert name in load().provider_list


@pytest.mark.parametrize("name", ["scripted", "openai/scripted", "owner/scripted", "claude-x"])
async def test_a_server_of_ones_own_needs_no_key(server: ModelServer, name: str) -> None:
    server.then(Say("hello"))
    base = server.url + ("" if name.startswith("claude") else "/v1")
    model = resolve(name, settings=ModelSettings(api_base=base))
    reply = await model.complete(request())
    assert isinstance(reply, Reply)
    expected = name.removeprefix("openai/")
    assert server.requests[0].body["model"] == expected


def test_litellm_is_imported_only_when_it_is_used() -> None:
    code = (
        "import sys; from messagedb_agent.llm.resolve import ModelSettings, resolve; "
        "settings = ModelSettings(environ={'ANTHROPIC_API_KEY': 'k'}); "
        "resolve('claude-haiku-4-5', settings=settings); "
        "sys.exit('litellm' in sys.modules or 'httpx' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
