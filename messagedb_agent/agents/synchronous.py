"""Engines and agents for synchronous code: each call runs in the engine's loop, to its end.

    with connect("postgresql://...").sync() as engine:
        agent = engine.create_agent("Ada", model="anthropic/claude-haiku-4-5")
        later = agent.advance("Hello!")

What a method takes, gives and raises is what its twin of `Engine` or `Agent` does, with agents of
this kind in the place of the others. What has no twin is run by `SyncEngine.run` and `each`.
"""

from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Generator,
    Sequence,
)
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from types import TracebackType
from typing import Any, Concatenate, Generic, Self

from messagedb_agent.agents.agent import Agent
from messagedb_agent.agents.door import Door
from messagedb_agent.agents.engine import Engine
from messagedb_agent.agents.outputs import OutputType
from messagedb_agent.agents.paging import AgentPage
from messagedb_agent.agents.standing import Standing
from messagedb_agent.agents.streaming import Piece
from messagedb_agent.agents.synchronous_beside import SyncDefinitions, SyncMemory
from messagedb_agent.agents.twins import P, Twin, Whole, items, twin, whole
from messagedb_agent.agents.valued import Kind, T


def _agent(
    method: Callable[Concatenate[Whole, P], Coroutine[Any, Any, Agent[Kind]]],
) -> "Callable[Concatenate[Twin[SyncEngine, Whole], P], SyncAgent[Kind]]":
    return twin(method, lambda engine, agent: engine.synchronous(agent))


def _agents(
    method: Callable[Concatenate[Whole, P], Coroutine[Any, Any, Sequence[Agent]]],
) -> "Callable[Concatenate[Twin[SyncEngine, Whole], P], tuple[SyncAgent, ...]]":
    return twin(method, lambda engine, agents: tuple(map(engine.synchronous, agents)))


def _page(
    method: Callable[Concatenate[Whole, P], Coroutine[Any, Any, AgentPage[Agent]]],
) -> "Callable[Concatenate[Twin[SyncEngine, Whole], P], AgentPage[SyncAgent]]":
    def told(engine: "SyncEngine", page: AgentPage[Agent]) -> "AgentPage[SyncAgent]":
        return AgentPage(tuple(map(engine.synchronous, page)), page.after, page.unreadable)

    return twin(method, told)


class SyncEngine:
    """An engine for synchronous code; `connect(...).sync()` makes it.

    Its loop runs in a thread of its own, so that it may be used where another loop runs already,
    as in a notebook, and by several threads at once. Ctrl-C cancels the call that waits, and
    comes through once that has ended in order. What is called back (tools, `Progress`) is called
    in the loop's thread, and has to leave this engine alone; a tool that is a plain function runs
    in a thread of its own, and may use it.

    Args:
        connecting: gives the engine, when it is awaited.

    Attributes:
        asynchronous: the engine itself.
    """

    def __init__(self, connecting: Awaitable[Engine]) -> None:
        self._door = Door()
        try:
            self.asynchronous = self._door.run(connecting)
        except BaseException:
            self._door.close()
            raise

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.asynchronous!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the engine, and end its loop and thread; closing twice is closing once.

        What other threads wait for is cancelled, and raises `StoreUnavailable` there.
        """
        try:
            if self._door.is_open:
                self._door.run(self.asynchronous.close())
        finally:
            self._door.close()

    @property
    def _home(self) -> "SyncEngine":
        return self

    def run(self, work: Awaitable[T]) -> T:
        """Run anything of the asynchronous library in the engine's loop; see `Door.run`.

        Args:
            work: a coroutine of the engine's, of an agent's, or of one's own.

        Raises:
            StoreUnavailable: the engine is closed, or was closed meanwhile.
            ConfigurationError: it was called in the loop's own thread.

        What the work raises comes through.
        """
        return self._door.run(work)

    def each(self, items: AsyncIterator[T]) -> Generator[T, None, None]:
        """Give the items of an asynchronous iterator one by one; see `run`."""
        return self._door.each(items)

    def synchronous(self, agent: Agent[Kind]) -> "SyncAgent[Kind]":
        """Return an agent of this engine, such as an error carries, for synchronous code."""
        return SyncAgent(
            id=agent.id,
            thread_id=agent.thread_id,
            view=agent.view,
            _wanted=agent._wanted,
            engine=self,
            asynchronous=agent,
        )

    @cached_property
    def definitions(self) -> SyncDefinitions:
        """The named definitions beside these threads, and templates; see `Engine.definitions`."""
        return SyncDefinitions(self, self.asynchronous.definitions)

    @cached_property
    def memory(self) -> SyncMemory:
        """What is known of users, across threads; see `Engine.memory`."""
        return SyncMemory(self, self.asynchronous.memory)

    def clear_cache(self) -> None:
        """Drop what was folded; see `Engine.clear_cache`."""
        self.asynchronous.clear_cache()

    all_messages = items(Engine.all_messages)
    ask = _agent(Engine.ask)
    approvals = whole(Engine.approvals)
    count_agents = whole(Engine.count_agents)
    create_agent = _agent(Engine.create_agent)  # type: ignore[arg-type]  # `self` is no keyword
    delete = _agent(Engine.delete)
    family = whole(Engine.family)
    fork = _agent(Engine.fork)
    find_by_name = _page(Engine.find_by_name)
    find_thread = whole(Engine.find_thread)
    generate_title = _agent(Engine.generate_title)
    index_search = whole(Engine.index_search)
    init_schema = whole(Engine.init_schema)
    is_left = whole(Engine.is_left)
    latest = _agent(Engine.latest)
    list_agents = _page(Engine.list_agents)
    load_agent = _agent(Engine.load_agent)
    load_agents = _agents(Engine.load_agents)
    messages = items(Engine.messages)
    newest = whole(Engine.newest)
    ping = whole(Engine.ping)
    search = whole(Engine.search)
    shortest_prefix = whole(Engine.shortest_prefix)
    stats = whole(Engine.stats)
    start = _agent(Engine.start)  # type: ignore[arg-type]  # `self` is no keyword
    threads = whole(Engine.threads)
    verify = whole(Engine.verify)
    what_if = _agent(Engine.what_if)  # type: ignore[arg-type]  # `self` is no keyword
    write_snapshot = whole(Engine.write_snapshot)


@dataclass(frozen=True, eq=False, repr=False)
class SyncAgent(Standing, Generic[T]):
    """One state of a thread, for synchronous code. It never changes, as `Agent` does not.

    `T` is the type of its `output`, for type checkers.

    Attributes:
        engine: sees through what is asked.
        asynchronous: the agent itself.
    """

    engine: SyncEngine
    asynchronous: Agent[T]

    @property
    def _home(self) -> SyncEngine:
        return self.engine

    @property
    def output(self) -> T:
        """The value of the answer; see `Agent.output`. `output_as` gives it its type."""
        return self.asynchronous.output

    def output_as(self, kind: OutputType[Kind]) -> Kind:
        """Return the value of the answer as one of a type; see `Agent.output_as`."""
        return self.asynchronous.output_as(kind)

    def lineage(self) -> "tuple[SyncAgent, ...]":
        """Return the states that led here; see `Agent.lineage`."""
        return tuple(map(self.engine.synchronous, self.engine.run(self.asynchronous.lineage())))

    def stream(self, text: str, **options: Any) -> "Generator[Piece | SyncAgent, None, None]":
        """Say something, and give what happens as it happens, the new agent last.

        A stream that is left early is to be closed, which cancels the turn; see `Agent.stream`.

        Args:
            text: what the user says.
            options: what `advance` takes beside `progress` and `detached`.
        """
        with closing(self.engine.each(self.asynchronous.stream(text, **options))) as items:
            for item in items:
                yield self.engine.synchronous(item) if isinstance(item, Agent) else item

    advance = _agent(Agent.advance)  # type: ignore[arg-type]  # `self` is no keyword
    approve = _agent(Agent.approve)
    at = _agent(Agent.at)
    archive = _agent(Agent.archive)
    cancel = _agent(Agent.cancel)
    clone = _agent(Agent.clone)
    deny = _agent(Agent.deny)
    end = _agent(Agent.end)
    fork = _agent(Agent.fork)
    generate_title = _agent(Agent.generate_title)
    last_response = whole(Agent.last_response)
    messages = whole(Agent.messages)
    resolve = _agent(Agent.resolve)
    resume = _agent(Agent.resume)  # type: ignore[arg-type]  # `self` is no keyword
    set_title = _agent(Agent.set_title)
    tag = _agent(Agent.tag)
    unarchive = _agent(Agent.unarchive)
    untag = _agent(Agent.untag)
    usage = whole(Agent.usage)
    with_metadata = _agent(Agent.with_metadata)
    with_model = _agent(Agent.with_model)
