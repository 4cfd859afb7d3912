"""`replay`: a session walked event by event, at once or at a person's pace."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from messagedb_agent.cli.commands.viewing import check_position
from messagedb_agent.cli.common import Common
from messagedb_agent.cli.exits import ExitCode
from messagedb_agent.cli.opening import opened, set_up
from messagedb_agent.cli.prompting import can_ask
from messagedb_agent.cli.rendering.moment import moment_json, moment_lines
from messagedb_agent.cli.running import run
from messagedb_agent.cli.terminal import write, write_array

if TYPE_CHECKING:
    from messagedb_agent import Engine
    from messagedb_agent.audit import Moment


@dataclass(frozen=True, slots=True)
class Replaying:
    """What is to be walked, and how.

    Attributes:
        thread: the thread, as it was named.
        at: position of the last event, None for all; with `steps`, of the one to begin at, None
            for the first.
        steps: one event at a time, by the keys of a person; where nobody is there, all at once.
        form: `text` or `json`.
        full: cut nothing short.
    """

    thread: str
    at: int | None
    steps: bool
    form: str
    full: bool


def replay(common: Common, asked: Replaying) -> int:
    """Print moment by moment, or let a person walk among them."""
    setup = set_up(common)
    by_keys = asked.steps and asked.form == "text" and can_ask()

    async def work() -> Sequence["Moment"]:
        from messagedb_agent import audit

        async with opened(setup) as engine:
            thread_id = await engine.find_thread(asked.thread)
            await check_position(engine, thread_id, asked.at)
            if by_keys:
                return [moment async for moment in audit.replay(engine, thread_id)]
            await _print(engine, thread_id, asked)
            return ()

    moments = run(work())
    if moments:  # a person thinks with no connection open
        from messagedb_agent.cli.stepping import walk

        walk(moments, asked.at or 0, full=asked.full)
    return ExitCode.OK


async def _print(engine: "Engine", thread_id: str, asked: Replaying) -> None:
    """Print moments as they are read: a thread may be longer than memory."""
    from messagedb_agent import audit

    moments = audit.replay(engine, thread_id, at=asked.at)
    if asked.form == "json":
        await write_array(moment_json(moment) async for moment in moments)
        return
    async for moment in moments:
        for line in moment_lines(moment, full=asked.full):
            write(line)
