"""The end of the process, whatever tools have left running in it."""

import os
import signal
import sys
import threading
from contextlib import suppress
from time import sleep
from typing import NoReturn

from messagedb_agent.cli.streams import answers, notes

_left: list[object] = []


def leave_behind(work: object) -> None:
    """Take note of work that will not end; it is kept, as what is thrown away then complains."""
    _left.append(work)


def leave(code: int) -> None:
    """Let the process end with `code` now, or soon after the interpreter has begun to end.

    The interpreter waits at its end for threads, pools and what `atexit` was told, and throws away
    what is left of tasks, which then run once more and complain. Nothing of ours is lost when that
    is cut short: the store is closed by now, and what was written is flushed. Where a tool left
    nothing behind, the interpreter ends as ever, long before. It takes no Ctrl-C from here on: the
    interpreter would show where it was.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if _left:
        _end(code)
    # Where it was not imported no tool has run; to import it here costs `--help` half its time.
    if containing := sys.modules.get("messagedb_agent.containing"):
        ending = threading.Thread(target=_end_soon, args=(code, containing.GRACE_S), daemon=True)
        ending.start()


def leave_now(code: int) -> NoReturn:
    """End the process with `code` at once, as a second signal asks for."""
    _end(code)


def _end_soon(code: int, grace_s: float) -> None:
    sleep(grace_s)
    _end(code)


def _end(code: int) -> NoReturn:
    for stream in (answers(), notes(), sys.stdout, sys.stderr):
        with suppress(Exception):  # theirs may be closed, or anything
            stream.flush()
    os._exit(code)
