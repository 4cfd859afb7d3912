"""What is forked is as what is started anew, or most tests of the command line prove nothing."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.cli import CommandLine, finished
from tests.forked import Forked

TOOLS = '''
import json
import os
import signal
import sys
import threading
from pathlib import Path
from messagedb_agent import tool

@tool
def look() -> str:
    """Look round in the process."""
    standard = (sys.__stdin__, sys.__stdout__, sys.__stderr__)
    told = {
        "arguments": sys.argv,
        "environment": dict(os.environ),
        "folder": os.getcwd(),
        "group": os.getpgrp(),
        "main": sys.modules["__main__"].__file__,
        "path": sys.path,
        "session": os.getsid(0),
        "signals": {
            s: str(signal.getsignal(s)).partition(" at 0x")[0] for s in signal.valid_signals()
        },
        "streams": [
            (type(s.buffer).__name__, s.encoding, s.errors, s.line_buffering, s.write_through)
            for s in standard
        ],
        "threads": sorted(t.name for t in threading.enumerate()),
    }
    open_ones = Path("/proc/self/fd")
    if open_ones.exists():
        told["descriptors"] = len([*open_ones.iterdir()])
    with open("told.json", "w") as file:
        json.dump(told, file, default=str)
    return "looked"
'''
SAYS = ("start", "call look {}", "--tools", "looking_tools")


def _heed_interrupts() -> None:
    """Begin as a terminal has programs begin: a background job begins with SIGINT ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_a_forked_process_is_as_one_that_was_started(cli: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "looking_tools.py").write_text(TOOLS)
    told = tmp_path / "told.json"
    forked = finished(cli.process(*SAYS, environment={"LOOKS": "round"}))
    assert (forked.code, forked.out) == (0, "look: looked\n")
    seen = json.loads(told.read_text())
    told.unlink()
    environment = {**os.environ, "LOOKS": "round"}
    subprocess.run(
        cli.program(*SAYS),
        env=environment,
        capture_output=True,
        check=True,
        preexec_fn=_heed_interrupts,
    )
    assert json.loads(told.read_text()) == seen


def test_a_forked_process_ends_by_its_signal_and_is_waited_for_once(cli: CommandLine) -> None:
    process = cli.process("start", "-")  # it waits for standard input
    assert process.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0)
    process.kill()
    assert finished(process).code == -signal.SIGKILL
    process.kill()
    assert (process.wait(), process.poll()) == (-signal.SIGKILL,) * 2


def test_what_an_interpreter_reads_when_it_starts_is_not_given_to_a_fork() -> None:
    with open(os.devnull) as nothing, pytest.raises(AssertionError, match="start it anew"):
        Forked(["--version"], (nothing.fileno(),) * 3, {**os.environ, "PYTHONUTF8": "0"})
