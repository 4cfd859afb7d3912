"""The one loop: claim, perform, record, until the thread waits or is done."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from messagedb_agent.agent.decider import decide
from messagedb_agent.agent.steps import Done, Wait
from messagedb_agent.containing import to_the_end
from messagedb_agent.engine.batch import Batch
from messagedb_agent.engine.ended import Ended, Stands, facts_of
from messagedb_agent.engine.journal import Journal, Plan
from messagedb_agent.engine.plan import Effect, plan, stop_unrecorded
from messagedb_agent.engine.running import Running
from messagedb_agent.engine.takeover import begin_again, close_abandoned, lacking
from messagedb_agent.errors import ConfigurationError
from messagedb_agent.store.hold import Hold

Perform = Callable[[Effect, Hold], Awaitable[Ended]]
"""Performs one claimed effect of a thread that is held, and returns how it ended."""
HasTool = Callable[[str], bool]
"""Says whether a tool of this name can be run here."""
NEWS_S = 0.5
"""How often a stream is looked at for news while an effect runs, in seconds."""


async def run(
    journal: Journal,
    perform: Perform,
    saying: Plan[None] | None = None,
    hold: Hold | None = None,
    *,
    has_tool: HasTool = lambda _: True,
    news_s: float = NEWS_S,
) -> Wait | Done:
    """Take a thread on until it waits or is done. The caller owns the thread.

    Claims found open at the start belong to an owner who is gone, and are closed first. Who loses
    the thread on the way, or is cancelled, stops its effects, records the outcomes that they had
    all the same, and leaves the other claims to the next owner.

    Args:
        journal: the thread.
        perform: performs one claimed effect of a thread that is held, and returns how it ended.
        saying: what is said to the thread first; it stands before any model is asked.
        hold: how the thread is owned; None where nobody else can.
        has_tool: says which tools can be run here.
        news_s: seconds between looks at the stream while effects run.

    Returns:
        What the thread waits for, or that it is done.

    Raises:
        ConfigurationError: a call that was left open needs a tool that is not here. What was said
            stands; the rest is left to whoever has the tool.
    """
    hold = hold or Hold()
    missing: tuple[str, ...] = ()

    def opening(batch: Batch) -> tuple[Effect, ...]:
        # First what is said: it is judged by the thread as whoever says it could know it. A thread
        # that was interrupted too often, for one, is not continued by who finds that out.
        nonlocal missing
        if saying:
            saying(batch)
        state = batch.shown.state
        if not state.has_open_claims:
            return plan(batch)
        if missing := lacking(state, has_tool):
            return ()
        # Where an event that must not be ignored is unknown, nobody here knows what is open.
        again = () if state.blocked else close_abandoned(batch)
        return (*again, *plan(batch))

    running = Running(lambda effect: perform(effect, hold), look_s=news_s)
    hold.lost.call = running.wake

    try:
        await journal.catch_up(hold.version)
        running.start(await journal.claim(opening))
        if missing:
            raise ConfigurationError(
                f"a call of {', '.join(missing)} is open in this thread, and the tool is not here;"
                " what was said stands",
                field="tools",
            )
        while not hold.lost.is_set():
            if journal.shown.state.to_cancel:
                running.cancel()
            if not running:
                step = decide(journal.shown.state)
                if isinstance(step, Wait | Done):
                    return step
                running.start(await journal.claim(plan))
            elif ended := await running.next_ended():
                if any(isinstance(one, Stands) for one in ended):
                    await journal.catch_up()
                effects = await journal.record(facts_of(ended), then=_following(ended))
                running.recorded()
                running.start(effects)
            elif not hold.lost.is_set() and await journal.has_moved():
                await journal.catch_up()
                running.start(await journal.claim(plan))
        await _record_known(journal, running)
        return Wait("effect")
    except BaseException:
        with suppress(Exception, asyncio.CancelledError):
            await to_the_end(_record_known(journal, running))
        raise  # what ended the run is what its caller hears of
    finally:
        hold.lost.call = None
        running.close()


def _following(ended: Sequence[Ended]) -> Plan[tuple[Effect, ...]]:
    """Return the plan of what follows when effects have ended."""

    def follow(batch: Batch) -> tuple[Effect, ...]:
        stop_unrecorded(batch)
        return (*begin_again(batch, ended), *plan(batch))

    return follow


async def _record_known(journal: Journal, running: Running) -> None:
    """Stop the effects, and record what came of them all the same."""
    if facts := await running.stop():
        await journal.record(facts, then=lambda _: None)
