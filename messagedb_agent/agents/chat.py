"""`Chat`: a conversation as one object that changes, for those who want no agent after agent."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any, cast

from messagedb_agent.agents.agent import Agent
from messagedb_agent.agents.connecting import connect
from messagedb_agent.agents.engine import Engine
from messagedb_agent.agents.streaming import StreamItem
from messagedb_agent.closing import Closing
from messagedb_agent.definitions.authoring import AgentDefinition
from messagedb_agent.definitions.saved import SavedDefinition
from messagedb_agent.errors import LimitReached, ModelError, ValidationError
from messagedb_agent.events.values import Definition
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.tools.object_tool import AnyTool

Described = AgentDefinition | SavedDefinition | Definition
_NOT_GIVEN = ("tools", "recalled")  # of a definition: what the engine and the user have


class Chat(Closing):
    """A conversation that goes on: what is said next is said in the same thread.

    One turn is under way at a time; what is said meanwhile waits for it.

    Args:
        of: who answers: a definition, or an agent, from whose state on it goes on: an older state
            of a thread forks.
        model: the model's name, in place of what `of` says.
        tools: the tools that it has, these and no others: tools, or names of the engine's.
        user: who speaks, and whose threads are begun.
        engine: where threads are begun with a definition; by default in memory, in a store that
            `close` lets go of. An agent has its engine.

    Raises:
        ValidationError: `of` is neither, or an engine is given beside an agent.
    """

    def __init__(
        self,
        of: Described | Agent,
        *,
        model: str | None = None,
        tools: Sequence[AnyTool | str] | None = None,
        user: str | None = None,
        engine: Engine | None = None,
    ) -> None:
        if not isinstance(of, Described | Agent):
            raise ValidationError(
                f"of: a {type(of).__name__} is neither a definition nor an agent", field="of"
            )
        if isinstance(of, Agent) and engine is not None:
            raise ValidationError("engine: an agent has its own", field="engine")
        self.user = user
        self._agent = of if isinstance(of, Agent) else None
        self._begins_with = of.definition if isinstance(of, Agent) else of
        # Agents are made by engines alone.
        self._engine = cast("Engine", of.engine) if isinstance(of, Agent) else engine
        self._own: Engine | None = None
        self._model, self._tools = model, tools
        self._is_ours = False  # whether the thread is that of this chat, and is not left any more
        self._turn = asyncio.Lock()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(agent={self._agent!r})"

    @property
    def agent(self) -> Agent | None:
        """The newest state that was heard of; None where no thread has begun."""
        return self._agent

    async def send(self, text: str, **options: Any) -> str | None:
        """Say something, and return the answer; None where there is none, as `agent` then tells.

        Args:
            text: what the user says.
            options: what `Agent.advance` takes, such as `temperature`.

        Raises:
            ModelError: the model call failed for good; the next message goes on from there.
            LimitReached: a limit stopped the turn; the next message goes on from there.
            ValidationError: the text is empty, an option, the model or a tool is wrong.
            Refused: the thread is deleted, or holds an event that needs newer code.
            RefusedPayload: the text is larger than the store takes.
            IntegrityError: a fork's parent is missing or cut, or the stream is shorter than it was.
            StoreUnavailable: the store was not reached; what was written stands.
        """
        async with self._spoken_to() as (agent, said):
            self._moved(later := await agent.advance(text, **{**said, **options}))
            return later.answer

    async def stream(self, text: str, **options: Any) -> AsyncGenerator[StreamItem, None]:
        """Say something, and give what happens, as `Agent.stream` does; the new agent comes last.

        Who closes it early cancels the turn.

        Args:
            text: what the user says.
            options: what `Agent.stream` takes.

        Raises:
            ModelError: the model call failed for good; the next message goes on from there.
            LimitReached: a limit stopped the turn; the next message goes on from there.
            ValidationError: the text is empty, an option, the model or a tool is wrong.
            Refused: the thread is deleted, or holds an event that needs newer code.
            RefusedPayload: the text is larger than the store takes.
            IntegrityError: a fork's parent is missing or cut, or the stream is shorter than it was.
            StoreUnavailable: the store was not reached; what was written stands.
        """
        async with (
            self._spoken_to() as (agent, said),
            aclosing(agent.stream(text, **{**said, **options})) as items,
        ):
            async for item in items:
                if isinstance(item, Agent):
                    self._moved(item)
                yield item

    def new_thread(self) -> None:
        """Begin a thread of its own with the next message; the old one stays where it is."""
        self._agent, self._is_ours = None, False

    async def close(self) -> None:
        """Let go of the store in memory, where it is this chat's own; of nothing else."""
        if self._own is not None:
            await self._own.close()

    @asynccontextmanager
    async def _spoken_to(self) -> AsyncIterator[tuple[Agent, Mapping[str, Any]]]:
        """Give the agent that is spoken to, and what is said beside the text, for one turn."""
        async with self._turn:
            if self._agent is None:
                self._agent, self._is_ours = await self._begun(), True
            said: dict[str, Any] = {"user": self.user, "at_head": self._is_ours}
            try:
                yield self._agent, {**said, "model": self._model, "tools": self._tools}
            except (ModelError, LimitReached) as stopped:
                self._moved(stopped.agent)
                raise

    async def _begun(self) -> Agent:
        engine = self._engine
        if engine is None:
            engine = self._own = await connect(MemoryStore())
            self._engine = engine
        of = self._begins_with
        named: Mapping[str, Any] = {"model": self._model} if self._model else {}
        if isinstance(of, AgentDefinition | SavedDefinition):
            return await engine.create_agent(definition=of, user=self.user, **named)
        fields = {name: value for name, value in of or () if name not in _NOT_GIVEN}
        return await engine.create_agent(user=self.user, **{**fields, **named})

    def _moved(self, agent: Agent) -> None:
        self._agent, self._is_ours = agent, True
