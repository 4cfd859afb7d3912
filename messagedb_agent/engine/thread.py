"""One thread, taken on by whoever owns it, and followed by whoever does not."""

import asyncio

from messagedb_agent.agent.decider import decide
from messagedb_agent.agent.steps import Done, Wait
from messagedb_agent.engine.journal import Journal, Plan
from messagedb_agent.engine.loop import HasTool, Perform, run
from messagedb_agent.store.store import Owner

FOLLOW_S = 0.2
"""How often a thread that somebody else owns is looked at, in seconds."""


async def take_on(
    owner: Owner,
    journal: Journal,
    perform: Perform,
    saying: Plan[None] | None = None,
    *,
    has_tool: HasTool = lambda _: True,
    follow_s: float = FOLLOW_S,
) -> Wait | Done:
    """Say something to a thread and see it through to its next rest, whoever does the work.

    What is said stands in the thread before anything else happens. Who owns the thread works on
    it; everybody else follows, and tries again for it as long as there is something to do: an
    owner may have died, or let go just before the news.

    Args:
        owner: lets one process at a time work on the thread.
        journal: the thread.
        perform: performs one claimed effect of a thread that is held, and returns how it ended.
        saying: what is said first; None only takes the thread on.
        has_tool: says which tools can be run here.
        follow_s: seconds between looks at a thread of somebody else.

    Returns:
        What the thread waits for, or that it is done.

    Raises:
        ConfigurationError: a call that was left open needs a tool that is not here.
    """
    while True:
        async with owner.own(journal.stream) as hold:
            if hold:
                await run(journal, perform, saying, hold, has_tool=has_tool)
            elif saying:
                await journal.catch_up()
                await journal.claim(saying)
        saying = None
        await journal.catch_up(hold.version if hold else None)
        step = decide(journal.shown.state)
        match step:
            case (
                Done() | Wait(reason="upgrade" | "start" | "approval" | "retry" | "limit" | "user")
            ):
                return step
            case _:
                await asyncio.sleep(follow_s)
