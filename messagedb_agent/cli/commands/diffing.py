"""`diff`: two threads, or two positions of one, beside each other."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from messagedb_agent.cli.common import Common
from messagedb_agent.cli.exits import ExitCode
from messagedb_agent.cli.naming import state_at
from messagedb_agent.cli.opening import opened, set_up
from messagedb_agent.cli.rendering.json import text_of
from messagedb_agent.cli.running import run
from messagedb_agent.cli.terminal import out, write
from messagedb_agent.errors import ValidationError

if TYPE_CHECKING:
    from messagedb_agent import Engine
    from messagedb_agent.events.recorded import Recorded


@dataclass(frozen=True, slots=True)
class End:
    """A thread up to a position.

    Attributes:
        thread: how it was named; its id, once it is found.
        position: position of its last event that counts; None for all it has.
        short: its short name, once it is found.
    """

    thread: str
    position: int | None = None
    short: str = ""


def diff(
    common: Common, one: str, other: str | None, at: Sequence[int], form: str, *, full: bool
) -> int:
    """Compare, and print what is found."""
    given = ends(one, other, at)
    setup = set_up(common)

    async def work() -> int:
        from messagedb_agent.cli.rendering.diff import comparison_json, comparison_lines
        from messagedb_agent.projections.comparison import compare, side

        async with opened(setup) as engine:
            both = await _with_parent(engine, given) if isinstance(given, End) else given
            found = [await _found(engine, end) for end in both]
            histories = [await _events(engine, end) for end in found]
        compared = compare(*map(side, histories))
        if form == "json":
            out(text_of(comparison_json(found, compared)))
        else:
            for line in comparison_lines(found, compared, full=full):
                write(line)
        return ExitCode.OK if compared.is_equal else ExitCode.FINDING

    return run(work())


def ends(one: str, other: str | None, at: Sequence[int]) -> tuple[End, End] | End:
    """Return what is compared with what; one end alone is compared with its parent.

    Raises:
        ValidationError: it takes two threads, or positions of one.
    """
    first = _end(one)
    if other is not None:
        if at:
            raise ValidationError("with two threads, a position is written THREAD@N", field="at")
        return first, _end(other)
    positions = [first.position, *at] if first.position is not None else [*at]
    if not positions:
        return first
    if len(positions) > 2:
        raise ValidationError("one or two positions of a thread can be compared", field="at")
    second = positions[1] if len(positions) == 2 else None
    return End(first.thread, positions[0]), End(first.thread, second)


def _end(text: str) -> End:
    thread, mark, digits = text.rpartition("@")
    if not mark:
        return End(text)
    if not (digits.isascii() and digits.isdigit() and len(digits) < 19):
        raise ValidationError(f"{digits!r} is no position; say THREAD@N", field="at")
    return End(thread, int(digits))


async def _with_parent(engine: "Engine", fork: End) -> tuple[End, End]:
    """Return a fork behind the thread that it was forked from.

    Raises:
        ValidationError: it is no fork.
    """
    head = await engine.latest(fork.thread)
    started = head.view.started
    if started is None or started.forked_from is None:
        raise ValidationError(
            "the thread is no fork: give a second thread, or positions of this one, by --at",
            field="at",
        )
    parent = started.forked_from.stream_name.partition("-")[2]
    return End(parent), End(head.thread_id)


async def _found(engine: "Engine", end: End) -> End:
    head = await engine.latest(end.thread)
    if end.position is not None:
        await state_at(engine, head, end.position, field="at")
    newest = await engine.newest(head.thread_id)
    position = newest.position if newest and end.position is None else end.position
    return End(head.thread_id, position, await engine.shortest_prefix(head.thread_id))


async def _events(engine: "Engine", end: End) -> Sequence["Recorded"]:
    from messagedb_agent import Projection
    from messagedb_agent.events.recorded import Recorded
    from messagedb_agent.projections.grown import Grown

    nothing: Grown[Recorded] = Grown()
    everything = Projection(nothing, lambda before, recorded: before.plus(recorded))
    return await engine.fold(end.thread, everything, at=end.position)
