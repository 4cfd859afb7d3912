"""The one loop: claim, perform, record, until the thread waits or is done."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

from messagedb_agent.agent.decider import decide
from messagedb_agent.agent.steps import Done, Wait
from messagedb_agent.engine.batch import Batch, Draft
from messagedb_agent.engine.journal import Journal, Plan
from messagedb_agent.engine.plan import Effect, plan
from messagedb_agent.engine.running import Running
from messagedb_agent.engine.takeover import close_abandoned
from messagedb_agent.store.store import Hold

Perform = Callable[[Effect, Hold], Awaitable[Draft]]
"""Performs one claimed effect of a thread that is held, and returns its outcome."""
NEWS_S = 0.5
"""How often a stream is looked at for news while an effect runs, in seconds."""


async def run(
    journal: Journal,
    perform: Perform,
    saying: Plan[None] | None = None,
    hold: Hold | None = None,
    *,
    news_s: float = NEWS_S,
) -> Wait | Done:
    """Take a thread on until it waits or is done. The caller owns the thread.

    Claims found open at the start belong to an owner who is gone, and are closed first. Who loses
    the thread on the way, or is cancelled, stops its effects, records the outcomes that they had
    all the same, and leaves the other claims to the next owner.

    Args:
        journal: the thread.
        perform: performs one claimed effect of a thread that is held, and returns its outcome.
        saying: what is said to the thread first; it stands before any model is asked.
        hold: how the thread is owned; None where nobody else can.
        news_s: seconds between looks at the stream while effects run.

    Returns:
        What the thread waits for, or that it is done.
    """
    hold = hold or Hold()

    def opening(batch: Batch) -> tuple[Effect, ...]:
        # First what is said: it is judged by the thread as whoever says it could know it. A thread
        # that was interrupted too often, for one, is not continued by who finds that out.
        if saying:
            saying(batch)
        # Where an event that must not be ignored is unknown, nobody here knows what is open.
        again = () if batch.shown.state.blocked else close_abandoned(batch)
        return (*again, *plan(batch))

    running = Running(lambda effect: perform(effect, hold))
    lost = asyncio.create_task(hold.lost.wait())

    try:
        await journal.catch_up(hold.version)
        running.start(await journal.claim(opening))
        while not hold.lost.is_set():
            if journal.shown.state.to_cancel:
                running.cancel()
            if not running:
                step = decide(journal.shown.state)
                if isinstance(step, Wait | Done):
                    return step
                running.start(await journal.claim(plan))
            elif facts := await running.next_facts(news_s, lost):
                effects = await journal.record(facts, then=plan)
                running.recorded()
                running.start(effects)
            elif await journal.has_moved():
                await journal.catch_up()
                running.start(await journal.claim(plan))
    except BaseException:
        await _through(_record_known(journal, running))
        raise  # what ended the run is what its caller hears of
    finally:
        lost.cancel()
        await asyncio.gather(lost, return_exceptions=True)
    await _record_known(journal, running)
    return Wait("effect")


async def _through(work: Coroutine[Any, Any, None]) -> None:
    """See work through, whatever it raises and however often its caller is cancelled."""
    task = asyncio.create_task(work)
    while not task.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait({task})
    if not task.cancelled():
        task.exception()


async def _record_known(journal: Journal, running: Running) -> None:
    """Stop the effects, and record what came of them all the same."""
    if facts := await running.stop():
        await journal.record(facts, then=lambda _: None)
