"""Asking the person at the terminal for a line."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from messagedb_agent.cli.guard import Terminated
from messagedb_agent.cli.streams import answers, notes
from messagedb_agent.cli.terminal import is_terminal, note, one_line

_LOOK_S = 0.5

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
        except KeyboardInterrupt:
            note("")  # what follows stands on a line of its own
            raise
        except (EOFError, OSError, ValueError, RuntimeError):  # nobody is there any more
            note("")
            return None


def forget_typed() -> None:
    """Throw away what was typed before a question was shown, and so is no answer to it."""
    import termios

    with suppress(termios.error, OSError, ValueError):
        termios.tcflush(sys.stdin, termios.TCIFLUSH)


@contextmanager
def interrupting() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM raise at once, where a loop would wait for what is blocked."""
    with on_signal(signal.SIGINT, signal.default_int_handler), ending_on_sigterm(), heard_soon():
        yield


@contextmanager
def ending_on_sigterm() -> Iterator[None]:
    """Let SIGTERM raise at once."""
    if callable(signal.getsignal(signal.SIGTERM)):  # else nobody of ours listens
        with on_signal(signal.SIGTERM, _terminated):
            yield
    else:
        yield


@contextmanager
def heard_soon() -> Iterator[None]:
    """Interrupt what blocks now and then.

    Python acts on a signal that came right before a blocking call when the next one interrupts it.
    """
    with on_signal(signal.SIGALRM, lambda *_: None):
        before = signal.setitimer(signal.ITIMER_REAL, _LOOK_S, _LOOK_S)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, *before)


def _terminated(signum: int, frame: FrameType | None) -> None:
    raise Terminated


@contextmanager
def on_signal(number: signal.Signals, handler: Handler) -> Iterator[None]:
    """Handle a signal so, for a while."""
    before = signal.signal(number, handler)
    try:
        yield
    finally:  # None stands for a handler that is not Python's, and cannot be set again
        signal.signal(number, signal.SIG_DFL if before is None else before)
