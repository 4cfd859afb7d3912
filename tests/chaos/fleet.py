"""Worker processes: the product's own command, each in a process that can be killed and stopped."""

import asyncio
import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from random import Random

from psycopg.conninfo import make_conninfo

from messagedb_agent.cli.app import main
from messagedb_agent.consumers.share import WorkersShare
from messagedb_agent.consumers.slot_log import Found
from messagedb_agent.llm.offline import OfflineModel
from tests.chaos.dying import DIE_AT, arm
from tests.chaos.ledger import Ledger
from tests.chaos.tools import FOLDER
from tests.chaos.watching import watched
from tests.waiting import PATIENCE_S

# Each worker is forked off a process that has imported all it needs, as importing takes longer
# than a worker may live here; from there on it runs the command as any other process does.
_FORKING = multiprocessing.get_context("forkserver")
_PRELOADED = ("tests.chaos.fleet", "tests.chaos.preloaded")
_THINKS_S = 0.05


@dataclass(frozen=True, eq=False)
class Worker:
    """A worker process.

    Attributes:
        name: how the server knows its sessions.
        point: where it kills itself, and the how manieth time; empty for nowhere.
        process: the process.
        mark: a file that it makes when it begins to work.
    """

    name: str
    point: str
    process: ForkServerProcess
    mark: Path

    @property
    def pid(self) -> int:
        assert self.process.pid is not None
        return self.process.pid

    @property
    def is_alive(self) -> bool:
        return self.process.is_alive()

    @property
    def is_at_work(self) -> bool:
        """Whether it has begun to work on a share of the threads."""
        return self.mark.exists()

    def send(self, signum: signal.Signals) -> None:
        """Send it a signal; one that has ended hears nothing of it."""
        if self.is_alive:
            os.kill(self.pid, signum)

    def ended(self) -> int | None:
        """Wait for its end, and return its exit code, or the negative number of its signal."""
        self.process.join(PATIENCE_S)
        return self.process.exitcode


@dataclass(eq=False)
class Fleet:
    """The workers of a run.

    Attributes:
        url: where the database is, for them.
        category: of the threads.
        ledger: where their tools write.
        options: of the command.
        rivals: whether each is in a group of its own, and wants all threads.
        workers: all that were started, oldest first.
    """

    url: str
    category: str
    ledger: Ledger
    options: Mapping[str, int]
    rivals: bool
    workers: list[Worker] = field(default_factory=list)

    @property
    def alive(self) -> list[Worker]:
        return [worker for worker in self.workers if worker.is_alive]

    def spawn_worker(self, point: str = "") -> Worker:
        """Start a worker; one that has a point kills itself there."""
        name = f"worker-{len(self.workers)}"
        environment = {
            "MESSAGE_DB_URL": make_conninfo(self.url, application_name=name),
            FOLDER: str(self.ledger.folder),
            DIE_AT: point,
        }
        arguments = ["worker", "--category", self.category, "--model", "offline"]
        arguments += ["--tools", "tests.chaos.tools"]
        if self.rivals:
            arguments += ["--group", f"rival{len(self.workers)}"]
        for option, value in self.options.items():
            arguments += [f"--{option}", str(value)]
        log, mark = self.ledger.folder / f"{name}.log", self.ledger.folder / f"{name}.mark"
        process = _FORKING.Process(target=_work, args=(arguments, environment, log, mark))
        process.start()
        self.workers.append(Worker(name, point, process, mark))
        return self.workers[-1]

    def log_of(self, worker: Worker) -> str:
        """Return what a worker has said."""
        return (self.ledger.folder / f"{worker.name}.log").read_text(errors="replace")

    def ask(self) -> None:
        """Let all that live say, in their logs, where their tasks are."""
        for worker in self.alive:
            worker.send(signal.SIGUSR1)

    def end(self) -> list[int | None]:
        """Ask all that live to end, and return their exit codes."""
        alive = self.alive
        for worker in alive:
            worker.send(signal.SIGTERM)
        return [worker.ended() for worker in alive]


@contextmanager
def a_fleet(
    url: str, category: str, ledger: Ledger, options: Mapping[str, int], rivals: bool
) -> Iterator[Fleet]:
    """Keep workers while the context lasts; none of them is left."""
    _FORKING.set_forkserver_preload([*_PRELOADED])
    fleet = Fleet(url, category, ledger, options, rivals)
    try:
        yield fleet
    finally:
        for worker in fleet.alive:
            worker.send(signal.SIGKILL)
        for worker in fleet.workers:
            worker.ended()
            worker.process.close()


def _work(arguments: list[str], environment: Mapping[str, str], log: Path, mark: Path) -> None:
    """Run the command in this process."""
    os.environ.update(environment)
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(file, sys.stdout.fileno())
    os.dup2(file, sys.stderr.fileno())
    if point := environment[DIE_AT]:
        arm(point)
    ledger = Ledger(Path(environment[FOLDER]))
    _let_the_model_think(ledger)
    _mark_the_begin(mark)
    signal.signal(signal.SIGUSR1, _say_where_tasks_are)
    with watched(ledger):
        sys.exit(main(arguments))


def _let_the_model_think(ledger: Ledger) -> None:
    """Note when the offline model is asked, and let it take a while to be killed in."""
    complete, chance = OfflineModel.complete, Random()

    async def thinking(self: OfflineModel, *arguments: object, **named: object) -> object:
        ledger.add("asked", sync=False)
        await asyncio.sleep(chance.uniform(0, _THINKS_S))
        return await complete(self, *arguments, **named)  # type: ignore[arg-type]  # handed through

    OfflineModel.complete = thinking  # type: ignore[method-assign,assignment]  # the hook


def _mark_the_begin(mark: Path) -> None:
    begin, make = WorkersShare.begin, mark.touch

    async def marking(self: WorkersShare, start: int, newest: int) -> Found:
        found = await begin(self, start, newest)
        make()
        return found

    WorkersShare.begin = marking  # type: ignore[method-assign]  # the hook


def _say_where_tasks_are(*_: object) -> None:
    for task in asyncio.all_tasks():
        awaited = [task.get_coro()]
        while (inner := getattr(awaited[-1], "cr_await", None)) is not None:
            awaited.append(inner)
        print(task.get_name(), *(f"\n  {coroutine}" for coroutine in awaited), file=sys.stderr)
