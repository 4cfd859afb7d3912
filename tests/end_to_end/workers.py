"""Worker processes of a test, and what they log."""

import os
import re
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.cli import PATIENCE_S
from tests.forked import Forked

_SLOT = re.compile(r'"event": "slot taken .*"slot": (\d+)')


class WorkerProcess:
    """A worker in a process of its own.

    Args:
        log: file that it logs to.
        category: of its threads.
        arguments: options of the command.
        environment: what is set for it beside the test's own.
    """

    def __init__(self, log: Path, category: str, *arguments: str, **environment: str) -> None:
        self._file = log
        command = ["worker", "--category", category, "--model", "offline", *arguments]
        with open(os.devnull, "r+b") as nothing, log.open("wb") as stderr:
            streams = (nothing.fileno(), nothing.fileno(), stderr.fileno())
            self.process = Forked(command, streams, {**os.environ, **environment})

    @property
    def log(self) -> str:
        """What it has said on standard error so far."""
        return self._file.read_text()

    @property
    def slots(self) -> set[int]:
        """The slots that it has had."""
        return {int(found) for found in _SLOT.findall(self.log)}

    @property
    def is_busy(self) -> bool:
        """Whether a tool of the demonstration has begun in it."""
        return f"kill -9 {self.process.pid}" in self.log

    def end(self, signum: signal.Signals = signal.SIGTERM) -> int:
        """Send it a signal and return its exit code."""
        self.process.send_signal(signum)
        return self.process.wait(PATIENCE_S)


@contextmanager
def worker_processes(
    folder: Path, category: str, count: int, *arguments: str, **environment: str
) -> Iterator[list[WorkerProcess]]:
    """Run workers; what is left of them at the end is killed."""
    with ExitStack() as stack:
        workers = []
        for number in range(count):
            log = folder / f"worker-{number}.log"
            workers.append(WorkerProcess(log, category, *arguments, **environment))
            stack.callback(_gone, workers[-1].process)
        yield workers


def _gone(process: Forked) -> None:
    process.kill()
    process.wait(PATIENCE_S)
