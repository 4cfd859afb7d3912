"""Running a command's work in an event loop, and ending though a tool's work will not."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from messagedb_agent.cli.guard import Cancelled
from messagedb_agent.cli.leaving import leave_behind
from messagedb_agent.cli.terminal import note
from messagedb_agent.containing import GRACE_S, error_text

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Await work in a loop of its own, and return or raise what it does.

    As `asyncio.run`, but for the end: that one waits for ever for a task that swallows its
    cancellation, and for threads. Here tasks have `GRACE_S` and are left behind.

    Raises:
        KeyboardInterrupt: Ctrl-C; the work was cancelled, and has ended.
        Cancelled: the work was cancelled from within.
    """
    runner = asyncio.Runner()  # never closed: its close is what waits
    runner.get_loop().set_exception_handler(_tell)
    try:
        return runner.run(work)
    except (asyncio.CancelledError, SystemExit) as error:  # the latter: of a task left behind
        raise Cancelled("the command was cancelled from within, as by a tool") from error
    finally:
        _close(runner.get_loop())


def _tell(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Say in a line what asyncio would show a traceback of: tasks of tools that nobody awaits."""
    error = context.get("exception")
    what = f": {error_text(error)}" if isinstance(error, BaseException) else ""
    note(f"{context['message']}{what}")


def _close(loop: asyncio.AbstractEventLoop) -> None:
    pending = asyncio.all_tasks(loop)
    try:
        for task in pending:
            task.cancel()
        if pending:
            with suppress(SystemExit):
                loop.run_until_complete(asyncio.wait(pending, timeout=GRACE_S))
        with suppress(TimeoutError, SystemExit):
            loop.run_until_complete(asyncio.wait_for(loop.shutdown_asyncgens(), GRACE_S))
    finally:
        for task in asyncio.all_tasks(loop):  # those born meanwhile as well
            leave_behind(task)
        asyncio.set_event_loop(None)
        loop.close()  # waits for no thread
