"""A person is asked for a line, and signals are heard meanwhile."""

import os
import pty
import readline
import subprocess
import sys

import pytest

from tests.cli import PATIENCE_S

# No Python runs between the signal and the read, so that nothing but the read can hear of it.
ASKING = """
import ctypes, functools, os, readline, signal
from messagedb_agent.cli.guard import Terminated
from messagedb_agent.cli.prompting import ask

signal.signal(signal.SIGTERM, lambda *_: None)
send = functools.partial(ctypes.CDLL(None).kill, os.getpid(), signal.SIGTERM.value)
readline.set_pre_input_hook(send)
try:
    ask("run it?")
except Terminated:
    raise SystemExit(15)
"""


@pytest.mark.skipif(not hasattr(readline, "set_pre_input_hook"), reason="needs GNU readline")
def test_a_signal_that_comes_right_before_the_read_is_heard_all_the_same() -> None:
    person, terminal = pty.openpty()
    try:
        asked = subprocess.run(
            [sys.executable, "-c", ASKING],
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            timeout=PATIENCE_S,
            check=False,
        )
    finally:
        os.close(person)
        os.close(terminal)
    assert asked.returncode == 15
