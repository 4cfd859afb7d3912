"""Watching what is under way from a thread of its own: a handler may keep the loop from running."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_LOOK_S = 0.5
_LOOKS = 3  # in which it is seen to stand still: a whole process may have been paused before


@contextmanager
def watched(blocked_s: float, on_blocked: Callable[[float], None]) -> Iterator[None]:
    """Have a function called from another thread where the running loop stands still.

    Args:
        blocked_s: seconds that it may.
        on_blocked: called once each time that it does, with the seconds it has by then.
    """
    watch = _Watch(asyncio.get_running_loop(), blocked_s, on_blocked)
    watch.begin()
    try:
        yield
    finally:
        watch.end()


class _Watch:
    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        blocked_s: float,
        on_blocked: Callable[[float], None],
    ) -> None:
        self._loop = loop
        self._blocked_s = blocked_s
        self._look_s = min(_LOOK_S, blocked_s / 4)
        self._on_blocked = on_blocked
        self._beat_at = time.monotonic()
        self._timer: asyncio.TimerHandle | None = None
        self._ends = threading.Event()

    def begin(self) -> None:
        self._beat()
        threading.Thread(target=self._look, name="consumer-watch", daemon=True).start()

    def end(self) -> None:
        self._ends.set()
        if self._timer:
            self._timer.cancel()

    def _beat(self) -> None:
        self._beat_at = time.monotonic()
        self._timer = self._loop.call_later(self._look_s, self._beat)

    def _look(self) -> None:
        seen, looks = 0.0, 0
        while not self._ends.wait(self._look_s):
            seen, looks = self._beat_at, looks + 1 if self._beat_at == seen else 0
            still_s = time.monotonic() - seen
            if still_s > self._blocked_s and looks >= _LOOKS:
                self._on_blocked(still_s)
                looks = -(10**9)  # once
