"""Standard output and standard error as a whole: which of them gets what, and what is lost."""

import os
import select
import sys
from contextlib import suppress
from dataclasses import dataclass
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


@dataclass(slots=True)
class _Kept:
    """What the streams of the process are while tools may print, and may close them.

    Attributes:
        answers: where answers go.
        notes: where notes and logs go.
        before: what `sys.stdout` was before.
        has_turned: whether descriptor 1 leads to standard error meanwhile.
    """

    answers: TextIO
    notes: TextIO
    before: TextIO
    has_turned: bool


_kept: list[_Kept] = []  # at most one for the process, as its standard output is


def answers() -> TextIO:
    """Return the stream that answers are written to."""
    return _kept[0].answers if _kept else sys.stdout


_lost: list[OSError] = []  # why answers could not be written when something else was to be said


def flush_answers() -> None:
    """Write out what is held of answers.

    Raises:
        OSError: that failed, now or in `flush_before_notes`: something is missing of them.
    """
    if _lost:
        raise _lost[0]
    answers().flush()


def flush_before_notes() -> None:
    """Write out what is held of answers, so that what is said next stands behind them.

    A failure is told by the next `flush_answers`: what a stream could not write it may have lost,
    and would not fail again.
    """
    try:
        answers().flush()
    except BrokenPipeError:
        pass  # who reads has read enough
    except OSError as error:
        _lost.append(error)
    except ValueError:  # it is closed
        pass


def begin_anew() -> None:
    """Forget what an earlier command of this process could not write."""
    _lost.clear()


def notes() -> TextIO:
    """Return the stream that notes and logs are written to."""
    return _kept[0].notes if _kept else sys.stderr


def keep_for_answers() -> None:
    """Keep standard output for answers: what else is printed there goes to standard error.

    A tool may print, and so may a program that it runs. Both are written to by others at any
    time, so this holds until `give_back`. Answers and notes have descriptors of their own, which
    nobody finds in `sys`: a tool that closes `sys.stdout`, `sys.stderr` or descriptor 1 or 2 keeps
    nothing of ours from being written. One that closes every descriptor, or gives ours another
    meaning, cannot be helped.
    """
    if not _kept:
        _kept.append(_turned() or _replaced())


def _turned() -> _Kept | None:
    """Turn descriptor 1 to standard error, and keep streams on what both were.

    None where standard output is no descriptor 1, as in a test.
    """
    try:
        error_fd = sys.stderr.fileno()
        if sys.stdout.fileno() != _STDOUT_FD:
            return None
    except (OSError, ValueError):
        return None
    sys.stdout.flush()
    kept = _Kept(_twin(sys.stdout), _twin(sys.stderr), sys.stdout, has_turned=True)
    os.dup2(error_fd, _STDOUT_FD)
    # Stays the object that it is, line by line as standard error is: closing it closes that alone.
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(line_buffering=True)
    return kept


def _twin(stream: TextIO) -> TextIO:
    """Return a stream of our own on what another one writes to."""
    return open(
        os.dup(stream.fileno()),
        "w",
        encoding=stream.encoding,
        errors="replace",
        buffering=1 if stream is sys.stderr else -1,
    )


def _replaced() -> _Kept:
    """Put standard error in the place of a standard output that is no descriptor."""
    kept = _Kept(sys.stdout, sys.stderr, sys.stdout, has_turned=False)
    sys.stdout = sys.stderr
    return kept


def give_back() -> None:
    """Undo `keep_for_answers`; what could not be written is forgotten."""
    if not _kept:
        return
    kept = _kept.pop()
    sys.stdout = kept.before
    if not kept.has_turned:
        return
    with suppress(OSError, ValueError):  # a tool may have closed it
        kept.before.flush()  # what was printed so far belongs to standard error
    with suppress(OSError):
        kept.answers.flush()
    os.dup2(kept.answers.fileno(), _STDOUT_FD)
    with suppress(OSError):
        kept.answers.close()
    # The other one stays open: the log may go on writing to it.


def has_no_reader() -> bool:
    """Say whether nobody is left to read answers, which writing alone would tell else."""
    polled = select.poll()
    try:
        polled.register(answers().fileno(), 0)
    except (OSError, ValueError):  # it is no descriptor
        return False
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in polled.poll(0))


def forget(stream: TextIO) -> None:
    """Let what a stream still holds, and what comes, go nowhere."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
        stream.flush()
