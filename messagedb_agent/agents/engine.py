"""The engine: threads on one store, and the agents that are their states."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import TracebackType
from typing import Any, Self

from messagedb_agent import ids
from messagedb_agent.agent.commands import Command, Redefine, Say, Start, Title
from messagedb_agent.agents.agent import Agent
from messagedb_agent.agents.defining import (
    DEFAULT_PROMPT,
    DEFAULTS,
    check_strategy,
    check_transactional,
    defined,
)
from messagedb_agent.agents.json_text import json_text
from messagedb_agent.agents.progress import SILENT, Progress
from messagedb_agent.agents.reading import Reading
from messagedb_agent.agents.recorded_tools import AskResult
from messagedb_agent.agents.snapshot_policy import SnapshotPolicy
from messagedb_agent.agents.snapshotting import Snapshotting
from messagedb_agent.agents.turns import Rest, Turns
from messagedb_agent.agents.view import View, view
from messagedb_agent.agents.watching import Watching, named_sender
from messagedb_agent.agents.what_if import Supposing, branching
from messagedb_agent.engine.journal import Writing
from messagedb_agent.errors import LimitReached, ModelError, NotFound, RefusedName
from messagedb_agent.events.values import Definition
from messagedb_agent.events.words import Answering
from messagedb_agent.llm.model import Connected, Models
from messagedb_agent.store.store import Store
from messagedb_agent.store.stream_name import id_of
from messagedb_agent.tools.object_tool import AnyTool
from messagedb_agent.tools.tool import Tools


@dataclass(frozen=True)
class Engine(Reading):
    """Threads of one category on one store; `connect` makes it.

    It may be used by several tasks at once, of one event loop.

    Attributes:
        store: where the threads are kept.
        models: finds a model by its name.
        tools: the toolbox of all agents here.
        category: category of the threads, normalised.
        version: version in their stream names.
        writing: clock, ids and writer.
        snapshots: how often a long thread's fold is kept.
        watching: watches all threads, such as tracing does; None for nobody.

    Raises:
        ConfigurationError: a tool is transactional, and the store has no transactions.
    """

    store: Store
    models: Models
    tools: Tools
    category: str = "agent"
    version: str = "v0"
    writing: Writing = field(default_factory=Writing)
    snapshots: SnapshotPolicy = field(default_factory=SnapshotPolicy)
    watching: Watching | None = None

    def __post_init__(self) -> None:
        check_transactional(self.tools, self.store)

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
        """Let go of the connections to the store and to models; closing twice is closing once.

        Afterwards whatever reads or writes raises `StoreUnavailable`.
        """
        try:
            if "turns" in vars(self):
                await self.turns.close()
        finally:
            await self._let_go()

    async def _let_go(self) -> None:
        try:
            if isinstance(self.models, Connected):
                await self.models.close()
        finally:
            await self.store.close()

    def with_tools(self, *tools: AnyTool) -> "Engine":
        """Return an engine on the same connections that has further tools; closing one closes both.

        Raises:
            ValidationError: something is no tool, or a tool of that name is here already.
            ConfigurationError: a tool is transactional, and the store has no transactions.
        """
        engine = replace(self, tools=self.tools.added(*tools))
        # The threads that were read stay so: a run is told of what is new alone.
        vars(engine)["turns"] = replace(self.turns, tools=engine.tools)
        return engine

    def define(
        self, name: str = "assistant", *, system_prompt: str = DEFAULT_PROMPT, **fields: Any
    ) -> Definition:
        """Return a definition with this engine's tools.

        Args:
            name: what the agent is called.
            system_prompt: what the model is told before the conversation.
            fields: other fields of `Definition`; `model` is `offline` by default.

        Raises:
            ValidationError: a field is unknown or wrong; `field` is its name. A model's name is
                not looked up before it is asked.
        """
        given = {"name": name, "system_prompt": system_prompt, **fields}
        check_strategy(given.get("context_strategy"))
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
            fields: fields of `Definition`, such as `system_prompt` and `model`.

        Raises:
            ValidationError: a field is unknown or wrong, or JSON cannot hold the metadata.
            RefusedPayload: the definition with the metadata is larger than the store takes (1 MiB
                a message by default).
            StoreUnavailable: the store was not reached; the thread may stand there all the same.
        """
        definition = self.define(name, **fields)
        return await self._begin(definition, None, user, metadata, None, SILENT)

    async def start(
        self,
        text: str,
        *,
        definition: Definition | None = None,
        user: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        message_id: str | None = None,
        traceparent: str | None = None,
        progress: Progress = SILENT,
        detached: bool = False,
    ) -> Agent:
        """Begin a thread with a message and see its first turn through.

        Args:
            text: what the user says.
            definition: the agent; `define()` by default.
            user: whose thread it is, and who speaks.
            metadata: what to note with the thread, a JSON object.
            message_id: a UUID of the caller's, as text; a start repeated with it is one thread.
            traceparent: the span that the turn is to belong to, as W3C Trace Context names it; by
                default the current one, where tracing is on. One that is malformed is ignored.
            progress: told of the run while it goes on.
            detached: only write it down; workers answer.

        Returns:
            The state that answers the text, or where the turn waits for an approval; where it is
            detached, the state right behind the text.

        Raises:
            ModelError: the model call failed for good, or there is no such model (kind
                `configuration`); `agent` is the recorded state.
            LimitReached: a limit stopped the turn; `agent` is the recorded state.
            ValidationError: the text is empty, the message id is no UUID, JSON cannot hold the
                metadata, or the definition has a context strategy that is not known.
            RefusedPayload: the text, or the definition with the metadata, is larger than the store
                takes (1 MiB a message by default).
            DuplicateMessage: the message id is taken by another text or another thread.
            Refused: the thread was started before with this message id, and is deleted by now or
                holds an event that needs newer code.
            IntegrityError: the stream is shorter than it was.
            StoreUnavailable: the store was not reached; the same again with a message id is safe.
        """
        return await self._begin(
            definition or self.define(),
            Say(text, user),
            user,
            metadata,
            message_id,
            progress,
            detached=detached,
            traceparent=traceparent,
        )

    async def load_agent(self, id: str) -> Agent:
        """Return the state that the event with this id completes, whatever came after it.

        Args:
            id: id of an agent, a UUID as text. An event that makes no state, such as a title,
                gives the state that it found.

        Raises:
            NotFound: no event of a thread of this engine has this id.
            ValidationError: it is no UUID.
            IntegrityError: a fork's parent is missing or cut, or forks lead in a circle.
            StoreUnavailable: the store was not reached.
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
            AmbiguousName: the prefix fits several; `candidates` holds some of their ids.
            RefusedName: the name is empty.
            IntegrityError: a fork's parent is missing or cut, or forks lead in a circle.
            StoreUnavailable: the store was not reached.
        """
        thread_id = await self.find_thread(thread)
        return self._agent(thread_id, await self.turns.latest(thread_id))

    async def write_snapshot(self, thread_id: str) -> int | None:
        """Write a snapshot of a thread now, whatever the policy; see `connect`.

        Args:
            thread_id: its id, in full.

        Returns:
            The position it was taken at; None where the thread is so short that none would be
            used, or somebody else was writing one.

        Raises:
            RefusedName: no thread can have this id.
            IntegrityError: a fork's parent is missing or cut, or forks lead in a circle.
            RefusedPayload: it holds what the store does not take.
            StoreUnavailable: the store was not reached.
        """
        return await self.turns.write_snapshot(thread_id)

    async def _begin(
        self,
        definition: Definition,
        say: Say | None,
        user: str | None,
        metadata: Mapping[str, Any] | None,
        message_id: str | None,
        progress: Progress,
        *,
        detached: bool = False,
        traceparent: str | None = None,
    ) -> Agent:
        check_strategy(definition.context_strategy)
        given = ids.normalised_id(message_id) if message_id else None
        thread_id = ids.derived_id("", given, "thread") if given else ids.thread_id()
        text = json_text(metadata, "metadata") if metadata else None
        start = Start(thread_id, definition, user, text)
        sender = named_sender(traceparent)
        rest = await self.turns.begin(start, say, given, progress, detached=detached, sender=sender)
        return self._agent(rest.thread_id, rest.view) if detached else self._settled(rest)

    async def ask(
        self,
        agent: Agent,
        *commands: Command,
        message_id: str | None = None,
        changes: Mapping[str, Any] | None = None,
        traceparent: str | None = None,
        progress: Progress = SILENT,
        forks: bool = False,
        detached: bool = False,
    ) -> Agent:
        """Ask something of an agent's thread, see it through, and return the new state.

        Args:
            agent: the state that is asked.
            commands: what is asked, values of `messagedb_agent.agent.commands`, all or none.
                Without any the thread is only taken on.
            message_id: a UUID of the caller's, as text, for the message among the commands.
            changes: fields of `Definition` that are other from here on, if there is a `Say`
                or a `Continue` among the commands; None leaves a field as it is.
            traceparent: the span that a turn which these commands begin is to belong to; see
                `start`.
            progress: told of the run while it goes on.
            forks: whether a state that is no longer the head of its thread forks there; else the
                thread's head takes it on.
            detached: only write it down; workers go on with it.

        Returns:
            The state where what was asked is settled, or where the thread waits for a person;
            where it is detached, the state right behind what was asked.

        Raises:
            Refused: the thread's state does not allow it: it is deleted or was never started, it
                holds an event that needs newer code, a call does not wait, an outcome is not
                unknown, or a limit of the session is reached and was not raised.
            ValidationError: a command or a change is wrong in itself, or the message id is no
                UUID; nothing was written.
            ConfigurationError: a call that a dead worker left open needs a tool that this engine
                lacks. What was said stands; who has the tool takes the thread up.
            RefusedPayload: a command or a change is larger than the store takes.
            DuplicateMessage: the message id is taken by another text or another thread.
            ModelError: the model call failed for good; `agent` is the recorded state.
            LimitReached: a limit stopped the turn; `agent` is the recorded state.
            IntegrityError: a fork's parent is missing or cut, or the stream is shorter than it was.
            StoreUnavailable: the store was not reached; what was written stands.
        """
        changes = changes or {}
        check_strategy(changes.get("context_strategy"))
        for command in commands:
            if isinstance(command, Start | Redefine):
                check_strategy(command.definition.context_strategy)
        rest = await self.turns.ask(
            agent,
            commands,
            message_id=ids.normalised_id(message_id) if message_id else None,
            changes=changes,
            progress=progress,
            forks=forks,
            detached=detached,
            sender=named_sender(traceparent),
        )
        return self._agent(rest.thread_id, rest.view) if detached else self._settled(rest)

    async def fork(
        self,
        agent: Agent,
        *,
        title: str | None = None,
        progress: Progress = SILENT,
        detached: bool = False,
    ) -> Agent:
        """Begin a thread that shares an agent's past, and see it through; see `Agent.fork`.

        Raises:
            ValidationError: the title is empty.
            ModelError: the model call failed for good; `agent` is the recorded state.
            LimitReached: a limit stopped the turn; `agent` is the recorded state.
            IntegrityError: a parent is missing or cut.
            StoreUnavailable: the store was not reached; a fork may stand there all the same.
        """
        said = () if title is None else (Title(title),)
        rest = await self.turns.fork(agent, said, None, {}, progress, detached=detached)
        return self._agent(rest.thread_id, rest.view) if detached else self._settled(rest)

    async def what_if(
        self,
        agent: Agent,
        *,
        results: Mapping[str, str] | None = None,
        tools: Answering = "recorded",
        ask: AskResult | None = None,
        progress: Progress = SILENT,
        **changes: Any,
    ) -> Agent:
        """Fork a state and run the turn on, with something other than it was.

        Calls of the fork are answered by what the same calls (tool and arguments) gave in the
        thread, also behind the state. A call that the record does not know is treated as `tools`
        says: `recorded` stops the turn there; `ask` asks for a result; `live` runs the tool, by
        its policy. By the first two no tool ever runs in the fork.

        Args:
            agent: the state, in the middle of a turn.
            results: results for calls in place of those recorded, by call id. The fork begins
                before the first of their outcomes.
            tools: what answers calls that the record does not know.
            ask: asks a person for a result, by tool and arguments; None where none is given.
            progress: told of the run while it goes on.
            changes: fields of `Definition` that are other in the fork.

        Returns:
            The fork's state where it rests. Where it was stopped as the record lacks a call,
            `view.outcome.cancelled` says so.

        Raises:
            NotFound: a result is given for a call that the thread never made.
            Refused: nothing is to be done at the state, a call that is open there has no result,
                or one has its outcome in a past that the thread shares with its parent.
            ValidationError: a change is wrong.
            ModelError: the model call failed for good; `agent` is the recorded state.
            LimitReached: a limit stopped the turn; `agent` is the recorded state.
            RefusedPayload: the results are larger than the store takes.
            IntegrityError: a parent is missing or cut.
            StoreUnavailable: the store was not reached; a fork may stand there all the same.
        """
        check_strategy(changes.get("context_strategy"))
        supposing = Supposing(results or {}, tools, ask, changes)
        begins, differing = await branching(self, agent, self.tools.specs(), supposing)
        rest = await self.turns.fork(begins, (), None, {}, progress, branching=differing)
        return self._settled(rest)

    @cached_property
    def turns(self) -> Turns:
        """What takes threads on; workers use it."""
        return Turns(
            self.store,
            self.models,
            self.tools,
            self.category,
            self.version,
            self.writing,
            Snapshotting(self.store, self.writing.ids, self.snapshots),
            self.watching,
        )

    def _agent(self, thread_id: str, seen: View) -> Agent:
        if seen.named_by is None:
            raise NotFound("thread", thread_id)
        return Agent(seen.named_by.id, thread_id, seen, self)

    def _settled(self, rest: Rest) -> Agent:
        """Return the agent after a turn, or raise what the turn ended with."""
        agent, outcome = self._agent(rest.thread_id, rest.view), rest.view.outcome
        if outcome.state.failed and outcome.failure:
            kind, message = outcome.failure
            raise ModelError(message, kind=kind, agent=agent)
        if outcome.state.stopped:
            raise LimitReached(outcome.state.stopped, agent=agent)
        return agent
