"""The commands that look at threads and change nothing: how they are called."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from messagedb_agent.cli.common import Common
from messagedb_agent.cli.shape import (
    AllThreads,
    Form,
    Full,
    MaybeThread,
    Thread,
    Types,
    command,
    position,
)
from messagedb_agent.cli.sorting import group

__all__ = ["group"]

_MAX_LISTED = 10_000  # each of them is read
_MAX_PROCESSES = 256

Processes = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=_MAX_PROCESSES,
        metavar="N",
        help="How many processes check all threads; as many as pay where it is left out.",
    ),
]


@command(group, "show", "Look")
def _show(
    common: Common,
    thread: Thread,
    form: Form = "text",
    full: Full = False,
    view: Annotated[
        Literal["events", "conversation", "state", "usage", "lineage", "effects", "stats"] | None,
        typer.Option(
            "--as", help="What to show of it; where it is left out, what was said and done."
        ),
    ] = None,
    at: Annotated[int | None, position(help="As it was at this event.")] = None,
    unresolved: Annotated[
        bool,
        typer.Option("--unresolved", help="With --as effects: calls of unknown outcome alone."),
    ] = False,
) -> int:
    """Show a thread."""
    from messagedb_agent.cli.commands import viewing

    return viewing.show(common, thread, viewing.Showing(view, form, full, at, unresolved))


@command(group, "diff", "Look")
def _diff(
    common: Common,
    one: Annotated[
        str, typer.Argument(metavar="THREAD[@N]", help="A thread, as it was at event N.")
    ],
    other: Annotated[
        str | None,
        typer.Argument(
            metavar="THREAD[@N]", help="What it is compared with; a fork, with its parent."
        ),
    ] = None,
    at: Annotated[
        list[int] | None,
        position(help="Of one thread: its position, or two; one is compared with its end."),
    ] = None,
    form: Form = "text",
    full: Full = False,
) -> int:
    """Compare two threads, or two positions of one; ends with 0 where they say the same, else 1."""
    from messagedb_agent.cli.commands import diffing

    return diffing.diff(common, one, other, at or (), form, full=full)


@command(group, "replay", "Look")
def _replay(
    common: Common,
    thread: Thread,
    at: Annotated[int | None, position(help="Up to this event; with --step, from it.")] = None,
    step: Annotated[
        bool, typer.Option("--step", help="One event at a time, by keys, on a terminal.")
    ] = False,
    form: Form = "text",
    full: Full = False,
) -> int:
    """Walk a thread event by event: what each changed, and what was to be done next."""
    from messagedb_agent.cli.commands import replaying

    return replaying.replay(common, replaying.Replaying(thread, at, step, form, full))


@command(group, "explain", "Look")
def _explain(
    common: Common,
    thread: Thread,
    call: Annotated[
        str,
        typer.Argument(
            metavar="CALL",
            help="A model call: the position of its start or outcome, or its id or a part of that.",
        ),
    ],
    form: Form = "text",
    full: Full = False,
) -> int:
    """Show what a model was asked with, and from which event each part of it came."""
    from messagedb_agent.cli.commands import explaining

    return explaining.explain(common, thread, call, form, full=full)


@command(group, "list", "Look")
def _list(
    common: Common,
    limit: Annotated[int, typer.Option(min=1, max=_MAX_LISTED, help="How many, at most.")] = 10,
    user: Annotated[
        str | None, typer.Option(metavar="NAME", help="Those of this user alone.")
    ] = None,
    tag: Annotated[
        str | None, typer.Option(metavar="TAG", help="Those with this tag alone.")
    ] = None,
    archived: Annotated[
        bool, typer.Option("--archived", help="Those that are archived, which else are left out.")
    ] = False,
    form: Form = "text",
) -> int:
    """List the threads with the newest events."""
    from messagedb_agent.cli.commands import viewing

    return viewing.list_threads(common, viewing.Listing(limit, user, tag, archived), form)


@command(group, "search", "Look")
def _search(
    common: Common,
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="WORD...", help="What a message must have; '\"two words\"' stand together."
        ),
    ],
    user: Annotated[
        str | None, typer.Option(metavar="NAME", help="In threads of this user alone.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=_MAX_LISTED, help="How many, at most.")] = 20,
    form: Form = "text",
) -> int:
    """Search what was said in all threads; the best first, and of equal ones the newest."""
    from messagedb_agent.cli.commands import searching

    return searching.search(common, " ".join(words), user, limit, form)


@command(group, "approvals", "Look")
def _approvals(
    common: Common,
    limit: Annotated[int, typer.Option(min=1, max=_MAX_LISTED, help="How many, at most.")] = 100,
    form: Form = "text",
    full: Full = False,
) -> int:
    """List the tool calls of all threads that wait for approval."""
    from messagedb_agent.cli.commands import deciding

    return deciding.approvals(common, limit, form, full=full)


@command(group, "tail", "Look")
def _tail(
    common: Common,
    thread: Annotated[
        str | None, typer.Argument(metavar="THREAD", help="All threads where it is left out.")
    ] = None,
    start: Annotated[
        int | None,
        position(
            "--from",
            help="First position in the thread, or global position without one; news alone"
            " where it is left out.",
        ),
    ] = None,
    types: Types = None,
    form: Form = "text",
) -> int:
    """Follow a thread, or all, as events are written; ends on Ctrl-C."""
    from messagedb_agent.cli.commands import tailing

    return tailing.tail(common, thread, start, types, form)


@command(group, "verify", "Look")
def _verify(
    common: Common,
    thread: MaybeThread = None,
    take_all: AllThreads = False,
    anchor: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Compare with the heads that `anchor` wrote; all threads where none is named.",
        ),
    ] = None,
    processes: Processes = None,
    user: Annotated[
        str | None,
        typer.Option(metavar="USER", help="What is known of this user, instead of a thread."),
    ] = None,
    definition: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The revisions of this definition, instead of a thread."),
    ] = None,
    form: Form = "text",
) -> int:
    """Check that a thread's log, or all there is, is what was written."""
    from messagedb_agent.cli.commands import verifying
    from messagedb_agent.cli.commands.verifying_beside import Beside

    is_beside = user is not None or definition is not None
    beside = Beside(user, definition) if is_beside else None
    asked = verifying.Verifying(thread, take_all, form, anchor, processes, beside)
    return verifying.verify(common, asked)


@command(group, "anchor", "Look")
def _anchor(
    common: Common,
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="A file that is not there yet; ANCHOR_KEY signs it."),
    ],
    processes: Processes = None,
) -> int:
    """Write the heads of all there is to a file, signed, for `verify --anchor` to compare."""
    from messagedb_agent.cli.commands import anchoring

    return anchoring.anchor(common, file, processes)
