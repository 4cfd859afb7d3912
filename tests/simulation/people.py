"""What people do to threads: each deed may be done again after the process it began in has died."""

import asyncio
from collections.abc import Callable, Sequence

from pydantic import BaseModel

from messagedb_agent.agent.commands import (
    ApproveTool,
    Cancel,
    Command,
    Continue,
    DenyTool,
    During,
    End,
    ResolveOutcome,
    Say,
)
from messagedb_agent.agents.agent import Agent
from messagedb_agent.agents.engine import Engine
from messagedb_agent.agents.outputs import wanted
from messagedb_agent.agents.turn_options import NO_OPTIONS, TurnOptions
from messagedb_agent.errors import ModelError, NotFound, Refused
from messagedb_agent.events.values import Definition, Limits
from messagedb_agent.ids import derived_id
from tests.simulation.ledger import stream_of
from tests.simulation.world import World

ASKS_OUTPUT = "as a value"
"""What stands in a message whose answer must be an `Amount`."""
_MOST_TRIES = 8
_MOST_WAIT_S = 20.0


class Amount(BaseModel):
    """An output that is asked for."""

    n: int


def message_id(thread: str, text: str) -> str:
    """Return the id that a client gives to a message, however often it is sent."""
    return derived_id(thread, text, "message")


class People:
    """People at work in a world, who name threads as they like.

    Args:
        world: where they are.

    Attributes:
        said: ids of the messages that were said, and came through.
        remembered: what is known of users, by user and key.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.said: list[str] = []
        self.remembered: dict[tuple[str, str], str] = {}
        self._ids: dict[str, str] = {}
        self._definitions: dict[tuple[Limits, bool, str | None], Definition] = {}

    def id_of(self, thread: str) -> str:
        """Return the id of a thread."""
        return self._ids[thread]

    async def start(
        self,
        thread: str,
        text: str,
        limits: Limits | None = None,
        *,
        user: str | None = None,
        context: str | None = None,
        detached: bool = False,
    ) -> None:
        """Begin a thread with a message; the model is told what is known of a user, if named."""
        given, begins = message_id(thread, text), (limits or Limits(), user is not None, context)
        self._name(thread, derived_id("", given, "thread"))

        async def start(engine: Engine) -> Agent:
            definition = self._defined(engine, *begins)
            return await self._start(engine, text, given, definition, user=user, detached=detached)

        await self._see_through(
            thread, given, await self.world.do(f"starts {thread}: {text}", start)
        )

    async def start_all(self, threads: Sequence[str], text: str) -> None:
        """Begin many threads at once, in one process."""
        given = {thread: message_id(thread, text) for thread in threads}
        for thread in threads:
            self._name(thread, derived_id("", given[thread], "thread"))

        async def start(engine: Engine) -> Agent:
            definition = self._defined(engine, Limits())
            starts = (self._start(engine, text, given[t], definition) for t in threads)
            ended = await asyncio.gather(*starts, return_exceptions=True)
            for error in ended:
                if isinstance(error, BaseException) and not isinstance(error, ModelError):
                    raise error
            return await engine.latest(self.id_of(threads[0]))

        await self.world.do(f"starts {', '.join(threads)}: {text}", start)
        for thread in threads:
            await self._see_through(thread, given[thread], await self.ask(thread))

    def _defined(
        self, engine: Engine, limits: Limits, memory: bool = False, context: str | None = None
    ) -> Definition:
        """Return the agent that a thread begins with, one for all that begin so."""
        key = limits, memory, context
        if key not in self._definitions:
            made = engine.define(model="simulated", limits=limits, memory=memory, context=context)
            self._definitions[key] = made
        return self._definitions[key]

    async def _start(
        self,
        engine: Engine,
        text: str,
        given: str,
        definition: Definition,
        *,
        user: str | None = None,
        detached: bool = False,
    ) -> Agent:
        progress = self.world.progress()
        return await engine.start(
            text,
            definition=definition,
            user=user,
            output=Amount if ASKS_OUTPUT in text else None,
            message_id=given,
            progress=progress,
            detached=detached,
        )

    async def remember(self, user: str, key: str, value: str) -> None:
        """Note something of a user, across threads."""

        async def note(engine: Engine) -> None:
            await engine.memory.set(user, key, value)

        await self.world.do(f"remembers of {user}: {key} {value}", note)
        self.remembered[user, key] = value

    async def when(self, thread: str, type: str) -> None:
        """Wait until an event of a type stands in a thread; not for ever."""
        server, stream = self.world.server, stream_of(self.id_of(thread))
        due = self.world.loop.time() + _MOST_WAIT_S
        while not server.statements.rows.newest(stream, type) and self.world.loop.time() < due:
            await server.grown(_MOST_WAIT_S)

    async def say(
        self,
        thread: str,
        text: str,
        during: During = "queue",
        model: str | None = None,
        *,
        context: str | None = None,
        options: TurnOptions = NO_OPTIONS,
        detached: bool = False,
    ) -> None:
        """Say something in a thread as it stands by then."""
        given, asks = message_id(thread, text), ASKS_OUTPUT in text

        async def say(engine: Engine) -> Agent:
            agent = await engine.latest(self.id_of(thread))
            return await engine.ask(
                agent,
                Say(text, during=during, output=wanted(Amount).schema if asks else None),
                message_id=given,
                changes={"model": model, "context": context},
                progress=self.world.progress(),
                options=options,
                detached=detached,
            )

        await self._see_through(
            thread, given, await self.world.do(f"says in {thread}: {text}", say)
        )

    async def fork(self, thread: str, at: int, text: str, named: str) -> None:
        """Go on from an earlier state of a thread: that at a position."""
        given = message_id(named, text)

        async def fork(engine: Engine) -> Agent:
            rows = [m async for m in engine.messages(self.id_of(thread), position=at, until=at)]
            if not rows:
                raise NotFound("event", f"{thread} {at}")
            agent = await engine.load_agent(rows[0].id)
            self._name(named, derived_id(agent.id, given, "thread"))
            return await agent.advance(text, message_id=given, progress=self.world.progress())

        await self._see_through(named, given, await self.world.do(f"forks {thread} at {at}", fork))

    async def ask(self, thread: str, *commands: Command) -> Agent | None:
        """Ask something of a thread; what is refused was done before, and the thread goes on."""

        async def ask(engine: Engine) -> Agent:
            agent = await engine.latest(self.id_of(thread))
            try:
                return await engine.ask(agent, *commands, progress=self.world.progress())
            except Refused:
                return await engine.ask(agent, progress=self.world.progress())

        names = ", ".join(type(command).__name__ for command in commands)
        return await self.world.do(f"asks {thread}: {names}", ask)

    async def cancel(self, thread: str) -> None:
        await self.ask(thread, Cancel())

    async def end(self, thread: str) -> None:
        await self.ask(thread, End())

    async def go_on(self, thread: str, limits: Limits | None = None) -> Agent | None:
        return await self.ask(thread, Continue(limits or Limits()))

    async def judge(self, thread: str, *, allow: bool) -> None:
        """Allow or refuse every call that waits."""

        def judged(agent: Agent) -> Sequence[Command]:
            calls = [waiting.call_id for waiting in agent.approvals]
            return [ApproveTool(call) if allow else DenyTool(call) for call in calls]

        await self._answer(thread, "allows" if allow else "refuses", judged)

    async def resolve(self, thread: str) -> None:
        """Say of every call of unknown outcome that it was done."""

        def resolved(agent: Agent) -> Sequence[Command]:
            unknown = sorted(agent.view.conversation.state.unknown)
            return [ResolveOutcome(call, "completed", "it was done") for call in unknown]

        await self._answer(thread, "resolves", resolved)

    async def _see_through(self, thread: str, given: str, agent: Agent | None) -> None:
        """Note that a message came through, and try again where the model did not answer."""
        if agent:
            self.said.append(given)
        for _ in range(_MOST_TRIES):
            if not agent or agent.status != "failed":
                return
            agent = await self.go_on(thread)

    async def _answer(
        self, thread: str, what: str, answers: Callable[[Agent], Sequence[Command]]
    ) -> None:
        async def answer(engine: Engine) -> Agent:
            agent = await engine.latest(self.id_of(thread))
            try:
                return await engine.ask(agent, *answers(agent), progress=self.world.progress())
            except Refused:
                return await engine.ask(agent, progress=self.world.progress())

        await self.world.do(f"{what} in {thread}", answer)

    def _name(self, thread: str, thread_id: str) -> None:
        if thread not in self._ids:
            self._ids[thread] = thread_id
            self.world.threads.append(thread_id)
