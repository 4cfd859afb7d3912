"""Errors become one line on standard error and an exit code; nobody is shown a traceback."""

import os
import sys
from collections.abc import Callable

from messagedb_agent.cli.exits import ExitCode, exit_code_of
from messagedb_agent.cli.terminal import note
from messagedb_agent.errors import AgentError


def guarded(command: Callable[[], int]) -> int:
    """Run a command and return its exit code, whatever happens."""
    try:
        code = command()
        sys.stdout.flush()
    except BrokenPipeError:
        _forget_output()
        return ExitCode.OK  # who reads has read enough
    except AgentError as error:
        note(f"error: {error}")
        _show_traceback_where_asked()
        return exit_code_of(error)
    except KeyboardInterrupt:
        note("interrupted")
        return ExitCode.INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the last boundary: a person gets one line
        hint = "" if _is_debugging() else "; set LOG_LEVEL=DEBUG for the traceback"
        note(f"error: {type(error).__name__}: {error} (an error in the program{hint})")
        _show_traceback_where_asked()
        return ExitCode.INTERNAL
    return code


def _forget_output() -> None:
    """Let the interpreter's last flush go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _is_debugging() -> bool:
    import logging

    level = os.environ.get("LOG_LEVEL", "")
    return level.upper() == "DEBUG" or logging.getLogger("messagedb_agent").level == logging.DEBUG


def _show_traceback_where_asked() -> None:
    if _is_debugging():
        import traceback

        traceback.print_exc()
