"""Turns: what is asked of a thread, or of a state that its thread has left behind."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from messagedb_agent import ids
from messagedb_agent.agent.commands import ApproveTool, Command, Continue, Say, Start
from messagedb_agent.agents.approving import check_approval
from messagedb_agent.agents.defining import DEFAULTS, defined, stated
from messagedb_agent.agents.entitling import entitle
from messagedb_agent.agents.forking import Branching, Fork, begun_by, is_in_turn
from messagedb_agent.agents.learning import Unusable, learn
from messagedb_agent.agents.memory import Known
from messagedb_agent.agents.outputs import Wanted
from messagedb_agent.agents.progress import Progress
from messagedb_agent.agents.recorded_tools import silent_mode
from messagedb_agent.agents.redefining import recollection, redefinition, turn_goes_on
from messagedb_agent.agents.run import Run
from messagedb_agent.agents.runs import Rest, Runs
from messagedb_agent.agents.standing import Standing
from messagedb_agent.agents.view import View
from messagedb_agent.agents.wish import Wish
from messagedb_agent.engine.batch import NOTHING
from messagedb_agent.engine.saying import Saying
from messagedb_agent.engine.takeover import lacking
from messagedb_agent.events.metadata import Travelling
from messagedb_agent.events.schema import Event, LlmCallFailed
from messagedb_agent.events.trace_context import TraceContext
from messagedb_agent.projections.conversation import Conversation
from messagedb_agent.projections.memory import Fact


@dataclass(frozen=True)
class Turns:
    """Takes threads of one category from what is said to them to their next rest.

    Attributes:
        runs: the threads.
    """

    runs: Runs

    async def latest(self, thread_id: str) -> View:
        """Return a thread as it stands, read on from where it was left."""
        return (await self.runs.read(thread_id)).view

    async def write_snapshot(self, thread_id: str) -> int | None:
        """Write a snapshot of a thread; return where it was taken; see `Engine`."""
        return await (await self.runs.read(thread_id)).write_snapshot()

    async def begin(
        self,
        start: Start,
        say: Say | None,
        message_id: str | None,
        progress: Progress,
        *,
        detached: bool = False,
        sender: TraceContext | None = None,
        wanted: Wanted[Any] | None = None,
    ) -> Rest:
        """Begin a thread, and say something to it.

        Args:
            start: the start; in a thread that has started it is left out.
            say: what the user says; None for nothing.
            message_id: id of that message, normalised; the same start again is the same thread.
            progress: told of the run while it goes on.
            detached: whether the turn is left to workers.
            sender: the span that it belongs to; None for the one that is known here, if any.
            wanted: what the answer must be; None where that is free.
        """

        def asked(shown: Conversation) -> Sequence[Command]:
            opening = () if shown.state.started else (start,)
            return (*opening, say) if say else opening

        if start.definition.memory:
            known = await self.runs.equipment.memory.known_of(start.user)
            recalled = recollection(None, known)
            definition = start.definition.model_copy(update={"recalled": recalled})
            start = replace(start, definition=definition)
        saying = Saying(asked, message_id, self._travelling(sender, (start,)))
        run = self.runs.take(start.thread_id)
        return await self.runs.say(run, saying, progress, detached=detached, wanted=wanted)

    async def ask(self, agent: Standing, wish: Wish, *, forks: bool = False) -> Rest:
        """Ask something of an agent's thread; see `Engine.ask`."""
        known = await self._known(agent, wish)
        run = self.runs.take(agent.thread_id)

        def asked(shown: Conversation) -> Sequence[Command]:
            for command in wish.commands:
                if isinstance(command, ApproveTool):
                    check_approval(command, run.view, self.runs.equipment.tools)
            if not wish.moves(shown.state) or self._lacks_a_tool(run, shown):
                return wish.commands
            return (*self._redefinition(run, shown, wish, known), *wish.commands)

        def asked_at_head(shown: Conversation) -> Sequence[Command]:
            if run.has_moved_past(agent.position):
                raise _MovedOn
            return asked(shown)

        travelling = self._travelling(wish.sender, wish.commands)
        saying = Saying(asked_at_head if forks else asked, wish.message_id, travelling)
        try:
            return await self._say(run, saying, wish, agent)
        except _MovedOn:
            pass  # what fails behind this is no failure of its handling, nor told as one
        if await self._was_said(agent, wish.message_id):
            return await self._say(run, replace(saying, asked=asked), wish, agent)
        self.runs.keep(run)
        return await self.fork(agent, wish.queued())

    async def fork(self, agent: Standing, wish: Wish, branching: Branching | None = None) -> Rest:
        """Begin a new thread that shares the agent's past, and ask something of it.

        The thread's start stands in one append with what is said, so that what is refused leaves
        no thread behind; with a message id there is one such fork, however often it is asked for.
        A fork of a thread in which no tool runs is such a thread too.

        Args:
            agent: the state that it branches off from.
            wish: what is asked of it.
            branching: how it is to differ; None where it is not.
        """
        branching = branching or Branching(tools=silent_mode(agent.view))
        given, said = self.runs.equipment, wish.message_id
        thread_id = ids.derived_id(agent.id, said, "thread") if said else ids.thread_id()
        recorded = agent.definition or defined({**DEFAULTS, "tools": given.tools.specs()})
        known = await self._known(agent, wish)
        fork = Fork(thread_id, agent, branching, branching.definition or recorded)
        run, parent = self.runs.new(thread_id, agent), self.runs.stream(agent.thread_id)

        def asked(shown: Conversation) -> Sequence[Command]:
            in_turn = is_in_turn(shown)
            start = fork.start(run.journal, parent, shown, for_turn=wish.said is not None)
            before: Sequence[Command] = ()
            if branching.definition is None:
                if (in_turn and not wish.detached) or wish.moves(shown.state):
                    before = self._redefinition(run, begun_by(start, shown), wish, known)
                if start and in_turn and wish.said is None:
                    before = (*before, *turn_goes_on(shown))
            return (*start, *before, *wish.commands)

        await run.journal.branch_off(parent, agent.position)
        saying = Saying(asked, said, self._travelling(wish.sender, wish.commands))
        return await self._say(run, saying, wish, agent, branching)

    async def entitle(self, thread_id: str, by: str | None) -> tuple[Rest, Event]:
        """Have a thread's model give it a title; return the thread, and what came of it."""
        run = self.runs.take(thread_id)
        outcome = await entitle(run, self.runs.effects(run), by)
        self.runs.keep(run)
        return Rest(thread_id, run.view), outcome

    async def learn(
        self, thread_id: str, by: str | None
    ) -> tuple[Rest, tuple[Fact, ...] | LlmCallFailed | Unusable]:
        """Have a thread's model find facts; return the thread, and what came of it."""
        run = self.runs.take(thread_id)
        found: tuple[Fact, ...] | LlmCallFailed | Unusable
        try:
            found = await learn(run, self.runs.effects(run), self.runs.equipment.memory, by)
        except Unusable as unusable:
            found = unusable
        self.runs.keep(run)
        return Rest(thread_id, run.view), found

    async def _say(
        self,
        run: Run,
        saying: Saying,
        wish: Wish,
        agent: Standing,
        branching: Branching | None = None,
    ) -> Rest:
        ask, wanted = branching.ask if branching else None, agent._wanted
        return await self.runs.say(
            run, saying, wish.progress, detached=wish.detached, ask=ask, wanted=wanted
        )

    def _travelling(self, sender: TraceContext | None, commands: Sequence[Command]) -> Travelling:
        """Return what is to travel from a sender through the turn that its commands begin."""
        if not any(isinstance(command, Say | Start | Continue) for command in commands):
            return NOTHING
        watching = self.runs.equipment._workings.watching
        sender = sender or (watching.sender() if watching else None)
        return Travelling(properties=sender.properties) if sender else NOTHING

    async def _known(self, agent: Standing, wish: Wish) -> Known | None:
        """Return what is known of who speaks, if anybody does and the model is to be shown it."""
        memory = stated(wish.changes).get("memory", agent.definition and agent.definition.memory)
        if wish.said is None or not memory:
            return None
        return await self.runs.equipment.memory.known_of(wish.said.user or agent.user)

    def _redefinition(
        self, run: Run, shown: Conversation, wish: Wish, known: Known | None
    ) -> Sequence[Command]:
        # Where no tool runs, the model is offered those that were recorded.
        recorded = shown.definition.tools if shown.definition and silent_mode(run.view) else None
        tools = self.runs.equipment.tools.specs() if recorded is None else recorded
        return redefinition(run.thread_id, shown, tools, wish, known)

    def _lacks_a_tool(self, run: Run, shown: Conversation) -> bool:
        """Say whether a call is open whose tool is not here.

        It is closed by the rules of the agent that made it, so that one stays until it is.
        """
        if not shown.state.calls:
            return False
        here = {spec.name for spec in self.runs.equipment.tools.specs()}
        return bool(lacking(shown.state, here.__contains__)) and not silent_mode(run.view)

    async def _was_said(self, agent: Standing, message_id: str | None) -> bool:
        store, stream = self.runs.equipment.store, self.runs.stream(agent.thread_id)
        message = await store.by_id(message_id) if message_id else None
        return message is not None and message.stream_name == stream


class _MovedOn(Exception):
    """The thread stands elsewhere than the agent that is asked."""
