"""Threads with snapshots, on stores that can be watched and changed."""

from collections.abc import AsyncIterator, Callable

from messagedb_agent import Agent, Engine, MemoryStore, connect
from messagedb_agent.agents.view import view
from messagedb_agent.store.message import Message


class ChangedStore(MemoryStore):
    """Counts the rows of threads that it gives, and gives some rows otherwise than they stand."""

    def __init__(self) -> None:
        super().__init__()
        self.given = 0
        self.change: Callable[[Message], Message | None] = lambda message: message

    async def read(
        self, stream: str, *, position: int = 0, until: int | None = None
    ) -> AsyncIterator[Message]:
        async for message in super().read(stream, position=position, until=until):
            self.given += "+snapshot" not in stream
            if (changed := self.change(message)) is not None:
                yield changed

    async def last(self, stream: str, *, type: str | None = None) -> Message | None:
        message = await super().last(stream, type=type)
        return message and self.change(message)


async def engine_on(store: MemoryStore, snapshots: str = "every 10") -> Engine:
    """Return an engine as another process would have it: with nothing but the store shared."""
    return await connect(store, snapshots=snapshots)


async def turns(engine: Engine, agent: Agent, count: int) -> Agent:
    """Take turns, and wait for what is written beside each."""
    for number in range(count):
        agent = await agent.advance(f"What is {number} + 1?")
        await engine._runs.close()
    return agent


async def begun(store: MemoryStore, snapshots: str = "every 10", count: int = 3) -> Agent:
    """Return a thread of some turns with seven events each."""
    engine = await engine_on(store, snapshots)
    return await turns(engine, await engine.start("What is 1 + 1?"), count)


def beside(agent: Agent) -> str:
    return f"agent:v0+snapshot-{agent.thread_id}"


def stream_of(agent: Agent) -> str:
    return f"agent:v0-{agent.thread_id}"


async def snapshots_of(store: MemoryStore, agent: Agent) -> list[Message]:
    return [m async for m in store.read(beside(agent))]


async def as_a_full_fold(engine: Engine, agent: Agent) -> None:
    """Check an agent, as it was read in a new process, against the fold of all its events."""
    assert agent.view == await engine.fold(agent.thread_id, view)
