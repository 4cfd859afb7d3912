"""The README's second screen: a process is killed while its tool is busy, and another goes on."""

import os
import re
import shlex
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli import CommandLine, finished
from tests.docs.blocks import ROOT, Block, commands, first_missing
from tests.forked import Piped
from tests.waiting import until_now

DEMO = ("--tools", "messagedb_agent.demo")
CHARGE = 'call charge_card {"amount": 42}'
README = (ROOT / "README.md").read_text(encoding="utf-8")
FIRST = f"$ messagedb-agent start '{CHARGE}' {DEMO[0]} {DEMO[1]}\n"
MAIL = 'call send_mail {"to": "ada@example.org"}'


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "ledger.txt"


def killed(process: Piped) -> int:
    """Kill the process that standard error names, and return its id."""
    *_, line = _until_killed(process)
    return int(line.split()[-1])


def _until_killed(process: Piped) -> Iterator[str]:
    """Yield the lines on standard error; kill the process that the last of them names."""
    for line in map(bytes.decode, process.stderr):
        yield line
        if found := re.search(r"kill -9 (\d+)", line):
            os.kill(int(found[1]), signal.SIGKILL)
            assert finished(process).code == -signal.SIGKILL
            return
    raise AssertionError("it named no process")


def test_a_card_is_charged_once_though_its_process_was_killed(
    cli: CommandLine, ledger: Path
) -> None:
    process = cli.process("start", CHARGE, *DEMO)
    assert killed(process) == process.pid
    (charged,) = ledger.read_text().splitlines()
    ended = finished(cli.process("continue", "last"))
    assert (ended.code, ended.out) == (0, "charge_card: charged 42\n")
    assert ledger.read_text().splitlines() == [charged]
    (effect,) = cli("show", "last", "--as", "effects", "--format", "json").json
    assert charged == f"charged 42 {effect['idempotencyKey']}"
    assert (effect["attempts"], effect["outcome"], effect["policy"]) == (2, "completed", "keyed")
    assert cli("verify", "last").code == 0


def test_a_mail_is_not_sent_again_and_a_person_says_what_happened(
    cli: CommandLine, ledger: Path
) -> None:
    killed(cli.process("start", MAIL, *DEMO))
    gone = 'tool send_mail {"to": "ada@example.org"} -> interrupted: who ran it is gone'
    # The server hears of the end of the process in its own time, and its lock goes with it.
    until_now(lambda: gone in cli("show", "last").out.splitlines())
    effects = ("show", "last", "--as", "effects")
    assert re.search(r"send_mail +never +1 +interrupted +", cli(*effects).out)
    (left,) = cli(*effects, "--format", "json").json
    assert left["outcome"] == "interrupted"
    ended = finished(cli.process("continue", "last"))
    assert ended.code == 0
    assert ended.out.startswith("send_mail: Error (outcome_unknown): the worker died")
    assert ledger.read_text() == "mail to ada@example.org\n"
    (told,) = [note for note in ended.notes if note.startswith("outcome unknown: ")]
    assert '{"to": "ada@example.org"}' in told

    shown = cli("show", "last", "--as", "effects", "--unresolved")
    assert re.search(r"send_mail +never +1 +unknown +", shown.out)
    call = shown.out.splitlines()[1].split()[0]
    assert call in told
    resolved = cli("resolve", "last", call, "--completed", "sent to ada@example.org")
    assert resolved.code == 0
    assert "recorded as completed" in resolved.err
    shown = cli("show", "last", "--as", "effects", "--unresolved")
    assert (shown.out, shown.notes) == ("", ["no call of unknown outcome"])
    assert "unknown, completed after all" in cli("show", "last", "--as", "effects").out
    lines = cli("show", "last").out.splitlines()
    worker_died = "the worker died while the tool ran; it may or may not have taken effect"
    assert f'tool send_mail {{"to": "ada@example.org"}} -> outcome unknown: {worker_died}' in lines
    assert "[outcome found out: completed: sent to ada@example.org]" in lines
    conversation = cli("show", "last", "--as", "conversation").out
    assert re.search(
        r"\[Note: call \w+ has completed after all: sent to ada@example\.org\]", conversation
    )
    line = cli.refused("resolve", "last", call, "--failed", "no", code=9)
    assert line.endswith(f"call {call} was resolved before: completed, sent to ada@example.org")
    assert cli("verify", "last").code == 0


def test_the_readme_shows_what_is_printed(cli: CommandLine, tmp_path: Path) -> None:
    (screen,) = (text for text in README.split("```console\n") if text.startswith(FIRST))
    typed = commands(Block(tmp_path, 0, screen.partition("```")[0]))
    assert sum("Killed" in one.expected for one in typed) == 2
    for one in typed:
        program, *arguments = shlex.split(one.command)
        if program == "cat":
            (name,) = arguments
            printed = (tmp_path / name).read_text()
        elif "Killed" in one.expected:
            printed = "".join(_until_killed(cli.process(*arguments)))
        else:
            ended = finished(cli.process(*arguments))
            assert ended.code == 0, ended
            printed = ended.out + ended.err
        expected = [line for line in one.expected if line != "Killed"]  # which the shell says
        assert first_missing(expected, printed) is None, f"$ {one.command}\n{printed}"
