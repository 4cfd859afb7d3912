"""The engine: threads on one store, and the agents that are their states."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self, TypeVar

import orjson
import pydantic

from messagedb_agent import ids
from messagedb_agent.agent.commands import Command, Continue, Redefine, Say, Start
from messagedb_agent.agents.agent import SILENT, Agent, Progress
from messagedb_agent.agents.finding import (
    Listed,
    find_thread,
    list_threads,
    shortest_prefix,
)
from messagedb_agent.agents.kept import KeptRuns
from messagedb_agent.agents.run import Run
from messagedb_agent.agents.view import View, view
from messagedb_agent.engine.effects import Effects
from messagedb_agent.engine.history import read_events
from messagedb_agent.engine.journal import Writing
from messagedb_agent.engine.saying import Saying
from messagedb_agent.engine.verify import Verification, verify
from messagedb_agent.errors import (
    LimitReached,
    ModelError,
    NotFound,
    RefusedName,
    ValidationError,
)
from messagedb_agent.events.values import AgentDefinition, ForkPoint
from messagedb_agent.llm.model import Connected, Models
from messagedb_agent.projections.conversation import Conversation
from messagedb_agent.projections.projection import Projection
from messagedb_agent.store.message import Message
from messagedb_agent.store.store import Store
from messagedb_agent.store.stream_name import id_of, thread_category, thread_stream
from messagedb_agent.tools.tool import Tools

S = TypeVar("S")

DEFAULT_PROMPT = "You are a helpful assistant. Use the tools you are given where they help."


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
    _kept: KeptRuns = field(default_factory=KeptRuns, init=False, repr=False, compare=False)

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
        defaults = {"model": "offline", "tools": self.tools.specs()}
        return _defined({"name": name, "system_prompt": system_prompt, **defaults, **fields})

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
        if message is None or not message.stream_name.startswith(f"{self._category}-"):
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
        run = await self._run(thread_id)
        self._kept.keep(run)
        return self._agent(thread_id, run.view)

    async def find_thread(self, name: str) -> str:
        """Return the id of a thread by id, unique prefix, or `last`."""
        return await find_thread(self.store, self._category, name)

    async def shortest_prefix(self, thread_id: str) -> str:
        """Return the shortest beginning of a thread's id that names no other thread."""
        return await shortest_prefix(self.store, self._category, self._stream(thread_id))

    async def threads(self, limit: int = 10) -> tuple[Listed, ...]:
        """Return the threads with the newest events, newest first."""
        return await list_threads(self.store, self._category, limit)

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
        return self.store.read_category(self._category, global_position=global_position)

    async def newest(self, thread_id: str | None = None) -> Message | None:
        """Return the newest message of a thread, or of all; None where there is none."""
        if thread_id is not None:
            return await self.store.last(self._stream(thread_id))
        heads = await self.store.newest_streams(self._category, limit=1)
        return await self.store.last(heads[0].stream_name) if heads else None

    async def verify(self, thread_id: str) -> Verification:
        """Check a thread's positions and its hash chain; no model and no tool is called."""
        return await verify(self.store, self._stream(thread_id))

    @property
    def _category(self) -> str:
        return thread_category(self.category, self.version)

    def _stream(self, thread_id: str) -> str:
        return thread_stream(self.category, self.version, thread_id)

    async def _run(self, thread_id: str) -> Run:
        """Return a thread as it stands, read on from where it was left."""
        run = self._kept.take(thread_id)
        if run is None:
            run = Run(self.store, self._stream(thread_id), thread_id, self.writing)
        await run.journal.catch_up()
        return run

    async def _see_through(self, run: Run, saying: Saying, progress: Progress) -> Agent:
        effects = Effects(
            run.journal.stream,
            run.thread_id,
            self.models,
            self.tools,
            self.writing.clock,
            progress.on_delta,
        )
        seen = await run.take_on(saying, effects, progress.on_event)
        self._kept.keep(run)  # not after an error, which may have left it between two events
        return self._settled(run.thread_id, seen)

    def _agent(self, thread_id: str, seen: View) -> Agent:
        if seen.last is None:
            raise NotFound("thread", thread_id)
        named_by = seen.lineage.current or seen.last
        return Agent(named_by.id, thread_id, seen, self)

    def _settled(self, thread_id: str, seen: View) -> Agent:
        """Return the agent after a turn, or raise what the turn ended with."""
        agent = self._agent(thread_id, seen)
        if seen.outcome.state.failed and seen.outcome.failure:
            kind, message = seen.outcome.failure
            raise ModelError(message, kind=kind, agent=agent)
        if seen.outcome.state.stopped:
            raise LimitReached(seen.outcome.state.stopped, agent=agent)
        return agent

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
        noted = _json_text(metadata) if metadata else None
        start = Start(thread_id, definition, user, noted)

        def asked(shown: Conversation) -> Sequence[Command]:
            opening = () if shown.state.started else (start,)
            return (*opening, say) if say else opening

        run = await self._run(thread_id)
        return await self._see_through(run, Saying(asked, given), progress)

    async def take_on(
        self,
        agent: Agent,
        commands: Sequence[Command],
        *,
        message_id: str | None,
        changes: Mapping[str, Any],
        progress: Progress,
        forks: bool,
    ) -> Agent:
        """Ask something of an agent's thread, see it through, and return the new state."""
        given = ids.normalised_id(message_id) if message_id else None
        run = await self._run(agent.thread_id)
        is_stale = forks and run.has_moved_past(agent.position)
        if is_stale and not await self._was_said(agent, given):
            self._kept.keep(run)
            return await self._fork(agent, commands, given, changes, progress)

        def asked(shown: Conversation) -> Sequence[Command]:
            goes_on = any(isinstance(command, Say | Continue) for command in commands)
            redefinition = self._redefinition(agent, shown, changes) if goes_on else ()
            return (*redefinition, *commands)

        return await self._see_through(run, Saying(asked, given), progress)

    def _redefinition(
        self, agent: Agent, shown: Conversation, changes: Mapping[str, Any]
    ) -> Sequence[Command]:
        """Return what brings the recorded agent to the one that is to go on.

        Limits that were raised since stay raised, unless the changes name others.
        """
        fields = {name: value for name, value in changes.items() if value is not None}
        recorded = shown.definition
        if recorded is None:
            return (Start(agent.thread_id, self.define(**fields)),)
        wanted = _defined({**dict(recorded), "tools": self.tools.specs(), **fields})
        if wanted == recorded:
            return ()
        return (Redefine(_defined({**dict(wanted), "limits": shown.state.limits} | fields)),)

    async def _was_said(self, agent: Agent, message_id: str | None) -> bool:
        message = await self.store.by_id(message_id) if message_id else None
        return message is not None and message.stream_name == self._stream(agent.thread_id)

    async def _fork(
        self,
        agent: Agent,
        commands: Sequence[Command],
        message_id: str | None,
        changes: Mapping[str, Any],
        progress: Progress,
    ) -> Agent:
        """Begin a new thread that shares the agent's past, and ask something of it.

        The thread's start stands in one append with what is said, so that what is refused leaves
        no thread behind; with a message id there is one such fork, however often it is asked for.
        """
        thread_id = (
            ids.derived_id(agent.id, message_id, "thread") if message_id else ids.thread_id()
        )
        stream, parent = self._stream(thread_id), self._stream(agent.thread_id)
        definition = agent.definition or self.define()
        at = ForkPoint(stream_name=parent, position=agent.position, event_id=agent.id)

        def asked(shown: Conversation) -> Sequence[Command]:
            said = (*self._redefinition(agent, shown, changes), *commands)
            if shown.state.stream == stream:  # it has begun
                return said
            in_force = definition.model_copy(update={"limits": shown.state.limits})
            return (Start(thread_id, in_force, forked_from=at), *said)

        run = Run(self.store, stream, thread_id, self.writing)
        await run.journal.branch_off(parent, agent.position)
        await run.journal.catch_up()
        return await self._see_through(run, Saying(asked, message_id), progress)


def _defined(fields: Mapping[str, Any]) -> AgentDefinition:
    """Return a definition of these fields.

    Raises:
        ValidationError: one of them is unknown or wrong.
    """
    try:
        return AgentDefinition(**fields)
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise ValidationError(f"{where}: {first['msg']}", field=where) from error


def _json_text(metadata: Mapping[str, Any]) -> str:
    try:
        return orjson.dumps(metadata).decode()
    except TypeError as error:
        raise ValidationError(f"metadata: {error}", field="metadata") from error
