"""`worker`: answers what is said to threads, until it is stopped."""

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from messagedb_agent.cli.common import Common
from messagedb_agent.cli.exits import ExitCode
from messagedb_agent.cli.opening import opened, set_up
from messagedb_agent.cli.running import run
from messagedb_agent.cli.stopping import stopped_by_signals
from messagedb_agent.cli.terminal import note
from messagedb_agent.errors import ConfigurationError

if TYPE_CHECKING:
    from messagedb_agent.agents.progress import Progress


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
            with stopped_by_signals(worker.stop, f"threads under way have {working.grace_s:g} s"):
                await worker.run()
        return ExitCode.OK

    return run(serve())


def _progress() -> "Progress":
    from messagedb_agent.agents.progress import Progress
    from messagedb_agent.observability.logging import EventLog

    return Progress(on_event=EventLog())
