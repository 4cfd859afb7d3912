"""Running a command's work in an event loop, and ending though a tool's work will not."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from messagedb_agent.cli.guard import Cancelled
from messagedb_agent.cli.leaving import leave_behind
from messagedb_agent.containing import GRACE_S

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
    try:
        return runner.run(work)
    except asyncio.CancelledError as error:
        raise Cancelled("the command was cancelled from within, as by a tool") from error
    finally:
        _close(runner.get_loop())


def _close(loop: asyncio.AbstractEventLoop) -> None:
    pending = asyncio.all_tasks(loop)
    try:
        for task in pending:
            task.cancel()
        if pending:
            loop.run_until_complete(asyncio.wait(pending, timeout=GRACE_S))
        with suppress(TimeoutError):
            loop.run_until_complete(asyncio.wait_for(loop.shutdown_asyncgens(), GRACE_S))
    finally:
        for task in pending:
            if not task.done():
                leave_behind(task)
        asyncio.set_event_loop(None)
        loop.close()  # waits for no thread
