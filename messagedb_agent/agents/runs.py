"""Runs: the threads of one category, taken up where they were left, and kept when they rest."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from messagedb_agent.agents.equipment import Equipment
from messagedb_agent.agents.kept import KeptRuns
from messagedb_agent.agents.outputs import Wanted, judge
from messagedb_agent.agents.progress import SILENT, Progress
from messagedb_agent.agents.recorded_tools import Answers, AskResult, ThreadTools
from messagedb_agent.agents.run import Run
from messagedb_agent.agents.snapshotting import Snapshotting
from messagedb_agent.agents.standing import Standing
from messagedb_agent.agents.view import View
from messagedb_agent.engine.effects import Effects
from messagedb_agent.engine.saying import Saying
from messagedb_agent.engine.transacting import Within
from messagedb_agent.store.message import Message
from messagedb_agent.store.stream_name import thread_stream
from messagedb_agent.store.transactional import Transactional, is_transactional


@dataclass(frozen=True, slots=True)
class Rest:
    """A thread at rest.

    Attributes:
        thread_id: its id.
        view: the fold of it, up to what was asked for.
    """

    thread_id: str
    view: View


@dataclass(frozen=True)
class Runs:
    """Takes up threads of one category, and keeps them as far as they were read.

    Attributes:
        equipment: what they are worked on with.
        snapshots: keeps what was folded of long threads.
    """

    equipment: Equipment
    snapshots: Snapshotting
    _kept: KeptRuns = field(default_factory=KeptRuns, repr=False, compare=False)

    async def close(self) -> None:
        """Leave nothing of what goes on beside the runs."""
        await self.snapshots.close()

    def clear(self) -> None:
        """Drop the threads that were read; runs under way are not touched."""
        self._kept.clear()

    def stream(self, thread_id: str) -> str:
        """Return the full name of a thread's stream."""
        return thread_stream(self.equipment.category, self.equipment.version, thread_id)

    def has(self, thread_id: str) -> bool:
        """Say whether a thread is kept."""
        return self._kept.has(thread_id)

    def take(self, thread_id: str) -> Run:
        """Return a thread as far as it was read; it is read on by whoever takes it on."""
        return self._kept.take(thread_id) or self.new(thread_id)

    def new(self, thread_id: str, parent: Standing | None = None) -> Run:
        """Return a thread of which nothing was read.

        Args:
            thread_id: its id.
            parent: the state that it is to branch off from, for a fork that is begun.
        """
        store, workings = self.equipment.store, self.equipment._workings
        watch = workings.watching.watch() if workings.watching else None
        stream = self.stream(thread_id)
        return Run(store, stream, thread_id, workings.writing, self.snapshots, watch, parent)

    def keep(self, run: Run) -> None:
        """Keep a run for the next time."""
        self._kept.keep(run)

    def rested(self, run: Run) -> None:
        """Keep a run that has come to rest without an error, and its fold where that is due."""
        self._kept.keep(run)
        run.rest()

    async def read(
        self, thread_id: str, version: int | None = None, first: Sequence[Message] = ()
    ) -> Run:
        """Return a thread as it stands, read on from where it was left, and keep it.

        Args:
            thread_id: its id.
            version: position of its last event, where that is known.
            first: its first messages, where they were read already.
        """
        run = self.take(thread_id)
        run.journal.begin_with(first)
        await run.journal.catch_up(version)
        self._kept.keep(run)
        return run

    async def say(
        self,
        run: Run,
        saying: Saying,
        progress: Progress,
        *,
        detached: bool,
        ask: AskResult | None = None,
        wanted: Wanted[Any] | None = None,
    ) -> Rest:
        """Say something to a thread, and see it through unless that is left to workers.

        Args:
            run: the thread.
            saying: what is said.
            progress: told of the run while it goes on.
            detached: whether it is left to workers.
            ask: asks a person for results that the thread's record lacks.
            wanted: what the answer must be; None where that is free.
        """
        if detached:
            seen = await run.say(saying, progress.on_event)
        else:
            effects = self.effects(run, progress, ask, wanted)
            seen = await run.take_on(saying, effects, progress.on_event)
        self.rested(run)  # not after an error, which may have left it between two events
        return Rest(run.thread_id, seen)

    def effects(
        self,
        run: Run,
        progress: Progress = SILENT,
        ask: AskResult | None = None,
        wanted: Wanted[Any] | None = None,
    ) -> Effects:
        """Return what performs a thread's effects; see `say`."""
        store = self._transactional
        within = Within(store, run.journal) if store else None
        return Effects(
            run.journal.stream,
            run.thread_id,
            self.equipment.models,
            ThreadTools(self.equipment.tools, Answers(self.equipment.store, run), ask),
            self.equipment._workings.writing.clock,
            progress.on_delta,
            within,
            run.trace_of,
            judge(wanted),
        )

    @cached_property
    def _transactional(self) -> Transactional | None:
        return self.equipment.store if is_transactional(self.equipment.store) else None
