"""The simulated world: a server, a model, tools, people, and the processes they start."""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any, TypeVar

from messagedb_agent.agents.agent import Agent
from messagedb_agent.agents.engine import Engine
from messagedb_agent.agents.equipment import Workings
from messagedb_agent.agents.progress import Progress
from messagedb_agent.engine.journal import Writing
from messagedb_agent.errors import LimitReached, ModelError, NotFound, Refused, StoreUnavailable
from messagedb_agent.events.recorded import Recorded
from messagedb_agent.projections.lineage import AgentState
from tests.simulation.connection import store_of
from tests.simulation.faults import Fault, Faults
from tests.simulation.ledger import CATEGORY, LEDGER, VERSION, Ledger
from tests.simulation.loop import OUTSIDE, Process, VirtualLoop
from tests.simulation.provider import Provider
from tests.simulation.server import Server
from tests.simulation.tools import TOOLBOX
from tests.simulation.writing import NumberedIds, ProcessClock, writer

T = TypeVar("T")
Action = Callable[[Engine], Awaitable[Agent | None]]
"""Something to be done in a process, as often as it takes."""

_RESTART_S = 1.0
_MOST_STARTS = 40
_PAUSE_S = 5.0


class World:
    """One world, and what has come of it so far.

    Args:
        schedule: what goes wrong.
        random: draws how long things take; None: always as long.

    Attributes:
        loop: runs it all.
        trace: the log of the run, which the same seed repeats to the byte.
        acknowledged: ids of events that somebody was told of, with stream and position.
        wrong: what should not have happened, seen on the way.
        moments: steps at which a crash leaves another world behind than one at the process's step
            before it: in between a statement was carried out, a model asked, a tool was at work or
            a person told.
    """

    def __init__(self, schedule: tuple[Fault, ...], random: Random | None) -> None:
        self.loop = VirtualLoop()
        self.trace: list[str] = []
        self.acknowledged: dict[str, tuple[str, int]] = {}
        self.wrong: list[str] = []
        self.moments: list[int] = []
        self._contacts = 0  # lines of the trace, and ids that are acknowledged
        self.faults = Faults(schedule)
        self.server = Server(self.loop, self.faults, random, self.say)
        self.provider = Provider(self.faults, self.say)
        self.ledger = Ledger(self.loop, self.server, self.faults, self.say)
        self.processes: list[Process] = []
        self.threads: list[str] = []
        self._clocks: dict[int, ProcessClock] = {}
        self._beside: list[asyncio.Task[Any]] = []
        self.loop.on_step = self._step

    def say(self, text: str) -> None:
        self._contacts += 1
        self.trace.append(f"{self.loop.time():.6f} {text}")

    async def do(self, what: str, action: Action) -> Agent | None:
        """Have something done, by one process after the other until one has done it.

        Returns:
            What the action returned, or the agent that its error names; None where the thread did
            not allow it.
        """
        for _ in range(_MOST_STARTS):
            process = self._process()
            self.say(f"{process} {what}")
            working = process.start(self._worked(process, action))
            ends: set[asyncio.Future[Any]] = {working, process.died}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if not process.alive:
                await asyncio.sleep(_RESTART_S)
                continue
            self._left(process)
            try:
                return working.result()
            except StoreUnavailable as error:
                self.say(f"{process} {what}: {error}")
                await asyncio.sleep(_RESTART_S)
            except (ModelError, LimitReached) as error:
                self.say(f"{process} {what}: {error}")
                return error.agent
            except (Refused, NotFound) as error:
                self.say(f"{process} {what}: {error}")
                return None
            except Exception as error:  # noqa: BLE001 - whatever it is, nobody may see it
                self.wrong.append(f"{what}: {error!r}")
                return None
        self.wrong.append(f"{what} is not done after {_MOST_STARTS} starts")
        return None

    async def take_on(self, thread_id: str) -> None:
        """Have a thread taken on by a process of its own, as a worker does."""

        async def on(engine: Engine) -> Agent:
            return await engine.ask(await engine.latest(thread_id), progress=self.progress())

        await self.do(f"takes on {thread_id}", on)

    def beside(self, work: Awaitable[Any]) -> None:
        """Let something happen beside the script, which ends only after it."""
        task = self.loop.create_task(_awaited(work), context=OUTSIDE.copy())
        self._beside.append(task)

    async def all_done(self) -> None:
        """Wait for all that happens beside the script, and for who is paused."""
        while self._beside:
            await self._beside.pop()

    def progress(self) -> Progress:
        """Return what hears of events, as the person in front of a process does."""
        return Progress(on_event=self._hear)

    async def _worked(self, process: Process, action: Action) -> Agent | None:
        LEDGER.set(self.ledger)
        store = store_of(self.server, process)
        clock = self._clocks[process.number]
        writing = Writing(clock, NumberedIds(clock, process.number), writer(process.number))
        engine = Engine(store, self.provider, TOOLBOX, CATEGORY, VERSION, None, Workings(writing))
        try:
            done = await action(engine)
        finally:
            in_use = store.connections_in_use
            await engine.close()
        if in_use:
            self.wrong.append(f"{process} ends with {in_use} connections in use")
        current = done.view.lineage.current if done else None
        if current:
            self._acknowledge(current)
        return done

    def _process(self) -> Process:
        process = Process(self.loop, len(self.processes) + 1)
        self.processes.append(process)
        self._clocks[process.number] = ProcessClock(self.loop)
        return process

    def _left(self, process: Process) -> None:
        """Look at what a process leaves running when it ends, which ends with it."""
        running = [task for task in process.tasks if not task.done()]
        self.wrong += [f"{process} leaves {task.get_coro()} running" for task in running]
        process.kill()

    def _acknowledge(self, told: Recorded | AgentState) -> None:
        self._contacts += told.id not in self.acknowledged
        self.acknowledged[told.id] = (told.stream, told.position)

    def _hear(self, recorded: Recorded) -> None:
        self._acknowledge(recorded)

    def _step(self, process: Process) -> None:
        faults = self.faults
        if self._contacts != process.contacts:
            process.contacts = self._contacts
            self.moments.append(faults.passed["step"])
        for fault in faults.at("step"):
            self.say(f"{process} {fault}")
            self._happen(fault, process)

    def _happen(self, fault: Fault, process: Process) -> None:
        match fault.kind:
            case "crash":
                process.kill()
                self.server.bury(process)
            case "pause":
                process.pause(fault.size * _PAUSE_S)
                self.server.drop_sessions(process)
                self._rivals()
            case "drowse":
                process.pause(fault.size * _PAUSE_S)
            case "drop":
                self.server.drop_sessions(process)
            case "rival":
                self._rivals()
            case "jump":
                self._clocks[process.number].jump(fault.size)
            case "outage":
                self.server.go_away(fault.size)

    def _rivals(self) -> None:
        for thread_id in self.threads:
            self.beside(self.take_on(thread_id))


async def _awaited(work: Awaitable[T]) -> T:
    return await work
