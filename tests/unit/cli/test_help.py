"""Help: complete, in panels, within the terminal's width, and drawn without slow imports."""

import subprocess
import sys

import pytest

from messagedb_agent.cli.app import main
from messagedb_agent.cli.exits import MEANINGS

COMMANDS = ("start", "message", "continue", "end", "show", "list", "tail", "verify", "config", "db")
GLOBAL = ("--config", "--category", "--version", "--tools", "--model")


def help_of(capsys: pytest.CaptureFixture[str], *command: str) -> str:
    assert main([*command, "--help"]) == 0
    return capsys.readouterr().out


def test_the_help_names_every_command_global_option_and_exit_code(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = help_of(capsys)
    for name in (*COMMANDS, *GLOBAL, *MEANINGS.values()):
        assert name in " ".join(text.replace("│", " ").split())


@pytest.mark.parametrize("command", [*COMMANDS[:-1], "db status", "db shell"])
def test_every_command_names_the_global_options(
    capsys: pytest.CaptureFixture[str], command: str
) -> None:
    text = help_of(capsys, *command.split())
    for option in GLOBAL:
        assert option in text


def test_without_a_command_there_is_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert "start" in capsys.readouterr().out
    assert main(["db"]) == 0
    assert "install" in capsys.readouterr().out


@pytest.mark.parametrize("columns", ["30", "60", "200"])
def test_panels_fit_the_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    panels = [line for line in help_of(capsys, "show").splitlines() if line[:1] in "╭│╰" and line]
    (width,) = {len(line) for line in panels}
    assert width == {"30": 60, "60": 60, "200": 100}[columns]


def test_help_imports_nothing_slow() -> None:
    code = (
        "import sys; from messagedb_agent.cli.app import main; main(['--help'])\n"
        "slow = {'pydantic', 'psycopg', 'litellm', 'mcp', 'structlog', 'rich', 'asyncio'}\n"
        "sys.exit(','.join(slow & set(sys.modules)) or 0)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
