"""Attending to a thread: what it owes is done, unless somebody else works on it."""

from dataclasses import dataclass

from messagedb_agent.agent.steps import Wait
from messagedb_agent.agents.glance import glance
from messagedb_agent.agents.progress import Progress
from messagedb_agent.agents.runs import Runs

_AT_REST = ("waiting", "approval", "failed", "limit", "ended", "deleted")
"""How a thread stands that nobody can take on."""
_LONG = 256  # position from which on it pays to look at a thread before it is read


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


async def attend(runs: Runs, thread_id: str, progress: Progress, newest: int = -1) -> Attended:
    """See a thread through to its next rest, if nobody else works on it.

    Args:
        runs: the threads.
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
    if newest >= _LONG and not runs.has(thread_id):
        store, stream = runs.equipment.store, runs.stream(thread_id)
        version = await store.stream_version(stream)
        if (await glance(store, stream, version)).status in _AT_REST:
            return Attended(version, rests=True)
    run = runs.take(thread_id)
    step = await run.attend(runs.effects(run, progress), progress.on_event)
    runs.rested(run)
    rests = step is not None and step != Wait("effect")
    return Attended(run.journal.version, rests, step == Wait("upgrade"))
