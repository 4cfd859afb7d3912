"""Threads lately worked on, as far as they were folded: next time only what is new is read."""

from collections import OrderedDict
from threading import RLock

from messagedb_agent.agents.run import Run
from messagedb_agent.agents.weight import text_weight

MAX_EVENTS = 50_000
"""How many folded events are kept, over all threads; long texts count for several."""


class KeptRuns:
    """Runs at rest, the longest unused dropped first.

    A run is taken out while it is in use, so that two turns of one thread never share one; the
    second reads the thread for itself. What others have written meanwhile is read when it
    is taken up.

    Args:
        max_events: how many folded events are kept, over all threads; the thread kept last
            stays, however long it is.
    """

    def __init__(self, max_events: int = MAX_EVENTS) -> None:
        self._max_events = max_events
        self._runs: OrderedDict[str, Run] = OrderedDict()
        self._events = 0
        self._lock = RLock()

    def clear(self) -> None:
        """Drop all that are not in use; any thread of the process may."""
        with self._lock:
            self._runs.clear()
            self._events = 0

    def has(self, thread_id: str) -> bool:
        """Say whether there is a thread's run."""
        return thread_id in self._runs

    def take(self, thread_id: str) -> Run | None:
        """Take a thread's run out, if there is one."""
        with self._lock:
            run = self._runs.pop(thread_id, None)
            if run:
                self._events -= _events(run)
            return run

    def keep(self, run: Run) -> None:
        """Keep a run that has come to rest without an error."""
        with self._lock:
            self.take(run.thread_id)
            self._runs[run.thread_id] = run
            self._events += _events(run)
            while self._events > self._max_events and len(self._runs) > 1:
                self.take(next(iter(self._runs)))


def _events(run: Run) -> int:
    return run.events + text_weight(run.view)
