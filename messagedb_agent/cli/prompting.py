"""Asking the person at the terminal for a line."""

import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

from messagedb_agent.cli.guard import Terminated
from messagedb_agent.cli.streams import answers, notes
from messagedb_agent.cli.terminal import is_terminal, note, one_line

Handler = Callable[[int, FrameType | None], Any] | int | signal.Handlers | None


def can_ask() -> bool:
    """Say whether a person is there to be asked: all three streams are a terminal."""
    if sys.stdin is None:  # it was closed before we began
        return False
    try:
        return all(map(is_terminal, (sys.stdin, answers(), notes())))
    except ValueError:  # a tool has closed one
        return False


def ask(prompt: str) -> str | None:
    """Return the line that a person answers; None at the end of input, as by Ctrl-D.

    The event loop stands still meanwhile: nothing of ours runs while a person thinks.

    Raises:
        KeyboardInterrupt: Ctrl-C.
        Terminated: SIGTERM.
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
    """Let Ctrl-C and SIGTERM raise at once, where a loop would wait for what is blocked."""
    with _on(signal.SIGINT, signal.default_int_handler), _raising_on_sigterm():
        yield


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
        with _on(signal.SIGINT, signal.SIG_IGN), _raising_on_sigterm():  # Ctrl-C is the editor's
            try:
                ended = subprocess.run([*shlex.split(editor), str(path)], check=False)
            except (OSError, ValueError) as error:
                note(f"{editor} cannot be run: {error}")
                return None
        with suppress(OSError, UnicodeDecodeError):
            return path.read_text(encoding="utf-8").strip() if ended.returncode == 0 else None
    return None


@contextmanager
def _raising_on_sigterm() -> Iterator[None]:
    if callable(signal.getsignal(signal.SIGTERM)):  # else nobody of ours listens
        with _on(signal.SIGTERM, _terminated):
            yield
    else:
        yield


def _terminated(signum: int, frame: FrameType | None) -> None:
    raise Terminated


@contextmanager
def _on(number: signal.Signals, handler: Handler) -> Iterator[None]:
    before = signal.signal(number, handler)
    try:
        yield
    finally:  # None stands for a handler that is not Python's, and cannot be set again
        signal.signal(number, signal.SIG_DFL if before is None else before)
