"""Settings: where they come from, what they mean, and what is refused."""

from pathlib import Path
from traceback import format_exception

import pytest

from messagedb_agent.config import Loaded, load
from messagedb_agent.errors import ConfigurationError

EXAMPLE = Path(__file__).parents[2] / ".env.example"


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def loaded(text: str) -> Loaded:
    Path(".env").write_text(text)
    return load()


def refused(text: str) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        loaded(text)
    assert "\n" not in str(caught.value)
    return caught.value


def test_without_anything_set_the_embedded_server_and_the_offline_model_serve() -> None:
    settings = load().settings
    assert settings.database_url is None
    assert settings.model_name is None
    assert (settings.max_iterations, settings.embedded_idle_s) == (100, 600)
    assert (settings.enable_tracing, settings.log_level, settings.log_format) == (False, None, None)
    assert load().sources == {}


def test_arguments_win_over_the_environment_and_that_over_the_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Path(".env").write_text("MODEL_NAME=file\nGCP_PROJECT=file\nGCP_LOCATION=file\n")
    monkeypatch.setenv("MODEL_NAME", "environment")
    monkeypatch.setenv("GCP_PROJECT", "environment")
    found = load(arguments={"MODEL_NAME": "argument"})
    settings = found.settings
    assert (settings.model_name, settings.gcp_project, settings.gcp_location) == (
        "argument",
        "environment",
        "file",
    )
    assert found.sources == {
        "MODEL_NAME": "argument",
        "GCP_PROJECT": "environment",
        "GCP_LOCATION": ".env",
    }


def test_a_file_that_is_named_stands_in_for_the_usual_one() -> None:
    Path(".env").write_text("MODEL_NAME=usual\nGCP_PROJECT=usual\n")
    Path("other").write_text("MODEL_NAME=other\n")
    settings = load(Path("other")).settings
    assert (settings.model_name, settings.gcp_project) == ("other", None)


def test_a_copy_of_the_example_keeps_the_embedded_server() -> None:
    copied = loaded(EXAMPLE.read_text()).settings
    assert copied.database_url is None
    assert copied.model_name is None
    assert copied.model_dump() == load(EXAMPLE).settings.model_dump()


def test_the_example_names_every_setting() -> None:
    text = EXAMPLE.read_text()
    missing = [name for name in load().settings.model_fields_set if name.upper() not in text]
    assert missing == []
    for field in type(load().settings).model_fields:
        assert f"{field.upper()}=" in text


def test_the_five_parts_of_docker_compose_make_its_url() -> None:
    text = "\n".join(
        line.removeprefix("# ") for line in EXAMPLE.read_text().splitlines() if "DB_" in line
    )
    lines = [line for line in text.splitlines() if line.startswith("DB_")]
    url = loaded("\n".join(lines)).settings.database_url
    assert url == "postgresql://postgres:message_store_password@localhost:5433/message_store"


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("DB_HOST=db", "postgresql://message_store@db:5432/message_store"),
        ("DB_PORT=5433", "postgresql://message_store@localhost:5433/message_store"),
        ("DB_NAME=a/b", "postgresql://message_store@localhost:5432/a%2Fb"),
        ("DB_USER=me\nDB_PASSWORD='p@ss:/?#%'", "postgresql://me:p%40ss%3A%2F%3F%23%25@localhost:5432/message_store"),
        ("DB_HOST=::1", "postgresql://message_store@[::1]:5432/message_store"),
        ("DB_HOST=/var/run/pg", "postgresql://message_store@/message_store?host=%2Fvar%2Frun%2Fpg&port=5432"),
        ("DB_HOST=\nDB_PASSWORD=", None),
        ("MESSAGE_DB_URL='postgresql://x@y/z '", "postgresql://x@y/z"),
        ("DB_HOST=db\nMESSAGE_DB_URL=postgresql://x@y/z", "postgresql://x@y/z"),
    ],
)  # fmt: skip
def test_the_parts_of_an_address_make_a_url(text: str, url: str | None) -> None:
    assert loaded(text).settings.database_url == url


def test_a_providers_key_may_stand_in_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "from the environment")
    found = loaded("ANTHROPIC_API_KEY=from-the-file\nOPENAI_API_KEY=also-there\n")
    assert found.environ["ANTHROPIC_API_KEY"] == "from-the-file"
    assert found.environ["OPENAI_API_KEY"] == "from the environment"
    assert found.source_of("ANTHROPIC_API_KEY") == ".env"
    assert found.source_of("OPENAI_API_KEY") == "environment"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("DB_PORT=none", "DB_PORT"),
        ("DB_PORT=0", "DB_PORT"),
        ("MAX_ITERATIONS=0", "MAX_ITERATIONS"),
        ("SNAPSHOTS=sometimes", "SNAPSHOTS"),
        ("SNAPSHOTS=every 0", "SNAPSHOTS"),
        ("MAX_ITERATIONS=1.5", "MAX_ITERATIONS"),
        ("MAX_ITERATIONS=99999999999999999999", "MAX_ITERATIONS"),
        ("EMBEDDED_IDLE_S=inf", "EMBEDDED_IDLE_S"),
        ("EMBEDDED_IDLE_S=nan", "EMBEDDED_IDLE_S"),
        ("ENABLE_TRACING=maybe", "ENABLE_TRACING"),
        ("LOG_LEVEL=LOUD", "LOG_LEVEL"),
        ("LOG_FORMAT=xml", "LOG_FORMAT"),
        ("EMBEDDED_IDLE_S=soon", "EMBEDDED_IDLE_S"),
        ("MODEL_API_BASE=nope", "MODEL_API_BASE"),
        ("MODEL_API_BASE=ftp://hunter2@host", "MODEL_API_BASE"),
        ("MODEL_API_BASE=me:hunter2@host/v1", "MODEL_API_BASE"),
        ("MODEL_API_BASE=localhost:8000/v1", "MODEL_API_BASE"),
        ("MODEL_API_BASE=http://", "MODEL_API_BASE"),
        ("MODEL_API_BASE=http:///v1", "MODEL_API_BASE"),
        ("MODEL_API_BASE=http://host:hunter2/v1", "MODEL_API_BASE"),
        ("MODEL_API_BASE=http://[::1/v1", "MODEL_API_BASE"),
        ("MODEL_API_BASE='http://a host/v1'", "MODEL_API_BASE"),
        ("DB_HOST=me:hunter2@db", "DB_HOST"),
        ("DB_HOST=postgresql://db/x", "DB_HOST"),
        ("DB_NAME=postgresql://me:hunter2@db/x", "DB_NAME"),
        ("DB_NAME='user=me password=hunter2'", "DB_NAME"),
    ],
)
def test_a_wrong_value_is_refused_by_name_and_place(text: str, name: str) -> None:
    error = refused(text)
    assert error.field == name
    assert str(error).startswith(f"{name} is wrong: ")
    assert str(error).endswith("(from .env)")
    assert "Value error" not in str(error)
    assert "hunter2" not in "".join(format_exception(error))


@pytest.mark.parametrize(
    "base",
    ["http://localhost:8000/v1", "HTTPS://host", "http://[::1]:8000", "http://me:pw@10.0.0.1/"],
)
def test_a_server_of_ones_own_is_named_by_an_address_of_the_web(base: str) -> None:
    assert loaded(f"MODEL_API_BASE={base}").settings.model_api_base == base


def test_a_refusal_does_not_repeat_a_secret() -> None:
    assert "hunter2" not in str(refused("DB_PASSWORD=hunter2\nDB_PORT=hunter2"))


def test_levels_and_formats_may_be_written_in_any_case() -> None:
    settings = loaded("LOG_LEVEL=debug\nLOG_FORMAT=JSON").settings
    assert (settings.log_level, settings.log_format) == ("DEBUG", "json")


def test_a_file_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="there is no file 'missing'"):
        load(Path("missing"))
    with pytest.raises(ConfigurationError, match="there is no file"):
        load(Path.cwd())
    Path("latin").write_bytes(b"MODEL_NAME=\xff\xfe")
    with pytest.raises(ConfigurationError, match="not text in UTF-8"):
        load(Path("latin"))


def test_secrets_are_in_no_representation() -> None:
    found = loaded(
        "DB_PASSWORD=hunter2\nMESSAGE_DB_URL=postgresql://a:hunter2@b/c\nX_API_KEY=hunter2"
    )
    assert "hunter2" not in repr(found)


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load().settings.max_iterations = 1  # type: ignore[misc]  # what is being tested
