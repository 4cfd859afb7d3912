"""Outcomes are values: text or JSON, bounded; whatever a body raises; whatever time it takes."""

import asyncio
import contextvars
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Any, NoReturn
from uuid import UUID

import pytest
from pydantic import BaseModel

from messagedb_agent import containing
from messagedb_agent.errors import NotFound, ToolError
from messagedb_agent.events.values import MAX_FAILURE_CHARS
from messagedb_agent.tools.running import in_thread, output_text, run_bounded
from messagedb_agent.tools.tool import ToolFailure, ToolResult


class Colour(Enum):
    RED = "red"


class Point(BaseModel):
    x: int
    y: float


@dataclass
class Pair:
    left: str
    right: Any


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("as it is\n\x00", "as it is\n\x00"),
        ("", ""),
        (None, "null"),
        (True, "true"),
        (3, "3"),
        (0.1, "0.1"),
        ({"b": 1, "a": [1, None]}, '{"b": 1, "a": [1, null]}'),
        ([1, (2, 3)], "[1, [2, 3]]"),
        (Point(x=1, y=2), '{"x": 1, "y": 2.0}'),
        (Pair("l", Point(x=1, y=2)), '{"left": "l", "right": {"x": 1, "y": 2.0}}'),
        (Colour.RED, '"red"'),
        (date(2026, 1, 2), '"2026-01-02"'),
        (Decimal("0.10"), '"0.10"'),
        (UUID(int=0), '"00000000-0000-0000-0000-000000000000"'),
        (b"bytes", '"bytes"'),
        ({1: "one"}, '{"1": "one"}'),
        (["\N{SNOWMAN}", "\ud800"], '["\N{SNOWMAN}", "\ud800"]'),
    ],
)
def test_text_stays_and_anything_else_is_json(value: object, text: str) -> None:
    assert output_text(value) == text


def circular() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


def deep() -> list[Any]:
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [object(), b"\xff", circular(), len, [lambda: 1], deep(), float("nan"), [float("-inf")]],
)
def test_what_json_cannot_hold_is_said_with_its_type(value: object) -> None:
    with pytest.raises(ToolError, match=f"of type {type(value).__name__} that JSON cannot hold"):
        output_text(value)


async def outcome(
    body: Callable[[], Any], timeout_s: float | None = None, max_output_chars: int = 100
) -> ToolResult | ToolFailure:
    async def run() -> Any:
        return body()

    return await run_bounded(run, timeout_s=timeout_s, max_output_chars=max_output_chars)


async def test_output_is_cut_at_the_bound_and_says_how_much_is_missing() -> None:
    assert await outcome(lambda: "x" * 100) == ToolResult("x" * 100)
    cut = "\n[cut here: 1 more characters were left out]"
    assert await outcome(lambda: "x" * 101) == ToolResult("x" * 100 + cut)
    match await outcome(lambda: ["x" * 10_000_000]):
        case ToolResult(text):
            assert text.startswith('["xxx')
            assert text.endswith("9999904 more characters were left out]")
        case failure:
            pytest.fail(f"{failure}")


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class Exiting(Exception):
    def __str__(self) -> str:
        raise SystemExit(1)


class Own(BaseException):
    pass


def raiser(error: BaseException) -> Callable[[], NoReturn]:
    def body() -> NoReturn:
        raise error

    return body


ERRORS = [
    (ToolError("say this"), "say this"),
    (ToolError(""), "ToolError"),
    (ValueError("bad"), "ValueError: bad"),
    (ValueError(), "ValueError"),
    (KeyError("k"), "KeyError: 'k'"),
    (TimeoutError("slow"), "TimeoutError: slow"),
    (NotFound("thread", "x"), "NotFound: no thread 'x'"),
    (Unprintable(), "Unprintable"),
    (Exiting(), "Exiting"),
    (SystemExit(3), "SystemExit: 3"),
    (GeneratorExit(), "GeneratorExit"),
    (Own("mine"), "Own: mine"),
]


@pytest.mark.parametrize(("error", "message"), ERRORS)
async def test_what_a_coroutine_raises_is_a_failure(error: BaseException, message: str) -> None:
    assert await outcome(raiser(error)) == ToolFailure("raised", message)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        *ERRORS,
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (asyncio.CancelledError(), "CancelledError"),
        (StopIteration("x"), "RuntimeError: coroutine raised StopIteration"),
    ],
)
async def test_what_a_thread_raises_is_a_failure(error: BaseException, message: str) -> None:
    ran = await run_bounded(
        lambda: in_thread(raiser(error), name="t"), timeout_s=None, max_output_chars=100
    )
    assert ran == ToolFailure("raised", message)


def test_an_interrupt_in_a_coroutine_ends_the_program() -> None:
    """In the main thread nothing tells it from a person's Ctrl-C."""
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(outcome(raiser(KeyboardInterrupt())))


async def test_the_text_of_a_failure_is_bounded() -> None:
    match await outcome(raiser(ValueError("x" * 10_000_000))):
        case ToolFailure("raised", message):
            assert len(message) == MAX_FAILURE_CHARS
        case other:
            pytest.fail(f"{other}")


async def test_a_body_that_cancels_itself_has_failed_and_its_caller_goes_on() -> None:
    async def raises() -> None:
        raise asyncio.CancelledError

    async def cancels() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)

    for body in (raises, cancels):
        ran = await run_bounded(body, timeout_s=None, max_output_chars=100)
        assert ran == ToolFailure("raised", "CancelledError: it cancelled itself")


async def test_a_coroutine_out_of_time_is_cancelled() -> None:
    ended = asyncio.Event()

    async def body() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    ran = await run_bounded(body, timeout_s=0.01, max_output_chars=100)
    assert ran == ToolFailure(
        "timed_out", "no result within 0.01 s; whether it did its work is not known"
    )
    assert ended.is_set()


async def test_a_coroutine_that_will_not_end_is_left_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(containing, "GRACE_S", 0.01)
    free = asyncio.Event()

    async def stubborn() -> None:
        while not free.is_set():
            try:
                await free.wait()
            except asyncio.CancelledError:
                continue

    ran = await run_bounded(stubborn, timeout_s=0.01, max_output_chars=100)
    assert isinstance(ran, ToolFailure)
    assert ran.kind == "timed_out"
    free.set()
    await asyncio.sleep(0)


async def test_our_own_cancellation_stops_the_body_and_is_raised() -> None:
    started, ended = asyncio.Event(), asyncio.Event()

    async def body() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    task = asyncio.create_task(run_bounded(body, timeout_s=None, max_output_chars=100))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()


async def test_a_thread_out_of_time_runs_on_and_its_result_is_dropped() -> None:
    free, ended = threading.Event(), threading.Event()
    threads: queue.Queue[threading.Thread] = queue.Queue()

    def body() -> str:
        threads.put(threading.current_thread())
        free.wait()
        ended.set()
        return "too late"

    ran = await run_bounded(
        lambda: in_thread(body, name="slow"), timeout_s=0.01, max_output_chars=100
    )
    assert isinstance(ran, ToolFailure)
    assert ran.kind == "timed_out"
    assert not ended.is_set()
    thread = threads.get(timeout=20)
    assert thread.daemon  # or the process could not end while it runs
    free.set()
    thread.join()
    await asyncio.sleep(0)
    assert ended.is_set()


def test_a_thread_may_outlive_the_loop() -> None:
    free = threading.Event()
    threads: queue.Queue[threading.Thread] = queue.Queue()

    def body() -> None:
        threads.put(threading.current_thread())
        free.wait()

    asyncio.run(
        run_bounded(lambda: in_thread(body, name="slow"), timeout_s=0.01, max_output_chars=9)
    )
    free.set()
    threads.get(timeout=20).join()  # an error in it would fail the test, as a warning does


async def test_threads_see_the_callers_context_variables_and_do_not_wait_for_each_other() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="none")
    variable.set("mine")
    together = threading.Barrier(40)

    def body() -> str:
        together.wait(timeout=20)
        return variable.get()

    results = await asyncio.gather(*(in_thread(body, name="t") for _ in range(40)))
    assert results == ["mine"] * 40
