"""The engine: threads on one store, and the agents that are their states."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import TracebackType
from typing import Any, Self, TypeVar

from messagedb_agent import ids
from messagedb_agent.agent.commands import Command, Say, Start
from messagedb_agent.agents.agent import SILENT, Agent, Progress
from messagedb_agent.agents.defining import DEFAULT_PROMPT, DEFAULTS, defined, noted
from messagedb_agent.agents.finding import (
    Listed,
    find_thread,
    list_threads,
    shortest_prefix,
)
from messagedb_agent.agents.turns import Rest, Turns
from messagedb_agent.agents.view import View, view
from messagedb_agent.engine.history import read_events
from messagedb_agent.engine.journal import Writing
from messagedb_agent.engine.verify import Verification, verify
from messagedb_agent.errors import LimitReached, ModelError, NotFound, RefusedName
from messagedb_agent.events.values import AgentDefinition
from messagedb_agent.llm.model import Connected, Models
from messagedb_agent.projections.projection import Projection
from messagedb_agent.store.message import Message
from messagedb_agent.store.store import Store
from messagedb_agent.store.stream_name import id_of, thread_category, thread_stream
from messagedb_agent.tools.tool import Tools

S = TypeVar("S")


@dataclass(frozen=True)
class Engine:
    """Threads of one category on one store.

    Attributes:
        store: where the threads are kept.
        models: finds a model by its name.
        tools: the toolbox of all agents here.
        category: category of the threads, normalised.
        version: version in their stream names.
        writing: clock, ids and writer.
    """

    store: Store
    models: Models
    tools: Tools
    category: str = "agent"
    version: str = "v0"
    writing: Writing = field(default_factory=Writing)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of the connections to the store and to models."""
        try:
            if isinstance(self.models, Connected):
                await self.models.close()
        finally:
            await self.store.close()

    def define(
        self, name: str = "assistant", *, system_prompt: str = DEFAULT_PROMPT, **fields: Any
    ) -> AgentDefinition:
        """Return a definition with this engine's tools.

        Args:
            name: what the agent is called.
            system_prompt: what the model is told before the conversation.
            fields: other fields of `AgentDefinition`; `model` is `offline` by default.
        """
        given = {"name": name, "system_prompt": system_prompt, **fields}
        return defined({**DEFAULTS, "tools": self.tools.specs(), **given})

    async def create_agent(
        self,
        name: str = "assistant",
        *,
        user: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        **fields: Any,
    ) -> Agent:
        """Begin a thread and return its first state; no model is asked.

        Args:
            name: what the agent is called.
            user: whose thread it is.
            metadata: what to note with it, a JSON object.
            fields: fields of `AgentDefinition`, such as `system_prompt` and `model`.
        """
        definition = self.define(name, **fields)
        return await self._begin(definition, None, user, metadata, None, SILENT)

    async def start(
        self,
        text: str,
        *,
        definition: AgentDefinition | None = None,
        user: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        message_id: str | None = None,
        progress: Progress = SILENT,
    ) -> Agent:
        """Begin a thread with a message and see its first turn through.

        Args:
            text: what the user says.
            definition: the agent; `define()` by default.
            user: whose thread it is, and who speaks.
            metadata: what to note with the thread, a JSON object.
            message_id: a UUID of the caller's; a start repeated with it is one thread.
            progress: told of the run while it goes on.

        Raises:
            ModelError: the model call failed for good; `agent` is the recorded state.
            LimitReached: a limit stopped the turn; `agent` is the recorded state.
            ValidationError: the text is empty.
        """
        return await self._begin(
            definition or self.define(), Say(text, user), user, metadata, message_id, progress
        )

    async def load_agent(self, id: str) -> Agent:
        """Return the state that the event with this id completes, whatever came after it.

        Raises:
            NotFound: no event of a thread of this engine has this id.
        """
        message = await self.store.by_id(ids.normalised_id(id))
        if message is None or not message.stream_name.startswith(f"{self._stream_category}-"):
            raise NotFound("agent", id)
        thread_id = id_of(message.stream_name) or ""
        try:
            return self._agent(thread_id, await self.fold(thread_id, view, at=message.position))
        except RefusedName as error:  # a stream in our category that is no thread
            raise NotFound("agent", id) from error

    async def latest(self, thread: str) -> Agent:
        """Return the newest state of a thread.

        Args:
            thread: its id, a unique prefix of it, or `last` for the thread with the newest event.

        Raises:
            NotFound: there is no such thread.
            AmbiguousName: the prefix fits several.
        """
        thread_id = await self.find_thread(thread)
        return self._agent(thread_id, await self._turns.latest(thread_id))

    async def find_thread(self, name: str) -> str:
        """Return the id of a thread by id, unique prefix, or `last`."""
        return await find_thread(self.store, self._stream_category, name)

    async def shortest_prefix(self, thread_id: str) -> str:
        """Return the shortest beginning of a thread's id that names no other thread."""
        return await shortest_prefix(self.store, self._stream_category, self._stream(thread_id))

    async def threads(self, limit: int = 10) -> tuple[Listed, ...]:
        """Return the threads with the newest events, newest first."""
        return await list_threads(self.store, self._stream_category, limit)

    async def fold(self, thread_id: str, projection: Projection[S], *, at: int | None = None) -> S:
        """Fold a thread, a fork's ancestors first, up to a position of its own (inclusive)."""
        state = projection.initial
        async for recorded in read_events(self.store, self._stream(thread_id), until=at):
            state = projection.evolve(state, recorded)
        return state

    def messages(
        self, thread_id: str, *, position: int = 0, until: int | None = None
    ) -> AsyncIterator[Message]:
        """Read a thread's own messages as they stand in the store."""
        return self.store.read(self._stream(thread_id), position=position, until=until)

    def all_messages(self, *, global_position: int = 1) -> AsyncIterator[Message]:
        """Read the messages of all threads, from a global position on, up to the newest now."""
        return self.store.read_category(self._stream_category, global_position=global_position)

    async def newest(self, thread_id: str) -> Message | None:
        """Return the newest message of a thread; None where there is none."""
        return await self.store.last(self._stream(thread_id))

    async def verify(self, thread_id: str) -> Verification:
        """Check a thread's positions and its hash chain; no model and no tool is called."""
        return await verify(self.store, self._stream(thread_id))

    async def _begin(
        self,
        definition: AgentDefinition,
        say: Say | None,
        user: str | None,
        metadata: Mapping[str, Any] | None,
        message_id: str | None,
        progress: Progress,
    ) -> Agent:
        given = ids.normalised_id(message_id) if message_id else None
        thread_id = ids.derived_id("", given, "thread") if given else ids.thread_id()
        start = Start(thread_id, definition, user, noted(metadata) if metadata else None)
        return self._settled(await self._turns.begin(start, say, given, progress))

    async def ask(
        self,
        agent: Agent,
        *commands: Command,
        message_id: str | None = None,
        changes: Mapping[str, Any] | None = None,
        progress: Progress = SILENT,
        forks: bool = False,
    ) -> Agent:
        """Ask something of an agent's thread, see it through, and return the new state.

        Args:
            agent: the state that is asked.
            commands: what is asked, all or none.
            message_id: a UUID of the caller's for the message among the commands.
            changes: fields of `AgentDefinition` that are other from here on.
            progress: told of the run while it goes on.
            forks: whether a state that is no longer the head of its thread forks there; else the
                thread's head takes it on.

        Raises:
            Refused: the thread's state does not allow it.
            ValidationError: a command or a change is wrong in itself.
            ModelError: the model call failed for good; `agent` is the recorded state.
            LimitReached: a limit stopped the turn; `agent` is the recorded state.
        """
        rest = await self._turns.ask(
            agent,
            commands,
            message_id=ids.normalised_id(message_id) if message_id else None,
            changes=changes or {},
            progress=progress,
            forks=forks,
        )
        return self._settled(rest)

    @cached_property
    def _turns(self) -> Turns:
        return Turns(self.store, self.models, self.tools, self.category, self.version, self.writing)

    @property
    def _stream_category(self) -> str:
        return thread_category(self.category, self.version)

    def _stream(self, thread_id: str) -> str:
        return thread_stream(self.category, self.version, thread_id)

    def _agent(self, thread_id: str, seen: View) -> Agent:
        if seen.last is None:
            raise NotFound("thread", thread_id)
        named_by = seen.lineage.current or seen.last
        return Agent(named_by.id, thread_id, seen, self)

    def _settled(self, rest: Rest) -> Agent:
        """Return the agent after a turn, or raise what the turn ended with."""
        agent, outcome = self._agent(rest.thread_id, rest.view), rest.view.outcome
        if outcome.state.failed and outcome.failure:
            kind, message = outcome.failure
            raise ModelError(message, kind=kind, agent=agent)
        if outcome.state.stopped:
            raise LimitReached(outcome.state.stopped, agent=agent)
        return agent
