"""A small world for tests of the engine: engines on a store that can be watched and disturbed."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from messagedb_agent.agents.agent import Agent
from messagedb_agent.agents.asking import Asking
from messagedb_agent.agents.engine import Engine
from messagedb_agent.agents.reading import Reading
from messagedb_agent.agents.view import view
from messagedb_agent.engine.history import read_events
from messagedb_agent.engine.journal import Journal, Writing
from messagedb_agent.events.codec import Decoded, decode
from messagedb_agent.events.recorded import Recorded
from messagedb_agent.events.request import Request
from messagedb_agent.events.words import EffectPolicy
from messagedb_agent.llm.model import LanguageModel
from messagedb_agent.llm.scripted import Answer, Said, ScriptedModel
from messagedb_agent.store.hold import Hold
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.store.message import Appended, NewMessage
from messagedb_agent.store.store import Store
from messagedb_agent.tools.function_tool import tool
from messagedb_agent.tools.object_tool import AnyTool
from messagedb_agent.tools.toolbox import Toolbox
from tests.waiting import until

Before = Callable[[str, tuple[NewMessage, ...]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Commit:
    """What one append wrote."""

    stream: str
    types: tuple[str, ...]


class WatchedStore(MemoryStore):
    """A memory store that notes every append that went through.

    Attributes:
        commits: what was appended, oldest first.
        tries: how often somebody has tried to own a stream.
        holds: the newest hold of each stream.
        before: called before each append, where set; it may append for itself, or raise.
        after: called after each append that went through; what it raises hides the success.
    """

    def __init__(self) -> None:
        super().__init__()
        self.commits: list[Commit] = []
        self.tries = 0
        self.holds: dict[str, Hold] = {}
        self.before: Before | None = None
        self.after: Before | None = None

    async def append(
        self, stream: str, *messages: NewMessage, expected_version: int | None = None
    ) -> Appended:
        if self.before:
            await self.before(stream, messages)
        appended = await super().append(stream, *messages, expected_version=expected_version)
        self.commits.append(Commit(stream, tuple(m.type for m in messages)))
        if self.after:
            await self.after(stream, messages)
        return appended

    @asynccontextmanager
    async def own(self, stream: str) -> AsyncIterator[Hold | None]:
        self.tries += 1
        async with super().own(stream) as hold:
            if hold:
                self.holds[stream] = hold
            yield hold

    def disown(self, stream: str) -> None:
        """Let others own a stream whose owner sleeps, and does not hear of it."""
        self._owned.pop(stream, None)

    def lose(self, stream: str) -> None:
        """Break the lock of a stream, as its owner is told."""
        self.disown(stream)
        self.holds[stream].lost.set()

    def lose_unheard(self, stream: str) -> None:
        """Break the lock of a stream; its owner is told when it asks."""
        self.disown(stream)
        hold = self.holds[stream]

        async def confirm() -> None:
            hold.lost.set()

        hold.confirm = confirm

    async def tried_again(self, times: int = 2) -> None:
        """Wait until somebody has tried to own a stream this often, from now on.

        Who tries a second time has found it owned, and has looked at the thread in between.
        """
        before = self.tries
        await until(lambda: self.tries >= before + times)

    @property
    def in_hand(self) -> frozenset[str]:
        """The streams that somebody owns."""
        return frozenset(self._owned)


@tool
def look(where: str = "the box") -> str:
    """Look somewhere."""
    return f"nothing in {where}"


def engine_on(
    store: Store,
    model: LanguageModel | None = None,
    *tools: AnyTool,
    category: str = "agent",
) -> Engine:
    """Return an engine, as another process would have it: with nothing but the store shared."""
    asked = model or ScriptedModel()
    return Engine(store, lambda _: asked, Toolbox(*tools), category)


def scripted(*answers: Answer) -> ScriptedModel:
    return ScriptedModel(*answers)


@dataclass
class Gate:
    """Where a model or a tool stands and waits until the test lets it go.

    Attributes:
        entered: somebody has come.
        opened: they may go on.
        visits: how many have come.
        left: how many have gone on.
        gone: how many have gone on or given up.
    """

    entered: asyncio.Event = field(default_factory=asyncio.Event)
    opened: asyncio.Event = field(default_factory=asyncio.Event)
    visits: int = 0
    left: int = 0
    gone: int = 0

    async def pass_through(self) -> None:
        self.visits += 1
        self.entered.set()
        try:
            await self.opened.wait()
            self.left += 1
        finally:
            self.gone += 1

    def answer(self, said: Said) -> Callable[[Request], Awaitable[Said]]:
        """Return an answer that is given once the gate is open."""

        async def wait(_: Request) -> Said:
            await self.pass_through()
            return said

        return wait


def stubborn(gate: Gate, *, effect: EffectPolicy = "never") -> AnyTool:
    """Return a tool, `work`, that waits at a gate and answers its cancellation with a result."""

    @tool(effect=effect)
    async def work() -> str:
        """Work, and do not stop when asked to."""
        try:
            await gate.pass_through()
        except asyncio.CancelledError:
            return "it was done"
        return "never"

    return work


async def types(engine: Reading, thread_id: str) -> tuple[str, ...]:
    """Return the types of a thread's own messages."""
    return tuple([m.type async for m in engine.messages(thread_id)])


async def decoded(engine: Reading, thread_id: str) -> Sequence[Decoded]:
    return [decode(message) async for message in engine.messages(thread_id)]


async def events(engine: Reading, thread_id: str) -> Sequence[Recorded]:
    """Return a thread's whole history, a fork's ancestors first."""
    return [one async for one in read_events(engine.store, stream_of(engine, thread_id))]


def stream_of(engine: Reading, thread_id: str) -> str:
    return f"{engine.category}:{engine.version}-{thread_id}"


async def journal_of(engine: Reading, thread_id: str) -> Journal:
    """Return a thread's journal, read to its end, as another writer holds it."""
    journal = Journal(engine.store, stream_of(engine, thread_id), Writing())
    await journal.catch_up()
    return journal


async def assert_sound(engine: Asking, thread_id: str) -> None:
    """Check that the log is what was written and nothing is left open in it.

    And that it says, read anew, what the engine that wrote it has folded on the way.
    """
    verified = await engine.verify(thread_id)
    assert verified.finding is None
    seen = await engine._turns.latest(thread_id)
    assert not seen.conversation.state.has_open_claims
    assert await engine.fold(thread_id, view) == seen


def model_answers(agent: Agent) -> list[str]:
    """Return the texts of a conversation as the model is shown them."""
    return [entry.message.text for entry in agent.view.conversation.entries]


@asynccontextmanager
async def under_way(work: Awaitable[Agent]) -> AsyncIterator["asyncio.Task[Agent]"]:
    """Run a turn beside the test, and leave nothing of it behind."""
    task = asyncio.ensure_future(work)
    try:
        async with asyncio.timeout(20):
            yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
