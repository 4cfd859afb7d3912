"""Seeing to threads that have news: one task a thread, so many at once, again where it must be."""

import asyncio
import heapq
import itertools
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from messagedb_agent.agents.attending import Attended
from messagedb_agent.consumers.patience import Patience
from messagedb_agent.containing import error_text
from messagedb_agent.errors import ConfigurationError, StoreError

_logger = logging.getLogger("messagedb_agent.consumers")

See = Callable[[str], Awaitable[Attended]]
"""Sees a stream's thread through to its rest, if nobody else works on it."""

ENDS_S = 3.0
"""How long what is cancelled may take: its effects to end, and the store to hear what they gave."""


class Share(Protocol):
    """Whoever a thread's news were given to, and is told what became of them."""

    def handled(self, stream: str, version: int) -> bool:
        """Note that a thread rests up to a position; say whether that is all of its news."""
        ...

    async def park(self, stream: str, reason: str, tries: int) -> None:
        """Put a thread aside for good."""
        ...


@dataclass(slots=True, eq=False)
class _Case:
    """A thread that has news.

    Attributes:
        stream: its stream.
        share: who is told what becomes of it; None where nobody is, any more.
        tries: how often in a row its handling has raised.
        looks: how often in a row it was not to be had.
        lacks: how often in a row its tools were not here, since its last news.
        due: number of the look that it waits for; -1 for none.
        complaint: what was said of it last in the log, so that it is said once.
        task: what sees to it; None where it waits.
        has_late_news: whether news came when that had ended, and nobody had taken note of it yet.
    """

    stream: str
    share: Share | None
    tries: int = 0
    looks: int = 0
    lacks: int = 0
    due: int = -1
    complaint: str = ""
    task: "asyncio.Task[float | None] | None" = None
    has_late_news: bool = False


@dataclass(eq=False)
class Attendance:
    """Threads that have news.

    Attributes:
        see: sees a thread through, if nobody else works on it.
        concurrency: how many threads are seen to at once.
        patience: how long a thread is tried.
        done: how often a thread was seen at rest.
    """

    see: See
    concurrency: int
    patience: Patience = field(default_factory=Patience)
    done: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._cases: dict[str, _Case] = {}
        self._ready: deque[_Case] = deque()
        self._again: deque[_Case] = deque()  # time for another look
        self._is_again = False
        self._later: list[tuple[float, int, _Case]] = []
        self._number = itertools.count()
        self._timer: asyncio.TimerHandle | None = None
        self._under_way = 0
        self._is_closing = False

    @property
    def waiting(self) -> int:
        """How many threads wait for their first look, or for another one at once."""
        return len(self._ready)

    @property
    def under_way(self) -> int:
        """How many threads are seen to at this moment."""
        return self._under_way

    @property
    def watched(self) -> int:
        """How many threads are looked at again later."""
        return len(self._later) + len(self._again)

    def has(self, stream: str) -> bool:
        """Say whether a thread is in hand."""
        return stream in self._cases

    def offer(self, stream: str, share: Share) -> None:
        """Take a thread that has news; one that is in hand already is in hand once."""
        case = self._cases.get(stream)
        if case is not None:
            case.share = share
            case.has_late_news = case.task is not None and case.task.done()
            if case.lacks and case.due >= 0:  # its news may be of other tools
                self._watch(case, self.patience.soonest_s)
            case.lacks = 0
            return
        self._cases[stream] = case = _Case(stream, share)
        self._ready.append(case)
        self._begin()

    def has_failed(self, stream: str) -> bool:
        """Say whether the handling of a thread in hand has raised, the last time."""
        case = self._cases.get(stream)
        return case is not None and case.tries > 0

    def withdraw(self, share: Share) -> None:
        """Forget the threads of a share; what is under way goes on to its rest."""
        self._forget([case for case in self._cases.values() if case.share is share])

    def forget(self, stream: str) -> None:
        """Forget a thread; where it is under way it goes on to its rest, and is not tried again."""
        if case := self._cases.get(stream):
            self._forget([case])

    def _forget(self, cases: Sequence[_Case]) -> None:
        for case in cases:
            case.share = None
            if case.task is None:
                del self._cases[case.stream]
        self._ready = deque(case for case in self._ready if case.share)
        self._again = deque(case for case in self._again if case.share)
        self._later = [entry for entry in self._later if entry[2].share]
        heapq.heapify(self._later)

    def cancel(self, share: Share | None = None) -> None:
        """Cancel what is under way, of a share or all of it."""
        for case in self._cases.values():
            if case.task is not None and share in (None, case.share):
                case.task.cancel()

    async def close(self, grace_s: float) -> None:
        """Begin nothing more, and wait for what is under way.

        What lasts longer is cancelled, and has `ENDS_S` to end; then it is left as it stands.
        """
        self._is_closing = True
        if self._timer:
            self._timer.cancel()
        if tasks := self._tasks:
            await asyncio.wait(tasks, timeout=grace_s)
        self.cancel()
        if tasks := self._tasks:
            await asyncio.wait(tasks, timeout=ENDS_S)
        for case in [case for case in self._cases.values() if case.task]:
            _logger.warning("it does not end, and is left as it stands", extra=_of(case))
            del self._cases[case.stream]

    @property
    def _tasks(self) -> list["asyncio.Task[float | None]"]:
        return [case.task for case in self._cases.values() if case.task is not None]

    def _begin(self) -> None:
        """Begin as many as may be seen to at once."""
        while not self._is_closing and self._under_way < self.concurrency:
            if (case := self._next()) is None:
                return
            self._under_way += 1
            case.task = asyncio.create_task(self._see(case))
            # Not in the task itself: one that is cancelled before its first step does nothing.
            case.task.add_done_callback(partial(self._ended, case))

    def _next(self) -> _Case | None:
        """Return whose turn it is: where both wait, first and further looks take turns.

        So however many threads are looked at in vain, over and over, news wait for few of them.
        """
        self._is_again = bool(self._again) and not (self._ready and self._is_again)
        waiting = self._again if self._is_again else self._ready
        return waiting.popleft() if waiting else None

    def _ended(self, case: _Case, task: "asyncio.Task[float | None]") -> None:
        again_in_s = 0.0 if case.has_late_news else self._again_in_s(case, task)
        case.task, case.has_late_news = None, False
        self._under_way -= 1
        if self._is_closing or again_in_s is None or case.share is None:
            self._cases.pop(case.stream, None)
        elif again_in_s == 0:
            self._ready.append(case)
        else:
            self._watch(case, again_in_s)
        self._begin()

    def _again_in_s(self, case: _Case, task: "asyncio.Task[float | None]") -> float | None:
        """Return in how many seconds a thread is to be looked at again, if at all."""
        if task.cancelled():  # somebody may want it anew
            return 0.0
        if error := task.exception():  # a mistake here: it must not be silent, nor without pause
            self._complain(case, f"seeing to it failed: {error_text(error)}")
            return self.patience.latest_s
        return task.result()

    async def _see(self, case: _Case) -> float | None:
        """See to a thread; return in how many seconds it is to be looked at again, if at all."""
        try:
            attended = await self.see(case.stream)
        except ConfigurationError as error:  # others may have what is missing here
            self._complain(case, f"let go: {error}")
            case.lacks += 1
            return self.patience.without_tools_s(case.lacks)
        except StoreError as error:  # nothing that the thread could be blamed for
            self._complain(case, f"the store failed: {error}")
            return self._look_later(case)
        except Exception as error:  # noqa: BLE001 - whatever a thread's data may do: it is parked
            return await self._failed(case, error)
        if attended.is_blocked:
            case.tries = max(1, case.tries)
            return await self._park(case, "it holds an event that needs newer code")
        if not attended.rests:
            return self._look_later(case)
        case.tries = case.looks = case.lacks = 0
        case.complaint = ""
        self.done += 1
        is_all = case.share is None or case.share.handled(case.stream, attended.version)
        return None if is_all else 0.0

    def _look_later(self, case: _Case) -> float:
        case.looks += 1
        return self.patience.pause_s(case.looks)

    async def _failed(self, case: _Case, error: Exception) -> float | None:
        case.tries += 1
        reason = error_text(error)
        if case.tries < self.patience.tries:
            self._complain(case, f"handling it failed, and is tried again: {reason}")
            return self.patience.pause_s(case.tries)
        return await self._park(case, reason)

    async def _park(self, case: _Case, reason: str) -> float | None:
        if case.share is None:  # whoever has it now tries for themselves
            return None
        try:
            await case.share.park(case.stream, reason, case.tries)
        except StoreError as unavailable:
            self._complain(case, f"it cannot be parked yet: {unavailable}")
            return self.patience.latest_s
        return None

    def _complain(self, case: _Case, complaint: str) -> None:
        """Say what is wrong with a thread, once."""
        if case.complaint != complaint:
            case.complaint = complaint
            _logger.warning("%s", complaint, extra=_of(case))

    def _watch(self, case: _Case, seconds: float) -> None:
        due = asyncio.get_running_loop().time() + seconds
        case.due = next(self._number)
        heapq.heappush(self._later, (due, case.due, case))
        self._set_timer()

    def _set_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if self._later and not self._is_closing:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(self._later[0][0], self._look_again)

    def _look_again(self) -> None:
        now = asyncio.get_running_loop().time()
        while self._later and self._later[0][0] <= now:
            _, number, case = heapq.heappop(self._later)
            if number == case.due:  # else another look has come before
                case.due = -1
                self._again.append(case)
        self._set_timer()
        self._begin()


def _of(case: _Case) -> dict[str, str]:
    """Return what a log's line about a thread carries."""
    return {"stream": case.stream}
