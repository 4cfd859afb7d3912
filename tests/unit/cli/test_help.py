"""Help: complete, in panels, within the terminal's width, and drawn without slow imports."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from messagedb_agent.cli.app import main
from messagedb_agent.cli.exits import MEANINGS, ExitCode

COMMANDS = (
    *("start", "message", "continue", "chat", "approve", "deny", "fork", "cancel", "end"),
    *("what-if", "explain"),
    *("resolve", "memory"),
    *("show", "diff", "list", "approvals", "tail", "verify", "anchor", "worker", "consume"),
    *("export", "import", "config", "definitions", "db"),
)
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


@pytest.mark.parametrize("command", ["show", "replay", "diff", "fork", "what-if"])
def test_what_a_bigint_holds_is_no_bound_that_help_speaks_of(
    capsys: pytest.CaptureFixture[str], command: str
) -> None:
    text = help_of(capsys, command)
    assert "92233720368" not in text
    assert "x>=0" in text
    assert main([command, "last", "--at", str(2**63)]) == ExitCode.USAGE


@pytest.mark.parametrize("command", [*COMMANDS[:-2], "definitions save", "db status", "db shell"])
def test_every_command_names_the_global_options(
    capsys: pytest.CaptureFixture[str], command: str
) -> None:
    text = help_of(capsys, *command.split())
    for option in GLOBAL:
        assert option in text


@pytest.mark.parametrize(
    ("command", "usage"),
    [
        ("start", "start [OPTIONS] MESSAGE"),
        ("message", "message [OPTIONS] THREAD MESSAGE"),
        ("tail", "tail [OPTIONS] [THREAD]"),
        ("diff", "diff [OPTIONS] THREAD[@N] [THREAD[@N]]"),
        ("consume", "consume [OPTIONS] [HANDLER|THREAD]"),
        ("export", "export [OPTIONS] [THREAD]..."),
        ("approve", "approve [OPTIONS] THREAD [CALL]..."),
        ("definitions show", "definitions show [OPTIONS] [NAME|FILE]"),
    ],
)
def test_the_usage_shows_arguments_as_they_are_given(
    capsys: pytest.CaptureFixture[str], command: str, usage: str
) -> None:
    assert help_of(capsys, *command.split()).splitlines()[0] == f" Usage: messagedb-agent {usage}"


@pytest.mark.parametrize(
    ("command", "panels"),
    [
        ([], ["Talk", "Look", "Work", "Set up", "Options", "Global", "Exit"]),
        (["show"], ["Arguments", "Options", "Global"]),
        (["db"], ["Commands", "Options", "Global"]),
    ],
)
def test_panels_stand_in_the_order_of_use(
    capsys: pytest.CaptureFixture[str], command: list[str], panels: list[str]
) -> None:
    lines = help_of(capsys, *command).splitlines()
    heads = [re.sub(r"^\W+", "", line) for line in lines if line.startswith("╭")]
    assert len(heads) == len(panels)
    assert all(head.startswith(panel) for head, panel in zip(heads, panels, strict=True))


def test_completion_that_cannot_be_installed_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setattr("shellingham.detect_shell", lambda: ("bash", "/bin/bash"))
    monkeypatch.setenv("HOME", str(tmp_path / "file" / "home"))
    assert main(["--install-completion"]) == ExitCode.OUTPUT
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"error: completion cannot be installed: {tmp_path}/file/home")
    assert err.endswith("(--show-completion prints it)\n")


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
