"""How a tool's body is run: in a thread or a task, within its time, its outcome a value."""

import asyncio
import contextvars
import json
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic_core import to_jsonable_python

from messagedb_agent.containing import Overtime, contained, error_text
from messagedb_agent.errors import ToolError
from messagedb_agent.events.values import MAX_FAILURE_CHARS
from messagedb_agent.tools.tool import ToolFailure, ToolResult

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Raised:
    error: BaseException


async def in_thread(function: Callable[[], T], *, name: str) -> T:
    """Run a blocking function in a thread of its own and return what it returns.

    A thread cannot be stopped from outside. When the caller is cancelled or its time is up, the
    thread runs on, what it returns is dropped, and as a daemon it does not keep the process from
    ending. A thread of a pool would: it would take the place of later calls, and the interpreter
    would wait for it at exit.

    Args:
        function: what to run; context variables are those of the caller.
        name: the thread's name.

    Raises:
        ToolError: the function raised what is no `Exception`, such as `SystemExit`, which would
            end the process here.
    """
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[T | _Raised] = loop.create_future()
    context = contextvars.copy_context()

    def deliver(value: T | _Raised) -> None:
        if not outcome.done():
            outcome.set_result(value)

    def work() -> None:
        value: T | _Raised
        try:
            value = context.run(function)
        except BaseException as error:  # noqa: BLE001 - carried to the caller's task
            value = _Raised(error)
        with suppress(RuntimeError):  # the loop has been closed: nobody waits any more
            loop.call_soon_threadsafe(deliver, value)

    threading.Thread(target=work, name=name, daemon=True).start()
    value = await outcome
    if not isinstance(value, _Raised):
        return value
    if isinstance(value.error, Exception):
        raise value.error
    raise ToolError(failure_text(value.error)) from value.error


async def run_bounded(
    body: Callable[[], Awaitable[Any]], *, timeout_s: float | None, max_output_chars: int
) -> ToolResult | ToolFailure:
    """Run a tool's body and return its outcome; only our own cancellation raises.

    A body that answers its cancellation with a result has done its work: the result is returned.
    The body runs in a task of its own, so that a body which cancels itself, or will not end when
    it is cancelled, does not take the caller with it.

    Args:
        body: makes what is awaited.
        timeout_s: seconds until it is cancelled; None for no bound.
        max_output_chars: where the output is cut.
    """

    async def result() -> ToolResult:
        return ToolResult(bounded_text(output_text(await body()), max_output_chars))

    try:
        return await contained(result, timeout_s=timeout_s)
    except Overtime:
        return ToolFailure(
            "timed_out", f"no result within {timeout_s:g} s; whether it did its work is not known"
        )
    except Exception as error:  # noqa: BLE001 - here it becomes a fact, sys.exit included
        return ToolFailure("raised", failure_text(error))


def output_text(value: object) -> str:
    """Return text as it is and anything else as JSON.

    Models, dataclasses, enums, dates and the like become what pydantic makes of them.

    Raises:
        ToolError: JSON cannot hold the value, or a number in it (`nan`, `inf`).
    """
    if isinstance(value, str):
        return value
    try:
        plain = to_jsonable_python(value)
        return json.dumps(plain, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        what = type(value).__name__
        raise ToolError(
            f"the tool gave back a value of type {what} that JSON cannot hold: {first_line(error)}"
        ) from error


def bounded_text(text: str, max_chars: int) -> str:
    """Return `text` cut at `max_chars` characters, and say how many were left out."""
    left_out = len(text) - max_chars
    if left_out <= 0:
        return text
    return f"{text[:max_chars]}\n[cut here: {left_out} more characters were left out]"


def failure_text(error: BaseException) -> str:
    """Return what the model is told of an exception: a `ToolError`'s text, or class and text."""
    text = error_text(error)
    if isinstance(error, ToolError):
        text = text.removeprefix(f"{type(error).__name__}: ")
    return shortened(text, MAX_FAILURE_CHARS)


def first_line(error: BaseException) -> str:
    """Return the first line of an exception's text, or the name of its class."""
    return next(iter(str(error).splitlines()), "") or type(error).__name__


def shortened(text: str, max_chars: int) -> str:
    """Return `text` with at most `max_chars` characters, `...` for the rest."""
    return text if len(text) <= max_chars else f"{text[: max_chars - 3]}..."
