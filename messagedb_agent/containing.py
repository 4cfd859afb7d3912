"""Work that is not ours, in a task of its own: whatever it does, its caller goes on."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

GRACE_S = 1.0
"""How long work that was cancelled may take to end before it is left behind."""

T = TypeVar("T")


class Escaped(Exception):
    """Stands for what would have ended more than the work: `sys.exit()`, a task's own cancel.

    Args:
        error: what was raised.
    """

    def __init__(self, error: BaseException) -> None:
        super().__init__(error_text(error))
        self.error = error


class Overtime(Exception):
    """The work did not end in its time."""


async def contained(
    work: Callable[[], Awaitable[T]],
    *,
    timeout_s: float | None = None,
    since: Callable[[], float] | None = None,
) -> T:
    """Await work in a task of its own, and return or raise what it does.

    Work that swallows its cancellation is left behind after `GRACE_S`. Work that answers it with
    a result has been done: the result is returned, as if nobody had cancelled it.

    Args:
        work: makes what is awaited.
        timeout_s: seconds until it is cancelled; None for no bound.
        since: for work of several steps, says when the one under way began, by the loop's clock;
            each has `timeout_s`.

    Raises:
        CancelledError: the caller was cancelled.
        Overtime: the time was up.
        Escaped: the work raised what is no `Exception`, or cancelled itself.
    """
    task = asyncio.create_task(_held(work))
    try:
        done = await _has_ended(task, timeout_s)
        while not done and since is not None and timeout_s is not None:
            left_s = since() + timeout_s - asyncio.get_running_loop().time()
            if left_s <= 0:
                break
            done = await _has_ended(task, left_s)
    except asyncio.CancelledError:
        if await _ends_with_result(task):
            return task.result()
        raise
    if not done and not await _ends_with_result(task):
        raise Overtime
    if task.cancelled():
        raise Escaped(asyncio.CancelledError("it cancelled itself"))
    return task.result()


async def to_the_end(work: Coroutine[Any, Any, T]) -> T:
    """Await work that is not to be cut short, however often its caller is cancelled meanwhile.

    It must end by itself soon: each of its steps needs a bound of time.
    """
    task = asyncio.create_task(work)
    while not task.done():
        with suppress(asyncio.CancelledError):
            await _has_ended(task)
    return task.result()


def error_text(error: BaseException) -> str:
    """Return an exception's class and text in one; its text may be another's, and raise."""
    if isinstance(error, Escaped):  # whose text is made here
        return str(error)
    try:
        said = str(error)
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001 - the exception is somebody else's, and so is its __str__
        said = ""
    name = type(error).__name__
    return f"{name}: {said}" if said else name


async def _held(work: Callable[[], Awaitable[T]]) -> T:
    try:
        return await work()
    except (Exception, asyncio.CancelledError, KeyboardInterrupt):
        raise
    except BaseException as error:  # a task that raises it ends the whole loop
        raise Escaped(error) from error


async def _ends_with_result(task: "asyncio.Task[Any]") -> bool:
    """Cancel a task, and say whether it answered that with a result."""
    task.cancel()
    task.add_done_callback(_take_note)
    ended = await _has_ended(task, GRACE_S)
    return ended and not task.cancelled() and task.exception() is None


async def _has_ended(task: "asyncio.Task[Any]", within_s: float | None = None) -> bool:
    """Wait until a task has ended or the time is up; a wait that is cancelled leaves it alone.

    Args:
        task: what is waited for.
        within_s: seconds to wait at the most; None for no bound.
    """
    loop = asyncio.get_running_loop()
    ended = loop.create_future()

    def tell(_: object = None) -> None:
        if not ended.done():
            ended.set_result(None)

    task.add_done_callback(tell)
    timer = None if within_s is None else loop.call_later(within_s, tell)
    try:
        await ended
    finally:
        task.remove_done_callback(tell)
        if timer:
            timer.cancel()
    return task.done()


def _take_note(task: "asyncio.Task[Any]") -> None:
    """Hear what work raised that nobody waits for, so that asyncio does not log it as lost."""
    if not task.cancelled():
        task.exception()
