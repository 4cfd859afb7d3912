"""The door from synchronous code to the event loop that agents run on."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Generator
from concurrent.futures import Future, wait
from contextlib import suppress
from threading import Event, Thread, current_thread
from typing import Any, TypeVar

from messagedb_agent.errors import ConfigurationError, StoreUnavailable

T = TypeVar("T")

_LOOK_S = 1.0  # how often it is asked whether the loop still runs; also lets Ctrl-C in on Windows
_END = object()


class Door:
    """An event loop in a thread of its own, which runs what is brought to it.

    Any number of threads may bring something at once, also one in which another loop runs: it
    waits meanwhile. The thread ends with `close`, or with the process.
    """

    def __init__(self) -> None:
        self._opened, self._loop = Event(), asyncio.new_event_loop()
        self._ending = asyncio.Event()
        self._thread = Thread(target=self._turn, name="messagedb-agent", daemon=True)
        self._thread.start()
        self._opened.wait()

    @property
    def is_open(self) -> bool:
        """Whether the loop runs."""
        return self._thread.is_alive()

    def run(self, work: Awaitable[T]) -> T:
        """Run something to its end, and return what it gives.

        An interrupt (Ctrl-C) cancels it, and comes through once it has ended; a second one comes
        through at once. Context variables are those of the caller.

        Args:
            work: a coroutine, or anything else that can be awaited in the loop.

        Raises:
            StoreUnavailable: the door is closed, was closed meanwhile, or is another process's,
                of which this one is a fork.
            ConfigurationError: it was called in the loop's own thread, and would wait for itself.

        What the work raises comes through.
        """
        coroutine = work if asyncio.iscoroutine(work) else _awaited(work)
        begun, future = list[asyncio.Task[T]](), Future[T]()

        def begin() -> None:
            begun.append(self._loop.create_task(coroutine))
            begun[0].add_done_callback(lambda task: _settle(future, task))

        def end() -> None:
            if begun:
                begun[0].cancel()
            else:
                future.cancel()

        try:
            self._check_thread()
            self._tell(begin)
            return self._result(future)
        except BaseException:  # an interrupt may come at any of these steps
            with suppress(StoreUnavailable, ConfigurationError):
                self._check_thread()
                self._tell(end)
                wait((future,))
            if not begun:
                _dropped(coroutine, work)
            raise

    def each(self, items: AsyncIterator[T]) -> Generator[T, None, None]:
        """Give items one by one as they come; see `run`. One that is left early is closed."""
        try:
            while (item := self.run(anext(items, _END))) is not _END:
                yield item  # type: ignore[misc]  # the end is no item
        finally:
            if (close := getattr(items, "aclose", None)) is not None:
                self.run(close())

    def close(self) -> None:
        """Cancel what still runs, and end the loop and its thread; twice is once."""
        self._check_thread()
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._ending.set)
            self._thread.join()

    def _turn(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._opened.set()
        await self._ending.wait()
        # Whoever waits is told what became of it: it is no business of the loop's log as well.
        if others := asyncio.all_tasks() - {asyncio.current_task()}:
            for task in others:
                task.cancel()
            await asyncio.wait(others)

    def _check_thread(self) -> None:
        if current_thread() is self._thread:
            raise ConfigurationError(
                "the synchronous door was used in its own event loop, which it would wait for;"
                " what is called there has to be asynchronous",
                field="sync",
            )

    def _tell(self, callback: Any) -> None:
        if not self._thread.is_alive():  # also in a fork of the process, whose loop looks open
            raise _closed()
        try:
            self._loop.call_soon_threadsafe(callback)
        except RuntimeError as error:  # the loop is closed
            raise _closed() from error

    def _result(self, future: "Future[T]") -> T:
        while not wait((future,), timeout=_LOOK_S).done:
            if not self._thread.is_alive() and not future.done():
                raise _closed()
        return future.result()


async def _awaited(work: Awaitable[T]) -> T:
    return await work


def _dropped(*works: object) -> None:
    """Close what was never begun, so that nobody is told that it was forgotten."""
    for work in works:
        if (close := getattr(work, "close", None)) is not None:
            close()


def _settle(future: "Future[T]", task: "asyncio.Task[T]") -> None:
    if task.cancelled():
        future.set_exception(_closed())
    elif (error := task.exception()) is not None:
        future.set_exception(error)
    else:
        future.set_result(task.result())


def _closed() -> StoreUnavailable:
    return StoreUnavailable("the engine is closed, or was opened in another process")
