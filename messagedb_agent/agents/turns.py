"""Turns: what is asked of a thread, or of a state that its thread has left behind."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from messagedb_agent import ids
from messagedb_agent.agent.commands import ApproveTool, Command, Continue, Say, Start
from messagedb_agent.agent.steps import Wait
from messagedb_agent.agents.approving import check_approval
from messagedb_agent.agents.defining import DEFAULTS, defined, stated
from messagedb_agent.agents.entitling import entitle
from messagedb_agent.agents.equipment import Equipment
from messagedb_agent.agents.forking import Branching, Fork
from messagedb_agent.agents.glance import glance
from messagedb_agent.agents.kept import KeptRuns
from messagedb_agent.agents.learning import Unusable, learn
from messagedb_agent.agents.memory import Known
from messagedb_agent.agents.outputs import Wanted, judge
from messagedb_agent.agents.progress import SILENT, Progress
from messagedb_agent.agents.recorded_tools import (
    Answers,
    AskResult,
    ThreadTools,
    silent_mode,
)
from messagedb_agent.agents.redefining import (
    WITH_WORK,
    moves,
    recollection,
    redefinition,
    turn_goes_on,
)
from messagedb_agent.agents.run import Run
from messagedb_agent.agents.snapshotting import Snapshotting
from messagedb_agent.agents.standing import Standing
from messagedb_agent.agents.turn_options import NO_OPTIONS, TurnOptions
from messagedb_agent.agents.view import View
from messagedb_agent.changing import changed
from messagedb_agent.engine.batch import NOTHING
from messagedb_agent.engine.effects import Effects
from messagedb_agent.engine.saying import Saying
from messagedb_agent.engine.takeover import lacking
from messagedb_agent.engine.transacting import Within
from messagedb_agent.events.metadata import Travelling
from messagedb_agent.events.schema import Event, LlmCallFailed
from messagedb_agent.events.trace_context import TraceContext
from messagedb_agent.projections.conversation import Conversation
from messagedb_agent.projections.memory import Fact
from messagedb_agent.projections.summary import status
from messagedb_agent.store.stream_name import thread_stream
from messagedb_agent.store.transactional import Transactional, is_transactional

_AT_REST = ("waiting", "approval", "failed", "limit", "ended", "deleted")
"""How a thread stands that nobody can take on."""
_LONG = 256  # position from which on it pays to look at a thread before it is read


@dataclass(frozen=True, slots=True)
class Rest:
    """A thread at rest.

    Attributes:
        thread_id: its id.
        view: the fold of it, up to what was asked for.
    """

    thread_id: str
    view: View


@dataclass(frozen=True, slots=True)
class Attended:
    """What came of a look at a thread.

    Attributes:
        version: position of the last event that was read; -1 where there is none.
        rests: whether the thread goes on only after a word from outside, or never; false where
            somebody else owns it, or it was lost on the way.
        is_blocked: whether it rests because an event needs newer code.
    """

    version: int
    rests: bool
    is_blocked: bool = False


@dataclass(frozen=True)
class Turns:
    """Takes threads of one category from what is said to them to their next rest.

    Attributes:
        equipment: what they are taken with.
        snapshots: keeps what was folded of long threads.
    """

    equipment: Equipment
    snapshots: Snapshotting
    _kept: KeptRuns = field(default_factory=KeptRuns, repr=False, compare=False)

    async def close(self) -> None:
        """Leave nothing of what goes on beside the turns."""
        await self.snapshots.close()

    def clear_cache(self) -> None:
        """Drop the threads that were read; runs under way are not touched."""
        self._kept.clear()

    def stream(self, thread_id: str) -> str:
        """Return the full name of a thread's stream."""
        return thread_stream(self.equipment.category, self.equipment.version, thread_id)

    async def latest(self, thread_id: str) -> View:
        """Return a thread as it stands, read on from where it was left."""
        run = self._run(thread_id)
        await run.journal.catch_up()
        self._kept.keep(run)
        return run.view

    async def write_snapshot(self, thread_id: str) -> int | None:
        """Write a snapshot of a thread; return where it was taken; see `Engine`."""
        run = self._run(thread_id)
        await run.journal.catch_up()
        self._kept.keep(run)
        return await run.write_snapshot()

    async def attend(self, thread_id: str, progress: Progress, newest: int = -1) -> Attended:
        """See a thread through to its next rest, if nobody else works on it.

        Args:
            thread_id: its id.
            progress: told of the run while it goes on.
            newest: position of the newest event that is known of, so that a long thread is not
                read for nothing; -1 where none is.

        Returns:
            How far it was read, and whether it rests.

        Raises:
            RefusedName: no thread can have this id.
            ConfigurationError: the thread has something to do and needs tools that are not here.
        """
        if newest >= _LONG and not self._kept.has(thread_id):
            version = await self.equipment.store.stream_version(self.stream(thread_id))
            seen = await glance(self.equipment.store, self.stream(thread_id), version)
            if seen.status in _AT_REST:
                return Attended(version, rests=True)
        run = self._run(thread_id)
        step = await run.attend(self._effects(run, progress), progress.on_event)
        self._rested(run)
        rests = step is not None and step != Wait("effect")
        return Attended(run.journal.version, rests, step == Wait("upgrade"))

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
            known = await self.equipment.memory.known_of(start.user)
            recalled = recollection(None, known)
            definition = start.definition.model_copy(update={"recalled": recalled})
            start = replace(start, definition=definition)
        saying = Saying(asked, message_id, self._travelling(sender, (start,)))
        run = self._run(start.thread_id)
        return await self._say(run, saying, progress, detached, wanted=wanted)

    async def ask(
        self,
        agent: Standing,
        commands: Sequence[Command],
        *,
        message_id: str | None,
        changes: Mapping[str, Any],
        progress: Progress,
        forks: bool,
        options: TurnOptions = NO_OPTIONS,
        detached: bool = False,
        sender: TraceContext | None = None,
    ) -> Rest:
        """Ask something of an agent's thread; see `Engine.ask`."""
        known = await self._known(agent, commands, changes)
        run = self._run(agent.thread_id)
        travelling = self._travelling(sender, commands)

        def asked(shown: Conversation) -> Sequence[Command]:
            for command in commands:
                if isinstance(command, ApproveTool):
                    check_approval(command, run.view, self.equipment.tools)
            goes_on = any(moves(shown.state, command) for command in commands)
            speaks = _speaks(commands)
            before: Sequence[Command] = ()
            if goes_on and not self._lacks_a_tool(run, shown):
                before = self._redefinition(run, shown, changes, known, options, speaks)
            return (*before, *commands)

        def asked_at_head(shown: Conversation) -> Sequence[Command]:
            if run.has_moved_past(agent.position):
                raise _MovedOn
            return asked(shown)

        try:
            saying = Saying(asked_at_head if forks else asked, message_id, travelling)
            return await self._say(run, saying, progress, detached, wanted=agent.wanted)
        except _MovedOn:
            if await self._was_said(agent, message_id):
                again = Saying(asked, message_id, travelling)
                return await self._say(run, again, progress, detached, wanted=agent.wanted)
            self._kept.keep(run)
            said = tuple(replace(c, during="queue") if isinstance(c, Say) else c for c in commands)
            return await self.fork(
                agent,
                said,
                message_id,
                changes,
                progress,
                options=options,
                detached=detached,
                sender=sender,
            )

    async def entitle(self, thread_id: str, by: str | None) -> tuple[Rest, Event]:
        """Have a thread's model give it a title; return the thread, and what came of it."""
        run = self._run(thread_id)
        outcome = await entitle(run, self._effects(run, SILENT), by)
        self._kept.keep(run)
        return Rest(thread_id, run.view), outcome

    async def learn(
        self, thread_id: str, by: str | None
    ) -> tuple[Rest, tuple[Fact, ...] | LlmCallFailed | Unusable]:
        """Have a thread's model find facts; return the thread, and what came of it."""
        run = self._run(thread_id)
        found: tuple[Fact, ...] | LlmCallFailed | Unusable
        try:
            found = await learn(run, self._effects(run, SILENT), self.equipment.memory, by)
        except Unusable as unusable:
            found = unusable
        self._kept.keep(run)
        return Rest(thread_id, run.view), found

    def _run(self, thread_id: str) -> Run:
        """Return a thread as far as it was read; it is read on by whoever takes it on."""
        kept = self._kept.take(thread_id)
        return kept or self._new_run(thread_id)

    def _new_run(self, thread_id: str, parent: Standing | None = None) -> Run:
        given, stream = self.equipment, self.stream(thread_id)
        watch = given.watching.watch() if given.watching else None
        return Run(given.store, stream, thread_id, given.writing, self.snapshots, watch, parent)

    def _rested(self, run: Run) -> None:
        """Keep a run that has come to rest without an error, and its fold where that is due."""
        self._kept.keep(run)
        run.rest()

    def _travelling(self, sender: TraceContext | None, commands: Sequence[Command]) -> Travelling:
        """Return what is to travel from a sender through the turn that its commands begin."""
        if not any(isinstance(command, Say | Start | Continue) for command in commands):
            return NOTHING
        sender = sender or (self.equipment.watching.sender() if self.equipment.watching else None)
        return Travelling(properties=sender.properties) if sender else NOTHING

    async def _say(
        self,
        run: Run,
        saying: Saying,
        progress: Progress,
        detached: bool,
        ask: AskResult | None = None,
        wanted: Wanted[Any] | None = None,
    ) -> Rest:
        """Say something to a thread, and see it through unless that is left to workers."""
        if detached:
            seen = await run.say(saying, progress.on_event)
        else:
            effects = self._effects(run, progress, ask, wanted)
            seen = await run.take_on(saying, effects, progress.on_event)
        self._rested(run)  # not after an error, which may have left it between two events
        return Rest(run.thread_id, seen)

    def _effects(
        self,
        run: Run,
        progress: Progress,
        ask: AskResult | None = None,
        wanted: Wanted[Any] | None = None,
    ) -> Effects:
        store = self._transactional
        within = Within(store, run.journal) if store else None
        return Effects(
            run.journal.stream,
            run.thread_id,
            self.equipment.models,
            ThreadTools(self.equipment.tools, Answers(self.equipment.store, run), ask),
            self.equipment.writing.clock,
            progress.on_delta,
            within,
            run.trace_of,
            judge(wanted),
        )

    @cached_property
    def _transactional(self) -> Transactional | None:
        return self.equipment.store if is_transactional(self.equipment.store) else None

    async def _known(
        self, agent: Standing, commands: Sequence[Command], changes: Mapping[str, Any]
    ) -> Known | None:
        """Return what is known of who speaks, if anybody does and the model is to be shown it."""
        said = next((command for command in commands if isinstance(command, Say)), None)
        memory = stated(changes).get("memory", agent.definition and agent.definition.memory)
        if said is None or not memory:
            return None
        return await self.equipment.memory.known_of(said.user or agent.user)

    def _redefinition(
        self,
        run: Run,
        shown: Conversation,
        changes: Mapping[str, Any],
        known: Known | None,
        options: TurnOptions,
        speaks: bool,
    ) -> Sequence[Command]:
        # Where no tool runs, the model is offered those that were recorded.
        recorded = shown.definition.tools if shown.definition and silent_mode(run.view) else None
        tools = self.equipment.tools.specs() if recorded is None else recorded
        return redefinition(run.thread_id, shown, tools, changes, known, options, speaks=speaks)

    def _lacks_a_tool(self, run: Run, shown: Conversation) -> bool:
        """Say whether a call is open whose tool is not here.

        It is closed by the rules of the agent that made it, so that one stays until it is.
        """
        here = {spec.name for spec in self.equipment.tools.specs()}
        return bool(lacking(shown.state, here.__contains__)) and not silent_mode(run.view)

    async def _was_said(self, agent: Standing, message_id: str | None) -> bool:
        message = await self.equipment.store.by_id(message_id) if message_id else None
        return message is not None and message.stream_name == self.stream(agent.thread_id)

    async def fork(
        self,
        agent: Standing,
        commands: Sequence[Command],
        message_id: str | None,
        changes: Mapping[str, Any],
        progress: Progress,
        *,
        options: TurnOptions = NO_OPTIONS,
        detached: bool = False,
        branching: Branching | None = None,
        sender: TraceContext | None = None,
    ) -> Rest:
        """Begin a new thread that shares the agent's past, and ask something of it.

        The thread's start stands in one append with what is said, so that what is refused leaves
        no thread behind; with a message id there is one such fork, however often it is asked for.
        A fork of a thread in which no tool runs is such a thread too.
        """
        branching = branching or Branching(tools=silent_mode(agent.view))
        thread_id = (
            ids.derived_id(agent.id, message_id, "thread") if message_id else ids.thread_id()
        )
        recorded = agent.definition or defined({**DEFAULTS, "tools": self.equipment.tools.specs()})
        known = await self._known(agent, commands, changes)
        fork = Fork(thread_id, agent, branching, branching.definition or recorded)
        run, parent = self._new_run(thread_id, agent), self.stream(agent.thread_id)

        def asked(shown: Conversation) -> Sequence[Command]:
            works = not detached and _is_in_turn(shown)
            goes_on = works or any(moves(shown.state, command) for command in commands)
            speaks = _speaks(commands)
            start = fork.start(run.journal, parent, shown, for_turn=speaks)
            begun = _begun(shown, start)
            before: Sequence[Command] = ()
            if branching.definition is None and goes_on:
                before = self._redefinition(run, begun, changes, known, options, speaks)
            if branching.definition is None and start and not speaks and _is_in_turn(shown):
                before = (*before, *turn_goes_on(shown))
            return (*start, *before, *commands)

        await run.journal.branch_off(parent, agent.position)
        saying = Saying(asked, message_id, self._travelling(sender, commands))
        return await self._say(run, saying, progress, detached, branching.ask, agent.wanted)


def _begun(shown: Conversation, start: Sequence[Start]) -> Conversation:
    """Return the fold as far as it decides on the agent, after a fork's start if there is one."""
    if not start:
        return shown
    definition = start[0].definition
    state = changed(shown.state, limits=definition.limits)
    return changed(shown, state=state, definition=definition, lasting=None)


def _is_in_turn(shown: Conversation) -> bool:
    return status(shown.state) in (*WITH_WORK, "approval")


def _speaks(commands: Sequence[Command]) -> bool:
    return any(isinstance(command, Say) for command in commands)


class _MovedOn(Exception):
    """The thread stands elsewhere than the agent that is asked."""
