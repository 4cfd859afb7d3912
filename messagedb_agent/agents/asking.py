"""Asking something of agents: the turns that follow are seen through, and give the next state."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from messagedb_agent import ids
from messagedb_agent.agent.commands import Command, Redefine, Start, Title
from messagedb_agent.agents.agent import Agent
from messagedb_agent.agents.defining import DEFAULTS, check_strategy, defined
from messagedb_agent.agents.extracting import EngineMemory
from messagedb_agent.agents.forking import Branching
from messagedb_agent.agents.json_text import json_text
from messagedb_agent.agents.outputs import Wanted
from messagedb_agent.agents.progress import SILENT, Progress
from messagedb_agent.agents.recorded_tools import AskResult, silent_mode
from messagedb_agent.agents.redefining import lasting_limits
from messagedb_agent.agents.runs import Rest
from messagedb_agent.agents.standing import Standing
from messagedb_agent.agents.turn_options import NO_OPTIONS, TurnOptions
from messagedb_agent.agents.view import View
from messagedb_agent.agents.watching import named_sender
from messagedb_agent.agents.what_if import Supposing, branching
from messagedb_agent.agents.wish import Wish
from messagedb_agent.agents.workshop import Workshop
from messagedb_agent.errors import LimitReached, ModelError, NotFound
from messagedb_agent.events.schema import LlmCallFailed
from messagedb_agent.events.words import Answering


class Asking(Workshop):
    """What can be asked of the threads of one category, beside what can be read of them.

    Agents hand on what they are asked to one of these.
    """

    @cached_property
    def memory(self) -> EngineMemory:
        """What is known of users, across threads."""
        return EngineMemory(self.store, self.category, self._workings.writing, engine=self)

    async def ask(
        self,
        agent: Standing,
        *commands: Command,
        message_id: str | None = None,
        changes: Mapping[str, Any] | None = None,
        traceparent: str | None = None,
        progress: Progress = SILENT,
        forks: bool = False,
        options: TurnOptions = NO_OPTIONS,
        detached: bool = False,
    ) -> Agent:
        """Ask something of an agent's thread, see it through, and return the new state.

        Args:
            agent: the state that is asked.
            commands: what is asked, values of `messagedb_agent.agent.commands`, all or none.
                Without any the thread is only taken on.
            message_id: a UUID of the caller's, as text, for the message among the commands.
            changes: fields of `Definition` that are other from here on, if there is a `Say`
                or a `Continue` among the commands; None leaves a field as it is. Under
                `definition`, who the agent is from here on, as for `Engine.start`.
            traceparent: the span that a turn which these commands begin is to belong to; see
                `Engine.start`.
            progress: told of the run while it goes on.
            forks: whether a state that is no longer the head of its thread forks there; else the
                thread's head takes it on.
            options: what is other for one turn alone, if there is a `Say` among the commands.
            detached: only write it down; workers go on with it.

        Returns:
            The state where what was asked is settled, or where the thread waits for a person;
            where it is detached, the state right behind what was asked.

        Raises:
            NotFound: no definition has this name.
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
        changes = await self._with_written(changes or {})
        check_strategy(changes.get("context_strategy"))
        for command in commands:
            if isinstance(command, Start | Redefine):
                await self._check_written(command.definition)
        wish = Wish(
            commands,
            message_id=ids.normalised_id(message_id) if message_id is not None else None,
            changes=changes,
            options=options.checked(),
            progress=progress,
            detached=detached,
            sender=named_sender(traceparent),
        )
        rest = await self._turns.ask(agent, wish, forks=forks)
        if detached:
            return self._agent(rest.thread_id, rest.view, agent._wanted)
        return self._settled(rest, agent._wanted)

    async def fork(
        self,
        agent: Standing,
        *,
        title: str | None = None,
        changes: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
        progress: Progress = SILENT,
        detached: bool = False,
    ) -> Agent:
        """Begin a thread that shares an agent's past, and see it through; see `Agent.fork`.

        Args:
            agent: the state that it branches off from.
            title: the fork's title; None leaves its parent's.
            changes: fields of `Definition` that are other in the fork.
            metadata: what to note with it in place of its parent's, a JSON object.
            progress: told of the run while it goes on.
            detached: only begin it; workers, or `resume`, go on with what it owes.

        Raises:
            ValidationError: the title is empty, a change is wrong, or JSON cannot hold the
                metadata.
            RefusedPayload: the metadata are larger than the store takes.
            ModelError: the model call failed for good; `agent` is the recorded state.
            LimitReached: a limit stopped the turn; `agent` is the recorded state.
            IntegrityError: a parent is missing or cut.
            StoreUnavailable: the store was not reached; a fork may stand there all the same.
        """
        said = () if title is None else (Title(title),)
        definition = None
        if changes:
            check_strategy(changes.get("context_strategy"))
            recorded = agent.definition or defined({**DEFAULTS, "tools": self.tools.specs()})
            limits = lasting_limits(agent.view.conversation)
            definition = defined({**dict(recorded), "limits": limits, **changes})
        differing = Branching(
            definition,
            tools=silent_mode(agent.view),
            metadata=None if metadata is None else json_text(metadata, "metadata"),
        )
        wish = Wish(said, progress=progress, detached=detached)
        rest = await self._turns.fork(agent, wish, differing)
        if detached:
            return self._agent(rest.thread_id, rest.view, agent._wanted)
        return self._settled(rest, agent._wanted)

    async def generate_title(self, agent: Standing, *, by: str | None = None) -> Agent:
        """Have the model of an agent's thread give it a title; see `Agent.generate_title`.

        Raises:
            ModelError: the model gave none; nothing else came of it.
            Refused: the thread was never started or is deleted, nothing was said in it yet, it
                holds an event that needs newer code, or a limit of the session is reached.
            IntegrityError: a fork's parent is missing or cut, or the stream is shorter than it was.
            StoreUnavailable: the store was not reached; asking again is safe.
        """
        rest, outcome = await self._turns.entitle(agent.thread_id, by)
        titled = self._agent(rest.thread_id, rest.view)
        if isinstance(outcome, LlmCallFailed):
            raise ModelError(outcome.message, kind=outcome.kind, agent=titled)
        return titled

    async def what_if(
        self,
        agent: Standing,
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
            changes: fields of `Definition`, or a `definition`, that are other in the fork.

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
        written = await self._with_written(changes)
        supposing = Supposing(results or {}, tools, ask, written)
        begins, differing = await branching(self, agent, self.tools.specs(), supposing)
        rest = await self._turns.fork(begins, Wish(progress=progress), differing)
        return self._settled(rest)

    def _agent(self, thread_id: str, seen: View, wanted: Wanted[Any] | None = None) -> Agent:
        """Return the state of a thread that was folded; `NotFound` where it has no event."""
        if seen.named_by is None:
            raise NotFound("thread", thread_id)
        return Agent(seen.named_by.id, thread_id, seen, self, _wanted=wanted)

    def _settled(self, rest: Rest, wanted: Wanted[Any] | None = None) -> Agent:
        """Return the agent after a turn, or raise what the turn ended with."""
        agent, outcome = self._agent(rest.thread_id, rest.view, wanted), rest.view.outcome
        if outcome.state.failed and outcome.failure:
            kind, message = outcome.failure
            raise ModelError(message, kind=kind, agent=agent)
        if outcome.state.stopped:
            raise LimitReached(outcome.state.stopped, agent=agent)
        if wanted and outcome.output is not None:
            _ = agent.output  # who has taken the thread on may have known the schema alone
        return agent
