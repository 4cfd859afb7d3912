"""Errors become one line on standard error and an exit code; nobody is shown a traceback."""

import errno
import os
from collections.abc import Callable, Iterator
from typing import TypeGuard

from messagedb_agent.cli.exits import ExitCode, exit_code_of
from messagedb_agent.cli.streams import answers, begin_anew, flush_answers, forget
from messagedb_agent.cli.terminal import note, tell
from messagedb_agent.errors import AgentError

# What a stream says that can take no more; errors of files name their file beside.
_LOST = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})


class Cancelled(Exception):
    """The command's work was cancelled from within: a tool may cancel every task there is."""


class Terminated(KeyboardInterrupt):
    """The process was asked to end by SIGTERM; the work was cancelled, as on Ctrl-C."""


def exit_code_of_interrupt(interrupt: KeyboardInterrupt) -> ExitCode:
    """Return the code that stands for what ended a command from outside."""
    is_term = isinstance(interrupt, Terminated)
    return ExitCode.TERMINATED if is_term else ExitCode.INTERRUPTED


def guarded(command: Callable[[], int]) -> int:
    """Run a command and return its exit code, whatever happens."""
    begin_anew()
    try:
        code = command()
        flush_answers()
    except BrokenPipeError:
        forget(answers())
        return ExitCode.OK  # who reads has read enough
    except AgentError as error:
        note(f"error: {error}")
        _show_traceback_where_asked(error)
        return exit_code_of(error)
    except KeyboardInterrupt as interrupt:
        note("interrupted")
        return exit_code_of_interrupt(interrupt)
    except Cancelled as error:
        note(f"error: {error}")
        _show_traceback_where_asked(error)
        return ExitCode.INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the last boundary: a person gets one line
        if _is_of_output(error):
            forget(answers())
            note(f"error: standard output cannot be written to: {error.strerror}")
            return ExitCode.OUTPUT
        hint = "" if _is_debugging() else "; set LOG_LEVEL=DEBUG for the traceback"
        note(f"error: {type(error).__name__}: {error} (an error in the program{hint})")
        _show_traceback_where_asked(error)
        return ExitCode.INTERNAL
    return code


def _is_of_output(error: Exception) -> TypeGuard[OSError]:
    return isinstance(error, OSError) and error.errno in _LOST and error.filename is None


def _is_debugging() -> bool:
    import logging

    level = os.environ.get("LOG_LEVEL", "")
    return level.upper() == "DEBUG" or logging.getLogger("messagedb_agent").level == logging.DEBUG


def _show_traceback_where_asked(error: BaseException) -> None:
    """Print where an error and its causes came from."""
    if not _is_debugging():
        return
    import traceback

    for cause in _causes(error):
        where = traceback.format_tb(cause.__traceback__)
        tell("".join(["Traceback (most recent call last):\n", *where, f"{_said(cause)}\n"]))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Give an error after what it came from."""
    if error is None:
        return
    context = None if error.__suppress_context__ else error.__context__
    yield from _causes(error.__cause__ or context)
    yield error


def _said(error: BaseException) -> str:
    """Return class and text of an error; not a driver's text, which quotes parts of its address."""
    from messagedb_agent.containing import error_text

    is_drivers = type(error).__module__.partition(".")[0] == "psycopg"
    return type(error).__name__ if is_drivers else error_text(error)
