"""`config`, and what settings mean to the commands."""

import os
import sys
from pathlib import Path

import pytest

from messagedb_agent.config import Settings
from tests.cli import CommandLine


def test_config_names_each_value_and_where_it_came_from(
    cli: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MESSAGE_DB_URL")
    (tmp_path / "mine.env").write_text("GCP_PROJECT=p\nGCP_LOCATION=l\nMODEL_NAME=from-file\n")
    cli.set(GCP_LOCATION="europe-west1")
    common = ("--config", "mine.env", "--model", "offline", "--version", "v2")
    shown = {s["name"]: s for s in cli("config", "--format", "json", *common).json}
    assert {name.upper() for name in Settings.model_fields} <= set(shown)
    sources = {name: (entry["value"], entry["source"]) for name, entry in shown.items()}
    assert sources["GCP_PROJECT"] == ("p", "mine.env")
    assert sources["GCP_LOCATION"] == ("europe-west1", "environment")
    assert sources["MODEL_NAME"] == ("offline", "argument")
    assert sources["MAX_ITERATIONS"] == ("100", "default")
    assert sources["MESSAGE_DB_URL"] == ("(the embedded server)", "default")
    assert sources["--version"] == ("v2", "argument")
    assert sources["(data)"][0].endswith("/data")
    assert "europe-west1" in cli("config", *common).out


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:hunter2@db/agents",
        "postgresql://me@db/agents?password=hunter2&connect_timeout=1",
        "host=db user=me password='hunter2' dbname=agents",
    ],
)
def test_config_masks_secrets(cli: CommandLine, url: str) -> None:
    cli.set(MESSAGE_DB_URL=url, DB_PASSWORD="hunter2", ANTHROPIC_API_KEY="hunter2")
    for form in ("text", "json"):
        ended = cli("config", "--format", form)
        assert ended.code == 0
        assert "hunter2" not in ended.out + ended.err
        assert "ANTHROPIC_API_KEY" in ended.out
        assert "agents" in ended.out


def test_config_names_the_folder_that_the_data_lie_in(
    cli: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MESSAGE_DB_URL")
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    cli.set(MESSAGEDB_AGENT_HOME=str(private / "home"))
    shown = {s["name"]: s["value"] for s in cli("config", "--format", "json").json}
    assert shown["MESSAGEDB_AGENT_HOME"] == str(private / "home")
    moved = os.geteuid() == 0  # the account that runs the server may not enter
    place = "/var/lib/messagedb-agent/home-" if moved else f"{private}/home/postgres/"
    assert shown["(data)"].startswith(place)
    assert f"data: {shown['(data)']}\n" in cli("db", "status").out


@pytest.mark.parametrize(
    ("base", "shown"),
    [
        ("https://me:a@hunter2@host/v1", "https://***@host/v1"),
        ("https://host/v1?key=hunter2", "https://host/v1?***"),
        ("https://host:8000/v1", "https://host:8000/v1"),
    ],
)
def test_config_masks_what_may_be_a_secret_in_an_address(
    cli: CommandLine, base: str, shown: str
) -> None:
    cli.set(MODEL_API_BASE=base)
    values = {s["name"]: s["value"] for s in cli("config", "--format", "json").json}
    assert values["MODEL_API_BASE"] == shown


def test_a_url_wins_over_its_parts_and_config_says_so(cli: CommandLine) -> None:
    cli.set(DB_HOST="elsewhere")
    assert cli("config").notes == ["MESSAGE_DB_URL is set and wins; not used: DB_HOST"]


def test_a_key_without_a_model_is_pointed_out(cli: CommandLine) -> None:
    Path(".env").write_text("ANTHROPIC_API_KEY=some-key\n")
    ended = cli("start", "Thanks!")
    assert ended.code == 0
    assert "set MODEL_NAME=anthropic/claude" in ended.notes[0]
    assert "some-key" not in ended.err


def test_a_key_in_the_file_reaches_the_model_and_no_other_process(cli: CommandLine) -> None:
    Path(".env").write_text("OPENAI_API_KEY=some-key\nMODEL_NAME=offline\n")
    # It gets past the check for a key, to the next thing that is wrong.
    cli.set(MESSAGE_DB_URL="postgresql://nobody@127.0.0.1:1/none")
    assert "database" in cli.refused("start", "hi", "--model", "gpt-5-mini", code=5)
    assert "OPENAI_API_KEY" not in os.environ


def test_the_files_of_settings_may_be_named_before_the_command(
    cli: CommandLine, tmp_path: Path
) -> None:
    (tmp_path / "limits.env").write_text("MAX_ITERATIONS=1\n")
    assert cli("--config", "limits.env", "start", "What is 42 * 7?").code == 7


def test_tools_of_ones_own_are_added_to_the_built_in_ones(cli: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "own_tools.py").write_text(
        "from messagedb_agent import tool\n\n\n@tool\ndef shout(text: str) -> str:\n"
        '    """Shout."""\n    return text.upper()\n'
    )
    assert "own_tools" not in sys.modules
    loud = cli("start", 'call shout {"text": "hi"}', "--tools", "own_tools:shout")
    assert loud.out == "shout: HI\n"
    assert cli("--tools", "own_tools", "message", "last", "What is 2 + 2?").out == "2 + 2 = 4.\n"
