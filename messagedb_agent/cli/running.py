"""Running a command's work in an event loop, and ending though a tool's work will not."""

import asyncio
import signal
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType
from typing import Any, TypeVar

from messagedb_agent.cli.guard import Cancelled, Terminated
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
        Terminated: SIGTERM; likewise.
        Cancelled: the work was cancelled from within.
    """
    runner = asyncio.Runner()  # never closed: its close is what waits
    runner.get_loop().set_exception_handler(_tell)
    ending = _Ending(runner.get_loop())
    try:
        with ending.on_sigterm():
            return runner.run(ending.ended_by_it(work))
    except (asyncio.CancelledError, SystemExit) as error:  # the latter: of a task left behind
        if ending.is_asked:
            raise Terminated from None
        raise Cancelled("the command was cancelled from within, as by a tool") from error
    finally:
        if not ending.has_begun:
            work.close()
        _close(runner.get_loop())


@dataclass(slots=True)
class _Ending:
    """What SIGTERM does to a loop's work: the first cancels it, and the next ends it at once.

    As asyncio has it for Ctrl-C, which may be ignored where this is not.
    """

    loop: asyncio.AbstractEventLoop
    is_asked: bool = False
    _task: "asyncio.Task[Any] | None" = None

    @property
    def has_begun(self) -> bool:
        return self._task is not None

    async def ended_by_it(self, work: Coroutine[Any, Any, T]) -> T:
        self._task = asyncio.current_task()
        return await work

    @contextmanager
    def on_sigterm(self) -> Iterator[None]:
        """Listen, where nobody else does."""
        is_main = threading.current_thread() is threading.main_thread()
        if not is_main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
            yield
            return
        signal.signal(signal.SIGTERM, self._asked)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def _asked(self, signum: int, frame: FrameType | None) -> None:
        if self.is_asked or self._task is None or self._task.done():
            raise Terminated
        self.is_asked = True
        self._task.cancel()
        self.loop.call_soon_threadsafe(lambda: None)  # wakes it


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
