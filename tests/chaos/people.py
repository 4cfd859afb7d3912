"""Users: they say one thing after another in their threads, and leave the answers to workers."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

from messagedb_agent import Engine
from messagedb_agent.errors import StoreUnavailable
from messagedb_agent.events.codec import decode
from messagedb_agent.projections.conversation import Conversation, conversation
from messagedb_agent.projections.summary import status
from tests.chaos.workload import Said, say

_LOOK_S = 0.05
_IDLE = ("waiting", "failed")


@dataclass(eq=False)
class People:
    """Users, one a thread.

    Attributes:
        engine: says things; works on nothing.
        chance: what they say is drawn from.
        busy_ms: how long a tool of theirs is busy, at most.
        rounds: how many rounds of tool calls a message takes, at most.
        said: by thread id, what they said, and were told to have said.
    """

    engine: Engine
    chance: Random
    busy_ms: int
    rounds: int
    said: dict[str, list[Said]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._shown: dict[str, Conversation] = {}
        self._read: set[str] = set()
        self._position = 0
        self._changed = asyncio.Condition()

    @property
    def restless(self) -> list[str]:
        """The threads that somebody has yet to work on."""
        return [id for id in self.said if self._status(id) != "waiting"]

    async def watch(self) -> None:
        """Read what is written, for ever."""
        while True:
            with suppress(StoreUnavailable):  # it is away, or on its way back
                await self._read_on()
            await asyncio.sleep(_LOOK_S)

    async def talk(self, enough: asyncio.Event) -> None:
        """Begin a thread, and say something in it whenever it has answered, until it is enough."""
        thread_id = await self._begin()
        while not enough.is_set():
            await self._idle(thread_id)
            if not enough.is_set():
                await self._say(thread_id)

    async def at_rest(self) -> None:
        """Wait until all is answered; tell threads that were interrupted too often to go on."""
        for thread_id in self.said:
            await self._idle(thread_id)
            while self._status(thread_id) == "failed":
                await self._say(thread_id)
                await self._idle(thread_id)

    async def _begin(self) -> str:
        message = say(self.chance, busy_ms=self.busy_ms, rounds=self.rounds)
        definition = self.engine.define(model="offline")
        while True:
            with suppress(StoreUnavailable):
                agent = await self.engine.start(
                    message.text, definition=definition, message_id=message.id, detached=True
                )
                self.said[agent.thread_id] = [message]
                return agent.thread_id

    async def _say(self, thread_id: str) -> None:
        message = say(self.chance, busy_ms=self.busy_ms, rounds=self.rounds)
        while True:
            with suppress(StoreUnavailable):
                agent = await self.engine.latest(thread_id)
                await agent.advance(
                    message.text, message_id=message.id, at_head=True, detached=True
                )
                self.said[thread_id].append(message)
                return

    def _status(self, thread_id: str) -> str:
        """Return what a thread waits for, once what was said in it last is read."""
        is_read = self.said[thread_id][-1].id in self._read
        return status(self._shown[thread_id].state) if is_read else ""

    async def _idle(self, thread_id: str) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: self._status(thread_id) in _IDLE)

    async def _read_on(self) -> None:
        async for row in self.engine.all_messages(global_position=self._position + 1):
            thread_id = row.stream_name.partition("-")[2]
            shown = self._shown.get(thread_id, conversation.initial)
            self._shown[thread_id] = conversation.evolve(shown, decode(row).recorded)
            self._read.add(row.id)
            self._position = row.global_position
        async with self._changed:
            self._changed.notify_all()
