"""Commands that run until they are stopped: by one signal in order, by a second one at once."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from messagedb_agent.cli.exits import ExitCode
from messagedb_agent.cli.leaving import leave_now
from messagedb_agent.cli.terminal import note

_SIGNALS = {signal.SIGINT: ExitCode.INTERRUPTED, signal.SIGTERM: ExitCode.TERMINATED}


@contextmanager
def stopped_by_signals(stop: Callable[[], None], grace: str) -> Iterator[None]:
    """Let the first signal stop the work, and the second end the process at once.

    Args:
        stop: begins nothing more, and lets the work come to its end.
        grace: says how long that may take.
    """
    loop, asked = asyncio.get_running_loop(), list[signal.Signals]()

    def hear(signum: signal.Signals) -> None:
        if asked:
            note("ended at once; whoever takes the threads up finds them as they stand")
            leave_now(_SIGNALS[signum])
        asked.append(signum)
        note(f"stopping: {grace}; once more ends it at once")
        stop()

    for signum in _SIGNALS:
        loop.add_signal_handler(signum, hear, signum)
    try:
        yield
    finally:
        for signum in _SIGNALS:
            loop.remove_signal_handler(signum)
