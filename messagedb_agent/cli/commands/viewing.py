"""`show` and `list`: what looks at threads and changes nothing."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from messagedb_agent.cli.common import Common
from messagedb_agent.cli.exits import ExitCode
from messagedb_agent.cli.naming import state_names
from messagedb_agent.cli.next_steps import begin, command
from messagedb_agent.cli.opening import opened, set_up
from messagedb_agent.cli.rendering.events import event_line
from messagedb_agent.cli.rendering.json import (
    family_json,
    listed_json,
    message_json,
    stats_json,
    text_of,
)
from messagedb_agent.cli.rendering.tables import print_table
from messagedb_agent.cli.rendering.text import (
    LINEAGE_HEADINGS,
    USAGE_HEADINGS,
    conversation_lines,
    family_lines,
    lineage_rows,
    local_time,
    transcript_lines,
    usage_rows,
)
from messagedb_agent.cli.running import run
from messagedb_agent.cli.terminal import note, out, write, write_array
from messagedb_agent.errors import ValidationError

if TYPE_CHECKING:
    from messagedb_agent import Engine
    from messagedb_agent.projections.conversation import Conversation
    from messagedb_agent.projections.items import Item
    from messagedb_agent.projections.summary import Summary
    from messagedb_agent.projections.transcript import Transcript

_WITH_WORK = {
    "interrupted": "who worked on it is gone; a worker goes on",
    "ready": "a worker takes it up",
}
"""What is said of threads that have something to do, and nobody who does it."""


@dataclass(frozen=True, slots=True)
class Showing:
    """How a thread is to be shown.

    Attributes:
        view: `events`, `conversation`, `state`, `usage`, `lineage`, `effects`, `stats`; None for
            what a person reads, and for events in JSON.
        form: `text` or `json`.
        full: cut nothing short.
        at: position of the last event to look at; None for all.
        unresolved: of the effects, those of unknown outcome alone.
    """

    view: str | None
    form: str
    full: bool
    at: int | None
    unresolved: bool = False


def show(common: Common, thread: str, showing: Showing) -> int:
    """Print a thread."""
    if showing.unresolved and showing.view != "effects":
        raise ValidationError("--unresolved goes with --as effects", field="unresolved")
    setup = set_up(common)

    async def work() -> None:
        async with opened(setup) as engine:
            thread_id = await engine.find_thread(thread)
            await check_position(engine, thread_id, showing.at)
            status = await _PRINTERS[_view(showing)](engine, thread_id, showing)
            if status and showing.at is None:
                _tell_to_go_on(setup.common, status, thread_id)

    run(work())
    return ExitCode.OK


def _tell_to_go_on(common: Common, status: str, thread: str) -> None:
    if told := _WITH_WORK.get(status):
        note(f"{status}: {told}, or: {command(common, 'continue', thread)}")


def _view(showing: Showing) -> str:
    if showing.view is not None:
        return showing.view
    return "events" if showing.form == "json" else "transcript"


async def check_position(engine: "Engine", thread_id: str, at: int | None) -> None:
    """Refuse a position that the thread does not have yet.

    Raises:
        ValidationError: it lies behind the last event.
    """
    newest = await engine.newest(thread_id) if at else None
    if at and newest and at > newest.position:
        raise ValidationError(
            f"the last position of thread {thread_id} is {newest.position}", field="at"
        )


async def _print_events(engine: "Engine", thread_id: str, showing: Showing) -> None:
    """Print messages as they are read: a thread may be longer than memory."""
    if showing.form == "text":
        async for message in engine.messages(thread_id, until=showing.at):
            out(event_line(message, thread_id, full=showing.full))
        return
    messages = engine.messages(thread_id, until=showing.at)
    await write_array(message_json(message) async for message in messages)


async def _print_transcript(engine: "Engine", thread_id: str, showing: Showing) -> str:
    return await print_transcript(engine, thread_id, at=showing.at, full=showing.full)


async def print_transcript(
    engine: "Engine", thread_id: str, *, at: int | None = None, full: bool = False
) -> str:
    """Print what a person reads of a thread; return how it stands, in the words of `list`."""
    position = await _last(engine, thread_id, at)
    shown, seen = await _read(engine, thread_id, position)
    runs = seen.status == "running" or any(_runs(item) for item in shown)
    is_left = runs and await _is_left(engine, thread_id, position)
    out(f"thread {thread_id}")
    for line in transcript_lines(shown, full=full, is_left=is_left):
        write(line)
    return "interrupted" if is_left and seen.status == "running" else seen.status


async def _read(
    engine: "Engine", thread_id: str, position: int | None
) -> tuple["Transcript", "Summary"]:
    """Fold both at once: a thread may be long."""
    from messagedb_agent import Projection
    from messagedb_agent.events.recorded import Recorded
    from messagedb_agent.projections.summary import Summary, summary
    from messagedb_agent.projections.transcript import Transcript, transcript

    def evolved(seen: tuple[Transcript, Summary], recorded: Recorded) -> tuple[Transcript, Summary]:
        return transcript.evolve(seen[0], recorded), summary.evolve(seen[1], recorded)

    both = Projection((transcript.initial, summary.initial), evolved)
    return await engine.fold(thread_id, both, at=position)


def _runs(item: "Item") -> bool:
    return item.call is not None and item.call.outcome == "running"


async def _last(engine: "Engine", thread_id: str, at: int | None) -> int | None:
    """Return the position of the last event to look at; None where there is none."""
    newest = await engine.newest(thread_id) if at is None else None
    return newest.position if newest else at


async def _is_left(engine: "Engine", thread_id: str, position: int | None) -> bool:
    return position is not None and await engine.is_left(thread_id, position)


async def _print_effects(engine: "Engine", thread_id: str, showing: Showing) -> None:
    from messagedb_agent.cli.rendering.effects import EFFECTS_HEADINGS, effect_json, effect_rows
    from messagedb_agent.projections.effects import effects

    position = await _last(engine, thread_id, showing.at)
    folded = await engine.fold(thread_id, effects, at=position)
    found = folded.unresolved if showing.unresolved else tuple(folded)
    runs = any(effect.outcome == "running" for effect in found)
    is_left = runs and await _is_left(engine, thread_id, position)
    if showing.form == "json":
        out(text_of([effect_json(effect, is_left=is_left) for effect in found]))
    elif found:
        rows = effect_rows(found, tuple(folded), full=showing.full, is_left=is_left)
        print_table(EFFECTS_HEADINGS, rows)
    else:
        note("no call of unknown outcome" if showing.unresolved else "no tool call")


async def _print_lineage(engine: "Engine", thread_id: str, showing: Showing) -> None:
    """Print the states of a thread, and the tree of forks that it stands in."""
    from messagedb_agent.cli.rendering.plain import plain
    from messagedb_agent.projections.lineage import lineage

    states = await engine.fold(thread_id, lineage, at=showing.at)
    found = await engine.family(thread_id)
    if showing.form == "json":
        out(text_of({"states": plain(states.states), **family_json(found)}))
        return
    print_table(LINEAGE_HEADINGS, lineage_rows(states, await state_names(engine, states)))
    if len(found.threads) > 1:
        out("")
        for line in family_lines(found, thread_id):
            write(line)


async def _print_usage(engine: "Engine", thread_id: str, showing: Showing) -> None:
    from messagedb_agent.cli.rendering.plain import plain
    from messagedb_agent.projections.usage import usage

    used = await engine.fold(thread_id, usage, at=showing.at)
    if showing.form == "json":
        shown = plain(used)
        out(text_of({key: shown[key] for key in ("models", "tools", "byModel", "byTool")}))
    else:
        print_table(USAGE_HEADINGS, usage_rows(used))


async def _print_stats(engine: "Engine", thread_id: str, showing: Showing) -> None:
    stats = stats_json(await engine.stats(thread_id, at=showing.at))
    if showing.form == "json":
        out(text_of(stats))
        return
    point = stats["forkedFrom"]
    came_from = point and f"{point['threadId']} at {point['position']}"
    rows = {**stats, "forkedFrom": came_from}.items()
    print_table(
        ("stat", "value"), [(name, "-" if value is None else str(value)) for name, value in rows]
    )


async def _print_state(engine: "Engine", thread_id: str, showing: Showing) -> None:
    from messagedb_agent.projections.conversation import conversation

    shown = await engine.fold(thread_id, conversation, at=showing.at)
    if showing.form == "json":
        from messagedb_agent.cli.rendering.plain import plain

        out(text_of(plain(shown.state)))
    else:
        print_state(shown)


def print_state(shown: "Conversation") -> None:
    """Print what decisions are made on, as a table."""
    from messagedb_agent.cli.rendering.plain import plain

    rows = [(name, text_of(value)) for name, value in plain(shown.state).items()]
    print_table(("state", "value"), rows)


async def _print_conversation(engine: "Engine", thread_id: str, showing: Showing) -> None:
    from messagedb_agent.cli.rendering.plain import conversation_values
    from messagedb_agent.projections.conversation import conversation

    shown = conversation_values(await engine.fold(thread_id, conversation, at=showing.at))
    if showing.form == "json":
        out(text_of(shown))
    else:
        for line in conversation_lines(shown):
            write(line)


_PRINTERS: Mapping[str, Callable[["Engine", str, Showing], Awaitable[str | None]]] = {
    "conversation": _print_conversation,
    "effects": _print_effects,
    "events": _print_events,
    "lineage": _print_lineage,
    "state": _print_state,
    "stats": _print_stats,
    "transcript": _print_transcript,
    "usage": _print_usage,
}


@dataclass(frozen=True, slots=True)
class Listing:
    """Which threads are to be listed.

    Attributes:
        limit: how many at the most.
        user: those of this user; None for anybody's.
        tag: those with this tag; None for any.
        archived: those that are archived; else those that are not.
    """

    limit: int
    user: str | None = None
    tag: str | None = None
    archived: bool = False

    @property
    def is_narrow(self) -> bool:
        """Whether it is not simply all threads."""
        return self.user is not None or self.tag is not None or self.archived


def list_threads(common: Common, listing: Listing, form: str) -> int:
    """Print the threads with the newest events."""
    setup = set_up(common)

    async def work() -> None:
        async with opened(setup) as engine:
            threads = await engine.threads(
                listing.limit, user=listing.user, tag=listing.tag, archived=listing.archived
            )
        if form == "json":
            out(text_of([listed_json(listed) for listed in threads]))
        elif not threads and listing.is_narrow:
            note(f"no such thread; all: {command(setup.common, 'list')}")
        elif not threads:
            note(f"no threads yet; {begin(setup.common)}")
        else:
            rows = [
                (
                    listed.prefix,
                    listed.status,
                    str(listed.summary.messages),
                    local_time(listed.summary.updated_at_ms),
                    listed.summary.title,
                )
                for listed in threads
            ]
            print_table(("thread", "status", "messages", "updated", "title"), rows)
            for status in _WITH_WORK:
                if found := [listed.prefix for listed in threads if listed.status == status]:
                    which = found[0] if len(found) == 1 else "THREAD"
                    _tell_to_go_on(setup.common, status, which)

    run(work())
    return ExitCode.OK
