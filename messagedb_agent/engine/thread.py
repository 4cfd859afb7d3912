"""One thread, taken on by whoever owns it, and followed by whoever does not."""

import asyncio
from collections.abc import Callable
from typing import TypeGuard

from messagedb_agent.agent.decider import decide
from messagedb_agent.agent.steps import Done, Step, Wait
from messagedb_agent.engine.journal import Journal, Plan
from messagedb_agent.engine.loop import HasTool, Perform, run
from messagedb_agent.errors import ConfigurationError
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
    on_own: Callable[[], None] = lambda: None,
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
        on_own: called once the thread is owned here.

    Returns:
        What the thread waits for, or that it is done.

    Raises:
        ConfigurationError: a call that was left open needs a tool that is not here.
    """
    while True:
        async with owner.own(journal.stream) as hold:
            if hold:
                on_own()
                await run(journal, perform, saying, hold, has_tool=has_tool)
            elif saying:
                await journal.catch_up()
                await journal.claim(saying)
        saying = None
        await journal.catch_up(hold.version if hold else None)
        step = decide(journal.shown.state)
        if is_rest(step):
            return step
        await asyncio.sleep(follow_s)


async def attend(
    owner: Owner,
    journal: Journal,
    perform: Perform,
    *,
    has_tool: HasTool,
    on_begin: Callable[[], None] = lambda: None,
) -> Wait | Done | None:
    """See a thread through to its next rest, if nobody else works on it.

    An agent whose tools are not all here is not begun: the model would ask for them.

    Args:
        owner: lets one process at a time work on the thread.
        journal: the thread.
        perform: performs one claimed effect of a thread that is held, and returns how it ended.
        has_tool: says which tools can be run here.
        on_begin: called where there is something to do, once the thread was read.

    Returns:
        What the thread waits for, or that it is done; `Wait("effect")` where it was lost on the
        way. None where somebody else owns it; nothing is read then.

    Raises:
        ConfigurationError: the thread has something to do, and its agent has tools that are not
            here; nothing was written.
    """
    async with owner.own(journal.stream) as hold:
        if hold is None:
            return None
        await journal.catch_up(hold.version)
        step = decide(journal.shown.state)
        if is_rest(step):
            return step
        _require_tools(journal, has_tool)
        on_begin()
        return await run(journal, perform, None, hold, has_tool=has_tool)


def is_rest(step: Step) -> TypeGuard[Wait | Done]:
    """Say whether a thread goes on only after a word from outside, or never."""
    match step:
        case Done() | Wait(reason="upgrade" | "start" | "approval" | "retry" | "limit" | "user"):
            return True
        case _:
            return False


def _require_tools(journal: Journal, has_tool: HasTool) -> None:
    definition, is_stopped = journal.shown.definition, journal.shown.state.to_cancel
    if definition is None or is_stopped:
        return
    if missing := [tool.name for tool in definition.tools if not has_tool(tool.name)]:
        raise ConfigurationError(
            f"the agent of this thread has tools that are not here: {', '.join(missing)}",
            field="tools",
        )
