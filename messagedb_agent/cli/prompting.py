"""Asking the person at the terminal for a line."""

import os
import shlex
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from messagedb_agent.cli.streams import answers, notes
from messagedb_agent.cli.terminal import is_terminal, note, one_line


def can_ask() -> bool:
    """Say whether a person is there to be asked: all three streams are a terminal."""
    try:
        return all(map(is_terminal, (sys.stdin, answers(), notes())))
    except ValueError:  # a tool has closed one
        return False


def ask(prompt: str) -> str | None:
    """Return the line that a person answers; None at the end of input, as by Ctrl-D.

    The event loop stands still meanwhile: nothing of ours runs while a person thinks.

    Raises:
        KeyboardInterrupt: Ctrl-C.
    """
    with interrupting():
        try:
            answers().flush()
            return input(one_line(prompt) + " ")
        except UnicodeDecodeError:
            note("that is no text")
            return ""
        except (EOFError, OSError, ValueError, RuntimeError):  # nobody is there any more
            note("")
            return None


@contextmanager
def interrupting() -> Iterator[None]:
    """Let Ctrl-C raise at once, where an event loop would wait for what is blocked."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def edited(text: str) -> str | None:
    """Return what a person makes of a text, in `$VISUAL` or `$EDITOR`, or else on a line.

    Returns:
        None where the person gives up.
    """
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    if not editor:
        return ask("arguments (JSON):") or None
    import subprocess
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        path = Path(folder) / "arguments.json"
        path.write_text(text + "\n", encoding="utf-8")
        with _leaving_ctrl_c_to_it():
            try:
                ended = subprocess.run([*shlex.split(editor), str(path)], check=False)
            except (OSError, ValueError) as error:
                note(f"{editor} cannot be run: {error}")
                return None
        with suppress(OSError, UnicodeDecodeError):
            return path.read_text(encoding="utf-8").strip() if ended.returncode == 0 else None
    return None


@contextmanager
def _leaving_ctrl_c_to_it() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
