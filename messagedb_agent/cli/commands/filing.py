"""`title`, `tag`, `archive`, `unarchive`, `delete`: what people write on threads, to file them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from messagedb_agent.agent.commands import Tag
from messagedb_agent.cli.common import Common
from messagedb_agent.cli.exits import ExitCode
from messagedb_agent.cli.next_steps import command
from messagedb_agent.cli.opening import opened, set_up
from messagedb_agent.cli.rendering.json import text_of
from messagedb_agent.cli.running import run
from messagedb_agent.cli.terminal import note, one_line, out, write
from messagedb_agent.errors import ValidationError

if TYPE_CHECKING:
    from messagedb_agent import Engine


def title(common: Common, thread: str, title: str | None, by: str | None, *, generate: bool) -> int:
    """Give a thread a title, and print the one it has then."""
    if generate and title is not None:
        raise ValidationError("give a title or say --generate, not both", field="title")
    setup = set_up(common)

    async def work() -> None:
        async with opened(setup) as engine:
            thread_id = await engine.find_thread(thread)
            if title is not None:
                agent = await engine.latest(thread_id)
                await agent.set_title(title, by=by)
            elif generate:
                await (await engine.latest(thread_id)).generate_title(by=by)
            out(one_line(await _title_of(engine, thread_id)))

    run(work())
    return ExitCode.OK


async def _title_of(engine: "Engine", thread_id: str) -> str:
    from messagedb_agent.projections.summary import summary

    return (await engine.fold(thread_id, summary)).title


def tag(
    common: Common,
    thread: str,
    added: tuple[str, ...],
    removed: tuple[str, ...],
    by: str | None,
    form: str,
) -> int:
    """Put tags on a thread, take tags off, and print those it has then."""
    setup = set_up(common)

    async def work() -> None:
        async with opened(setup) as engine:
            agent = await engine.latest(thread)
            if added or removed:
                agent = await engine.ask(agent, Tag(added, removed, by), detached=True)
        if form == "json":
            out(text_of({"threadId": agent.thread_id, "tags": list(agent.tags)}))
            return
        for one in agent.tags:
            write(one_line(one))
        if not agent.tags:
            note("no tags")

    run(work())
    return ExitCode.OK


def archive(common: Common, threads: Sequence[str], by: str | None) -> int:
    """Put threads away."""
    return _move(common, threads, by, away=True)


def unarchive(common: Common, threads: Sequence[str], by: str | None) -> int:
    """Fetch threads back."""
    return _move(common, threads, by, away=False)


def delete(common: Common, threads: Sequence[str], by: str | None, reason: str | None) -> int:
    """Hide threads for good."""
    setup = set_up(common)

    async def work() -> None:
        async with opened(setup) as engine:
            agents = [await engine.latest(thread) for thread in threads]
            for agent in agents:
                out((await engine.delete(agent, by=by, reason=reason)).thread_id, flush=True)

    run(work())
    note(f"nothing was removed; see one with: {command(setup.common, 'show', 'THREAD')}")
    return ExitCode.OK


def _move(common: Common, threads: Sequence[str], by: str | None, *, away: bool) -> int:
    setup = set_up(common)

    async def work() -> None:
        async with opened(setup) as engine:
            # All are found before the first one is moved: `last` means another one afterwards.
            agents = [await engine.latest(thread) for thread in threads]
            for agent in agents:
                moved = await (agent.archive(by=by) if away else agent.unarchive(by=by))
                out(moved.thread_id, flush=True)

    run(work())
    if away:
        note(f"see them with: {command(setup.common, 'list', '--archived')}")
    return ExitCode.OK
