"""Standard output and standard error as a whole: which of them gets what, and what is lost."""

import os
import sys
from contextlib import suppress
from typing import TextIO

_STDOUT_FD = 1


def prepare() -> None:
    """Let nothing that is written fail: not on a closed stream, not on characters it lacks."""
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - it stays open as long as we run
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - likewise
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")


class _Answers:
    """Where answers go: standard output itself, or what was kept of it.

    Attributes:
        stream: the stream that was kept; None while standard output is ours.
        before: what `sys.stdout` was before.
    """

    stream: TextIO | None = None
    before: TextIO | None = None


_answers = _Answers()  # one for the process, as its standard output is


def answers() -> TextIO:
    """Return the stream that answers are written to."""
    return _answers.stream or sys.stdout


def keep_for_answers() -> None:
    """Keep standard output for answers: what else is printed there goes to standard error.

    A tool may print, and so may a program that it runs. Both are written to by others at any
    time, so this holds until `give_back`.
    """
    if _answers.stream is not None:
        return
    _answers.before = sys.stdout
    _answers.stream = _kept_descriptor() or sys.stdout
    sys.stdout = sys.stderr


def _kept_descriptor() -> TextIO | None:
    """Turn descriptor 1 to standard error; return a stream on what it was.

    None where standard output is no descriptor 1, as in a test.
    """
    before = sys.stdout
    try:
        if before.fileno() != _STDOUT_FD:
            return None
        error_fd = sys.stderr.fileno()
    except (OSError, ValueError):
        return None
    kept = open(  # noqa: SIM115 - it stays open as long as answers may come
        os.dup(_STDOUT_FD), "w", encoding=before.encoding, errors="replace"
    )
    os.dup2(error_fd, _STDOUT_FD)
    return kept


def give_back() -> None:
    """Undo `keep_for_answers`; what could not be written is forgotten."""
    if _answers.stream is None or _answers.before is None:
        return
    kept, before = _answers.stream, _answers.before
    _answers.stream = _answers.before = None
    sys.stdout = before
    if kept is not before:
        with suppress(OSError):
            kept.flush()
        os.dup2(kept.fileno(), _STDOUT_FD)
        with suppress(OSError):
            kept.close()


def forget(stream: TextIO) -> None:
    """Let what a stream still holds, and what comes, go nowhere."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
        stream.flush()
