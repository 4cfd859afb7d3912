"""An event loop with virtual time, whose callbacks belong to processes that can be killed."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from heapq import heappop
from typing import Any, Protocol, TypeVar, TypeVarTuple, Unpack, cast

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class _Step(Protocol):
    """A handle of asyncio, whose context has no public name before Python 3.12."""

    _context: Context


class Stuck(AssertionError):
    """Nothing is left that could ever happen, and somebody still waits."""


class Killed(BaseException):
    """What a dead process gets from everything it asks for while its remains are cleared away."""


class Process:
    """A process of the simulated world.

    Args:
        loop: the loop that all processes share.
        number: unlike any other's.

    Attributes:
        alive: whether its callbacks run.
        died: done when it is killed.
        paused: whether its callbacks wait.
        tasks: all tasks that were begun in it.
    """

    def __init__(self, loop: "VirtualLoop", number: int) -> None:
        self.number = number
        self.alive = True
        self.died: asyncio.Future[None] = loop.create_future()
        self.paused = False
        self.tasks: list[asyncio.Task[Any]] = []
        self.kept: list[asyncio.Handle] = []  # callbacks that came while it was paused, or dead
        self._loop = loop
        self.context = copy_context()
        self.context.run(PROCESS.set, self)

    def __repr__(self) -> str:
        return f"p{self.number}"

    @property
    def runs(self) -> bool:
        return self.alive and not self.paused

    def start(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        """Begin work in this process."""
        return self._loop.create_task(work, context=self.context)

    def kill(self) -> None:
        """Stop it, between two steps and for ever."""
        self.alive = False
        if not self.died.done():
            self.died.set_result(None)

    def pause(self, seconds: float) -> None:
        """Run none of its callbacks for a while; what happens to it meanwhile is kept."""
        self.paused = True
        self._loop.call_later(seconds, self._wake, context=OUTSIDE)

    def _wake(self) -> None:
        self.paused = False
        if self.alive:
            self._loop.run_again(self.kept)
            self.kept = []


PROCESS: ContextVar[Process | None] = ContextVar("process", default=None)
OUTSIDE = copy_context()
"""The context of what belongs to no process: the server, the people, the clock."""


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs callbacks in order; where none is ready, time jumps to the next timer.

    Attributes:
        steps: how many callbacks of processes were run.
        on_step: called before each of them; may kill or pause the process.
        troubles: what asyncio says it cannot raise anywhere, such as an exception nobody heard.
    """

    _ready: deque[asyncio.Handle]  # of asyncio's own loops, since Python 3.4
    _scheduled: list[asyncio.TimerHandle]

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._readers: dict[int, asyncio.Handle] = {}
        self.steps = 0
        self.on_step: Callable[[Process], None] = lambda _: None
        self.troubles: list[str] = []
        self._clearing = False
        self.set_exception_handler(self._hear)

    def time(self) -> float:
        return self._now

    def create_task(self, coro: Any, **keywords: Any) -> "asyncio.Task[Any]":
        task = super().create_task(coro, **keywords)
        context = keywords.get("context")
        process = context.get(PROCESS) if context else PROCESS.get()
        if process:
            process.tasks.append(task)
        return task

    def add_reader(self, fd: Any, callback: Callable[[Unpack[Ts]], Any], *args: *Ts) -> None:
        self._readers[fd] = asyncio.Handle(callback, args, self, copy_context())

    def remove_reader(self, fd: Any) -> bool:
        return self._readers.pop(fd, None) is not None

    def readable(self, fd: int) -> None:
        """Let whoever watches a socket know that there is something to read."""
        if handle := self._readers.get(fd):
            self._ready.append(handle)

    def run_again(self, handles: list[asyncio.Handle]) -> None:
        """Let callbacks run that were held back."""
        self._ready.extend(handles)

    def clear_away(self, dead: list[Process]) -> None:
        """End the tasks of dead processes, which reach nothing any more."""
        self._clearing = True
        for process in dead:
            self.run_again(process.kept)
        remains = [task for process in dead for task in process.tasks if not task.done()]
        while remains:
            for task in remains:
                task.cancel()
            self.run_until_complete(asyncio.wait(remains, timeout=1))
            remains = [t for process in dead for t in process.tasks if not t.done()]
        for task in [task for process in dead for task in process.tasks]:
            if not task.cancelled():
                task.exception()

    def _run_once(self) -> None:
        if not self._ready:
            if not self._scheduled:
                raise Stuck("nothing can happen any more, and somebody waits")
            self._now = max(self._now, self._scheduled[0].when())
        while self._scheduled and self._scheduled[0].when() <= self._now:
            self._ready.append(heappop(self._scheduled))
        handle = self._ready.popleft()
        if not handle.cancelled():
            self._run(handle)

    def _run(self, handle: asyncio.Handle) -> None:
        # A handle has had its context under this name in every version there is.
        process = cast(_Step, handle)._context.get(PROCESS)
        if process and not self._clearing:
            if process.runs:
                self.steps += 1
                self.on_step(process)
            if not process.runs:
                process.kept.append(handle)
                return
        handle._run()

    def _hear(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if not self._clearing:
            self.troubles.append(f"{context.get('message')}: {context.get('exception')!r}")

    def _write_to_self(self) -> None:
        """Wake nobody: there is one thread."""

    def _process_events(self, event_list: Any) -> None:
        """Have no sockets to look at."""
