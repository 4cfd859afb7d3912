"""Errors become one line on standard error and an exit code; nobody is shown a traceback."""

import errno
import os
from collections.abc import Callable
from typing import TypeGuard

from messagedb_agent.cli.exits import ExitCode, exit_code_of
from messagedb_agent.cli.streams import answers, forget
from messagedb_agent.cli.terminal import note
from messagedb_agent.errors import AgentError

# What a stream says that can take no more; errors of files name their file beside.
_LOST = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})


def guarded(command: Callable[[], int]) -> int:
    """Run a command and return its exit code, whatever happens."""
    try:
        code = command()
        answers().flush()
    except BrokenPipeError:
        forget(answers())
        return ExitCode.OK  # who reads has read enough
    except AgentError as error:
        note(f"error: {error}")
        _show_traceback_where_asked()
        return exit_code_of(error)
    except KeyboardInterrupt:
        note("interrupted")
        return ExitCode.INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the last boundary: a person gets one line
        if _is_of_output(error):
            forget(answers())
            note(f"error: standard output cannot be written to: {error.strerror}")
            return ExitCode.OUTPUT
        hint = "" if _is_debugging() else "; set LOG_LEVEL=DEBUG for the traceback"
        note(f"error: {type(error).__name__}: {error} (an error in the program{hint})")
        _show_traceback_where_asked()
        return ExitCode.INTERNAL
    return code


def _is_of_output(error: Exception) -> TypeGuard[OSError]:
    return isinstance(error, OSError) and error.errno in _LOST and error.filename is None


def _is_debugging() -> bool:
    import logging

    level = os.environ.get("LOG_LEVEL", "")
    return level.upper() == "DEBUG" or logging.getLogger("messagedb_agent").level == logging.DEBUG


def _show_traceback_where_asked() -> None:
    if _is_debugging():
        import traceback

        traceback.print_exc()
