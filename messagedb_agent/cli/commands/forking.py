"""`fork`: a thread that shares another one's past."""

from messagedb_agent.cli.common import Common
from messagedb_agent.cli.exits import ExitCode
from messagedb_agent.cli.naming import state_at
from messagedb_agent.cli.next_steps import command, hints
from messagedb_agent.cli.opening import opened, set_up
from messagedb_agent.cli.rendering.json import text_of
from messagedb_agent.cli.running import run
from messagedb_agent.cli.terminal import note, out


def fork(common: Common, thread: str, at: int | None, title: str | None, form: str) -> int:
    """Begin a fork, say which thread it is, and how to go on; what it owes is left to others."""
    setup = set_up(common)

    async def work() -> int:
        async with opened(setup) as engine:
            parent = await engine.latest(thread)
            if at is not None:
                parent = await state_at(engine, parent, at, field="at")
            forked = await parent.fork(title=title, detached=True)
            prefix = await engine.shortest_prefix(forked.thread_id)
            came_from = await engine.shortest_prefix(parent.thread_id)
        if form == "json":
            point = {"threadId": parent.thread_id, "position": parent.position}
            told = {"threadId": forked.thread_id, "status": forked.status, "forkedFrom": point}
            out(text_of(told))
        else:
            out(forked.thread_id)
        note(f"forked from {came_from} at position {parent.position}")
        if forked.status == "ready":
            go_on = command(setup.common, "continue", prefix)
            note(f"it owes an answer, which a worker gives, or: {go_on}")
        for line in hints(setup.common, forked, prefix):
            note(line)
        return ExitCode.OK

    return run(work())
