"""An event loop with virtual time, whose callbacks belong to processes that can be killed."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from heapq import heappop, heappush
from typing import Any, TypeVar, TypeVarTuple, Unpack

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


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
        alive: whether it was not killed.
        died: done when it is killed.
        paused: whether its callbacks wait.
        runs: whether its callbacks run: it is neither dead nor paused.
        tasks: all tasks that were begun in it.
        contacts: for whoever counts, how much had happened by its last step.
    """

    def __init__(self, loop: "VirtualLoop", number: int) -> None:
        self.number = number
        self.alive = True
        self.died: asyncio.Future[None] = loop.create_future()
        self.paused = False
        self.runs = True
        self.tasks: list[asyncio.Task[Any]] = []
        self.contacts = -1
        self.kept: list[Step] = []  # callbacks that came while it was paused, or dead
        self._loop = loop
        self.context = copy_context()
        self.context.run(PROCESS.set, self)

    def __repr__(self) -> str:
        return f"p{self.number}"

    def start(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        """Begin work in this process."""
        return self._loop.create_task(work, context=self.context)

    def kill(self) -> None:
        """Stop it, between two steps and for ever."""
        self.alive = self.runs = False
        if not self.died.done():
            self.died.set_result(None)

    def forget(self) -> None:
        """Let go of all that ever ran in it."""
        self.tasks.clear()
        self.kept.clear()
        self.context.run(PROCESS.set, None)

    def pause(self, seconds: float) -> None:
        """Run none of its callbacks for a while; what happens to it meanwhile is kept."""
        self.paused, self.runs = True, False
        self._loop.call_later(seconds, self._wake, context=OUTSIDE)

    def _wake(self) -> None:
        self.paused, self.runs = False, self.alive
        if self.alive:
            self._loop.run_again(self.kept)
            self.kept = []


PROCESS: ContextVar[Process | None] = ContextVar("process", default=None)
OUTSIDE = copy_context()
"""The context of what belongs to no process: the server, the people, the clock."""


def _do_nothing() -> None:
    """Be in the place of what was called off."""


class Step(asyncio.TimerHandle):
    """A callback, and whose it is: a handle of asyncio's without what it keeps for debugging.

    Attributes:
        due: when it runs, by the loop's time; what is to run at once has no use for it.
        process: the process it belongs to, if any.
    """

    __slots__ = ("args", "callback", "context", "due", "process")

    def __init__(
        self,
        due: float,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        context: Context | None,
    ) -> None:
        self.due = due
        self.callback = callback
        self.args = args
        self.context = copy_context() if context is None else context
        self.process: Process | None = self.context.get(PROCESS)
        self._cancelled = False

    def cancel(self) -> None:
        self._cancelled = True
        self.callback, self.args = _do_nothing, ()

    def when(self) -> float:
        return self.due


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs callbacks in order; where none is ready, time jumps to the next timer.

    Attributes:
        steps: how many callbacks of processes were run.
        on_step: called before each of them; may kill or pause the process.
        troubles: what asyncio says it cannot raise anywhere, such as an exception nobody heard.
    """

    _ready: deque[Step]  # of asyncio's own loops, since Python 3.4
    _stopping: bool  # likewise

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._timers: list[tuple[float, int, Step]] = []  # of the same time in order of making
        self._made = 0
        self._readers: dict[int, Step] = {}
        self.steps = 0
        self.on_step: Callable[[Process], None] = lambda _: None
        self.troubles: list[str] = []
        self._clearing = False
        self.set_exception_handler(self._hear)

    def time(self) -> float:
        return self._now

    def close(self) -> None:
        """End it, and let go of all that it was still to call."""
        super().close()
        self._timers.clear()
        self._readers.clear()
        self.on_step = lambda _: None

    def call_soon(
        self,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.Handle:
        step = Step(0.0, callback, args, context)
        self._ready.append(step)
        return step

    call_soon_threadsafe = call_soon  # there is one thread

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        return self._set(Step(when, callback, args, context))

    def call_later(
        self,
        delay: float,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        return self._set(Step(self._now + delay, callback, args, context))

    def _set(self, timer: Step) -> Step:
        self._made += 1
        heappush(self._timers, (timer.due, self._made, timer))
        return timer

    def create_task(
        self, coro: Any, *, name: object = None, context: Context | None = None
    ) -> "asyncio.Task[Any]":
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=self, context=context)
        if process := PROCESS.get() if context is None else context.get(PROCESS):
            process.tasks.append(task)
        return task

    def add_reader(self, fd: Any, callback: Callable[[Unpack[Ts]], Any], *args: *Ts) -> None:
        self._readers[fd] = Step(0.0, callback, args, None)

    def remove_reader(self, fd: Any) -> bool:
        return self._readers.pop(fd, None) is not None

    def readable(self, fd: int) -> None:
        """Let whoever watches a socket know that there is something to read."""
        if step := self._readers.get(fd):
            self._ready.append(step)

    def run_again(self, steps: list[Step]) -> None:
        """Let callbacks run that were held back."""
        self._ready.extend(steps)

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
        for process in dead:  # else each would be held by its own context, and all it had with it
            process.forget()

    def _run_once(self) -> None:
        """Run callbacks until one of them stops the loop."""
        ready, timers = self._ready, self._timers
        while not self._stopping:
            if not ready:
                while timers and timers[0][2]._cancelled:
                    heappop(timers)
                if not timers:
                    raise Stuck("nothing can happen any more, and somebody waits")
                self._now = max(self._now, timers[0][0])
            while timers and timers[0][0] <= self._now:
                ready.append(heappop(timers)[2])
            step = ready.popleft()
            if step._cancelled:
                continue
            if (process := step.process) is not None and not self._clearing:
                if process.runs:
                    self.steps += 1
                    self.on_step(process)
                if not process.runs:
                    process.kept.append(step)
                    continue
            try:
                step.context.run(step.callback, *step.args)
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException as error:  # noqa: BLE001 - as asyncio's own handles do
                self._hear(self, {"message": f"in {step.callback}", "exception": error})

    def _hear(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if not self._clearing:
            self.troubles.append(f"{context.get('message')}: {context.get('exception')!r}")

    def _write_to_self(self) -> None:
        """Wake nobody: there is one thread."""

    def _process_events(self, event_list: Any) -> None:
        """Have no sockets to look at."""
