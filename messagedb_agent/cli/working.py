"""`worker`: answers what is said to threads, until it is stopped."""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from messagedb_agent.cli.common import Common
from messagedb_agent.cli.exits import ExitCode
from messagedb_agent.cli.leaving import leave_now
from messagedb_agent.cli.opening import opened, set_up
from messagedb_agent.cli.running import run
from messagedb_agent.cli.terminal import note
from messagedb_agent.errors import ConfigurationError

if TYPE_CHECKING:
    from messagedb_agent import Progress
    from messagedb_agent.consumers import Worker

_SIGNALS = {signal.SIGINT: ExitCode.INTERRUPTED, signal.SIGTERM: ExitCode.TERMINATED}


@dataclass(frozen=True, slots=True)
class Working:
    """How a worker works.

    Attributes:
        concurrency: how many threads at once.
        group_size: how many slots its group has.
        group: name of the group.
        grace_s: seconds that threads have to come to rest when it is stopped.
        tries: how often a thread may fail before it is put aside.
    """

    concurrency: int
    group_size: int
    group: str
    grace_s: float
    tries: int


def work(common: Common, working: Working) -> int:
    """Work until SIGTERM or Ctrl-C.

    Raises:
        ConfigurationError: no model is named, or the one that is named cannot be asked.
    """
    setup = set_up(common, log_level="INFO")
    model = setup.loaded.settings.model_name
    if model is None:
        raise ConfigurationError(
            "a worker needs a model by name: give --model or set MODEL_NAME; `--model offline`"
            " works by fixed rules alone",
            field="MODEL_NAME",
        )

    async def serve() -> int:
        from messagedb_agent.consumers import Patience, Worker

        async with opened(setup) as engine:
            engine.models(model)
            worker = Worker(
                engine,
                group=working.group,
                size=working.group_size,
                concurrency=working.concurrency,
                grace_s=working.grace_s,
                patience=Patience(working.tries),
                progress=_progress,
            )
            note(
                f"working on {engine.category}:{engine.version}, up to {working.concurrency}"
                f" threads at once, process {os.getpid()}; Ctrl-C or SIGTERM ends it"
            )
            with _stopped_by_signals(worker, working.grace_s):
                await worker.run()
        return ExitCode.OK

    return run(serve())


def _progress() -> "Progress":
    from messagedb_agent import Progress
    from messagedb_agent.observability.logging import EventLog

    return Progress(on_event=EventLog())


@contextmanager
def _stopped_by_signals(worker: "Worker", grace_s: float) -> Iterator[None]:
    """Let the first signal stop a worker, and the second end the process at once."""
    loop, asked = asyncio.get_running_loop(), list[signal.Signals]()

    def hear(signum: signal.Signals) -> None:
        if asked:
            note("ended at once; whoever takes the threads up finds them as they stand")
            leave_now(_SIGNALS[signum])
        asked.append(signum)
        note(f"stopping: threads under way have {grace_s:g} s; once more ends it at once")
        worker.stop()

    for signum in _SIGNALS:
        loop.add_signal_handler(signum, hear, signum)
    try:
        yield
    finally:
        for signum in _SIGNALS:
            loop.remove_signal_handler(signum)
