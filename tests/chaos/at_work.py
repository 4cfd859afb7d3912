"""Workers at work on what users say, for as long as something is done to them."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random

from messagedb_agent import Engine
from messagedb_agent.consumers import parking_of
from messagedb_agent.consumers.worker import DEFAULT_GROUP
from messagedb_agent.llm.offline import OfflineModel
from messagedb_agent.store.message_db import MessageDbStore
from messagedb_agent.tools.toolbox import Toolbox
from tests.chaos.fleet import Fleet, a_fleet
from tests.chaos.folder import a_ledger
from tests.chaos.ledger import Ledger
from tests.chaos.people import People
from tests.chaos.report import Report
from tests.chaos.server import Server
from tests.chaos.settling import judge
from tests.chaos.tools import TOOLS
from tests.waiting import until

_REST_S = 120.0
_CONCURRENCY = 8
_GRACE_S = 10


@dataclass(frozen=True)
class Setting:
    """How many are at work, and on what.

    Attributes:
        threads: how many users there are, each with a thread.
        workers: how many workers are started.
        busy_ms: how long a tool is busy, at most.
        rounds: how many rounds of tool calls a message takes, at most.
        rivals: whether each worker wants all threads; else they share them.
    """

    threads: int
    workers: int
    busy_ms: int
    rounds: int = 3
    rivals: bool = False

    @property
    def options(self) -> Mapping[str, int]:
        """Options of the workers' command."""
        size = 1 if self.rivals else self.workers
        return {"group-size": size, "concurrency": _CONCURRENCY, "grace": _GRACE_S}


@dataclass(eq=False)
class AtWork:
    """Workers and users.

    Attributes:
        report: where is noted what is seen.
        server: where.
        fleet: the workers.
        people: the users.
        engine: an engine of the users' category, which works on nothing.
        ledger: where tools write.
    """

    report: Report
    server: Server
    fleet: Fleet
    people: People
    engine: Engine
    ledger: Ledger
    _enough: asyncio.Event = field(default_factory=asyncio.Event)
    _talks: list["asyncio.Task[None]"] = field(default_factory=list)

    def begin(self, group: asyncio.TaskGroup, threads: int) -> None:
        """Let users talk."""
        self._talks = [group.create_task(self.people.talk(self._enough)) for _ in range(threads)]

    async def finish(self, *, paused: Collection[int] = ()) -> None:
        """Let the workers finish all threads, end them, and judge what they did.

        Args:
            paused: see `judge`.
        """
        self._enough.set()
        try:
            async with asyncio.timeout(_REST_S):
                await asyncio.gather(*self._talks)
                await self.people.at_rest()
        except TimeoutError:
            self.report.require(False, f"threads that do not rest: {self.people.restless}")
            self.report.require(False, f"parked: {await self._parked()}")
            self.fleet.ask()
        codes = await asyncio.to_thread(self.fleet.end)
        self.report.require(not any(codes), f"workers that were asked to end gave {codes}")
        await judge(
            self.report, self.server, [self.engine], self.ledger, self.people.said, paused=paused
        )
        await until(self._is_left_alone)

    async def _parked(self) -> list[tuple[str, str]]:
        parking = parking_of(self.engine, DEFAULT_GROUP)
        await parking.catch_up()
        return [(parked.thread_id, parked.reason) for parked in parking.parked]

    async def _is_left_alone(self) -> bool:
        """Whether the server has no session of a worker any more, and so none of their locks."""
        return not await self.server.sessions_like("worker-%")


@asynccontextmanager
async def at_work(
    report: Report, server: Server, category: str, setting: Setting, *, url: str | None = None
) -> AsyncIterator[AtWork]:
    """Run workers, and let users talk to them.

    Args:
        report: where is noted what is seen.
        server: where.
        category: of the threads.
        setting: how many there are, and what they do.
        url: how the workers reach the server; by its own URL by default.
    """
    with (
        a_ledger() as ledger,
        a_fleet(url or server.url, category, ledger, setting.options, setting.rivals) as fleet,
    ):
        async with await MessageDbStore.connect(server.url) as store:
            engine = Engine(store, lambda _: OfflineModel(), Toolbox(*TOOLS), category)
            people = People(engine, Random(report.seed + 1), setting.busy_ms, setting.rounds)
            work = AtWork(report, server, fleet, people, engine, ledger)
            for _ in range(setting.workers):
                fleet.spawn_worker()
            async with asyncio.TaskGroup() as group:
                watching = group.create_task(people.watch())
                work.begin(group, setting.threads)
                yield work
                watching.cancel()
