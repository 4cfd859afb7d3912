"""A person's editor, on a text of ours."""

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from messagedb_agent.cli.prompting import ask, ending_on_sigterm, heard_soon, on_signal
from messagedb_agent.cli.terminal import note
from messagedb_agent.containing import GRACE_S


def edited(text: str) -> str | None:
    """Return what a person makes of a text, in `$VISUAL` or `$EDITOR`, or else on a line.

    Returns:
        None where the person gives up.

    Raises:
        Terminated: SIGTERM; the editor was ended, and the terminal is as it was before.
    """
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    if not editor:
        return ask("arguments (JSON):") or None
    with TemporaryDirectory() as folder:
        path = Path(folder) / "arguments.json"
        path.write_text(text + "\n", encoding="utf-8")
        try:
            code = _run([*shlex.split(editor), str(path)])
        except (OSError, ValueError) as error:
            note(f"{editor} cannot be run: {error}")
            return None
        with suppress(OSError, UnicodeDecodeError):
            return path.read_text(encoding="utf-8").strip() if code == 0 else None
    return None


def _run(words: list[str]) -> int:
    """Run a program that has the terminal, and Ctrl-C, to itself; return its exit code."""
    # A handler, as what is ignored would be ignored in the program too.
    with on_signal(signal.SIGINT, lambda *_: None), ending_on_sigterm(), _terminal_kept():
        program = subprocess.Popen(words)
        try:
            with heard_soon():
                return program.wait()
        except BaseException:
            program.terminate()
            with suppress(subprocess.TimeoutExpired):
                program.wait(GRACE_S)
            program.kill()
            program.wait()
            raise


@contextmanager
def _terminal_kept() -> Iterator[None]:
    """Put the terminal back where what ran on it has ended without doing so."""
    import termios

    before = termios.tcgetattr(sys.stdin)
    try:
        yield
    finally:
        with suppress(termios.error):
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
