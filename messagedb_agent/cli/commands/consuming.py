"""`consume --parked`: what a group has put aside, and what is to become of it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from messagedb_agent.cli.common import Common
from messagedb_agent.cli.exits import ExitCode
from messagedb_agent.cli.next_steps import command
from messagedb_agent.cli.opening import Setup, opened, set_up
from messagedb_agent.cli.rendering.json import parked_json, text_of
from messagedb_agent.cli.rendering.tables import print_table
from messagedb_agent.cli.running import run
from messagedb_agent.cli.terminal import note, out
from messagedb_agent.errors import AmbiguousName, NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from messagedb_agent.consumers import Parked, Parking

Action = Literal["list", "replay", "drop"]

_HEADINGS = ("thread", "position", "tries", "reason")
_SHOWN_CANDIDATES = 5


@dataclass(frozen=True, slots=True)
class Aside:
    """Which threads are meant.

    Attributes:
        named: name of the group that has put them aside; None for the workers' usual one.
        category: of what it consumes; None for threads.
        thread: one of them; None for all.
    """

    named: str | None
    category: str | None
    thread: str | None

    @property
    def group(self) -> str:
        """Name of the group."""
        from messagedb_agent.consumers import DEFAULT_GROUP

        return self.named or DEFAULT_GROUP


def consume(common: Common, action: Action, aside: Aside, form: str) -> int:
    """Show what is parked, let it be tried again, or forget it."""
    setup, thread = set_up(common), aside.thread

    async def work() -> int:
        from messagedb_agent.consumers import parking_in

        async with opened(setup) as engine:
            parking = parking_in(engine, aside.category, aside.group)
            await parking.catch_up()
            found = parking.parked if thread is None else (_meant(setup, aside, parking, thread),)
            if action == "list":
                _show(setup, aside, found, form)
            else:
                await _decide(aside, parking, action, found)
        return ExitCode.OK

    return run(work())


def _meant(setup: Setup, aside: Aside, parking: "Parking", name: str) -> "Parked":
    """Return the one thread that a person means: its id, or a beginning that no other has.

    Raises:
        NotFound: no thread of this name is parked.
        AmbiguousName: several are.
    """
    parked = parking.parked
    for one in parked:
        if one.thread_id == name:
            return one
    found = [one for one in parked if name and one.thread_id.startswith(name)]
    if not found:
        none = NotFound("parked thread", name)
        none.args = (f"{none}; see: {_command(setup, aside, 'list')}",)
        raise none
    if len(found) > 1:
        ids = tuple(one.thread_id for one in found[:_SHOWN_CANDIDATES])
        raise AmbiguousName("parked thread", name, ids)
    return found[0]


def _show(setup: Setup, aside: Aside, parked: "Sequence[Parked]", form: str) -> None:
    if form == "json":
        out(text_of([parked_json(one) for one in parked]))
    elif parked:
        rows = [(one.thread_id, str(one.position), str(one.tries), one.reason) for one in parked]
        print_table(_HEADINGS, rows)
        replay = _command(setup, aside, "replay")
        note(f"try again: {replay} [THREAD]; drop forgets it until it has news")
    else:
        note(_nothing(aside))


async def _decide(
    aside: Aside, parking: "Parking", action: Action, parked: "Sequence[Parked]"
) -> None:
    for one in parked:
        await (parking.replay(one) if action == "replay" else parking.drop(one))
        said = "is tried again" if action == "replay" else "is forgotten"
        note(f"thread {one.thread_id} {said}")
    if not parked:
        note(_nothing(aside))


def _nothing(aside: Aside) -> str:
    """Say whose parked threads were looked for: who leaves out the group may mean another one."""
    from messagedb_agent.cli.commands.handling import DEFAULT_NAME

    other = "" if aside.named else f"; of a consumer: --group {DEFAULT_NAME}"
    return f"nothing is parked by the group {aside.group!r}{other}"


def _command(setup: Setup, aside: Aside, action: Action) -> str:
    """Return this command for the same group, to be typed."""
    named = ("--group", aside.named) if aside.named else ()
    of = ("--of", aside.category) if aside.category else ()
    return command(setup.common, "consume", "--parked", action, *named, *of)
