"""`db snapshots`: writes snapshots of long threads, or drops them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from messagedb_agent.cli.common import Common
from messagedb_agent.cli.exits import ExitCode
from messagedb_agent.cli.naming import check_one_or_all
from messagedb_agent.cli.next_steps import command
from messagedb_agent.cli.opening import Setup, opened, set_up
from messagedb_agent.cli.running import run
from messagedb_agent.cli.terminal import note, one_line, write

if TYPE_CHECKING:
    from messagedb_agent import Engine


@dataclass(frozen=True, slots=True)
class Snapshots:
    """What is to be done.

    Attributes:
        thread: the thread; None with `take_all`.
        take_all: every thread of the category.
        drops: whether snapshots are dropped, and not written.
    """

    thread: str | None
    take_all: bool
    drops: bool


def snapshots(common: Common, asked: Snapshots) -> int:
    """Write snapshots, or drop them."""
    check_one_or_all(asked.thread, take_all=asked.take_all)
    setup = set_up(common)
    return _drop(setup, asked) if asked.drops else _write(setup, asked)


def _write(setup: Setup, asked: Snapshots) -> int:
    async def write_all() -> tuple[int, int]:
        written = 0
        async with opened(setup) as engine:
            ids = await _ids(engine, asked)
            for thread_id in ids:
                position = await engine.write_snapshot(thread_id)
                if position is not None:
                    written += 1
                    write(one_line(f"{thread_id} at {position}"), flush=True)
            return written, len(ids)

    written, count = run(write_all())
    note(f"snapshots written: {written}")
    if short := count - written:
        note(f"not written: {short}, too short to gain by one, or written by somebody else now")
    note(f"next: {command(setup.common, 'verify', asked.thread or '--all')}")
    return ExitCode.OK


def _drop(setup: Setup, asked: Snapshots) -> int:
    async def drop() -> int:
        async with opened(setup) as engine:
            ids = None if asked.take_all else await _ids(engine, asked)
            category, version = engine.category, engine.version
        return await setup.database.drop_snapshots(f"{category}:{version}", ids)

    deleted = run(drop())
    note(f"messages of snapshots dropped: {deleted}; threads are folded from their events again")
    again = command(setup.common, "db", "snapshots", asked.thread or "--all")
    note(f"to write them anew: {again}")
    return ExitCode.OK


async def _ids(engine: "Engine", asked: Snapshots) -> tuple[str, ...]:
    if asked.thread is not None:
        return (await engine.find_thread(asked.thread),)
    from messagedb_agent.audit import thread_ids

    return await thread_ids(engine)
