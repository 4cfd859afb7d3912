"""The commands on threads: how they are called. What they do stands beside this."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from messagedb_agent.cli.common import Common
from messagedb_agent.cli.exits import MEANINGS
from messagedb_agent.cli.shape import (
    All,
    By,
    Calls,
    Detach,
    Form,
    Full,
    Message,
    Thread,
    Yes,
    command,
    new_group,
)

_MAX_POSITION = 2**63 - 1
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
group = new_group(
    "Agents whose whole life is an event log in Message DB.\n\n"
    'Begin with: messagedb-agent start "What is 42 * 7?"',
    epilog="\n".join(f"{code:d}\t{meaning}" for code, meaning in MEANINGS.items()),
)


@command(group, "start", "Talk")
def _start(
    common: Common,
    message: Message,
    form: Form = "text",
    yes: Yes = False,
    detach: Detach = False,
) -> int:
    """Begin a thread with a message."""
    from messagedb_agent.cli import detaching, talking, turning

    if detach:
        return detaching.start(common, message, form, yes=yes)
    return talking.start(common, message, turning.Manner(form, yes))


@command(group, "message", "Talk")
def _message(
    common: Common,
    thread: Thread,
    message: Message,
    form: Form = "text",
    during: Annotated[
        Literal["queue", "interrupt", "reject"],
        typer.Option(help="Where a turn is under way: answer after it, cancel it, or refuse this."),
    ] = "queue",
    yes: Yes = False,
    detach: Detach = False,
) -> int:
    """Say something in a thread."""
    from messagedb_agent.cli import detaching, talking, turning

    if detach:
        return detaching.message(common, thread, message, form, during, yes=yes)
    return talking.message(common, thread, message, turning.Manner(form, yes), during)


@command(group, "continue", "Talk")
def _continue(common: Common, thread: Thread, form: Form = "text", yes: Yes = False) -> int:
    """Let a thread go on where it stopped: interrupted, failed, or at a limit."""
    from messagedb_agent.cli import talking, turning

    return talking.continue_(common, thread, turning.Manner(form, yes))


@command(group, "chat", "Talk")
def _chat(
    common: Common,
    thread: Annotated[
        str | None, typer.Argument(metavar="THREAD", help="A new thread where it is left out.")
    ] = None,
    yes: Yes = False,
) -> int:
    """Talk, message by message; in a pipe, a line is a message."""
    from messagedb_agent.cli import chatting

    return chatting.chat(common, thread, yes=yes)


@command(group, "approve", "Talk")
def _approve(
    common: Common,
    thread: Thread,
    calls: Calls = None,
    arguments: Annotated[
        str | None,
        typer.Option(metavar="JSON", help="Run it with these in place of the model's."),
    ] = None,
    take_all: All = False,
    reason: Annotated[str | None, typer.Option(help="Why, for the log.")] = None,
    by: By = None,
    form: Form = "text",
    detach: Detach = False,
) -> int:
    """Let tool calls run that wait for approval, and the turn go on."""
    from messagedb_agent.cli import deciding

    decision = deciding.Decision(True, calls or (), take_all, reason, by, arguments)
    decide = deciding.decide_detached if detach else deciding.decide
    return decide(common, thread, decision, form)


@command(group, "deny", "Talk")
def _deny(
    common: Common,
    thread: Thread,
    calls: Calls = None,
    take_all: All = False,
    reason: Annotated[str | None, typer.Option(help="Why, for the model and the log.")] = None,
    by: By = None,
    form: Form = "text",
    detach: Detach = False,
) -> int:
    """Refuse tool calls that wait for approval; the model is told, and the turn goes on."""
    from messagedb_agent.cli import deciding

    decision = deciding.Decision(False, calls or (), take_all, reason, by)
    decide = deciding.decide_detached if detach else deciding.decide
    return decide(common, thread, decision, form)


@command(group, "fork", "Talk")
def _fork(
    common: Common,
    thread: Thread,
    at: Annotated[
        int | None,
        typer.Option(
            min=0, max=_MAX_POSITION, metavar="POSITION", help="The last event that is shared."
        ),
    ] = None,
    title: Annotated[str | None, typer.Option(help="The new thread's title.")] = None,
    form: Form = "text",
) -> int:
    """Begin a thread that shares another one's past; nothing is copied, and nothing runs yet."""
    from messagedb_agent.cli import forking

    return forking.fork(common, thread, at, title, form)


@command(group, "what-if", "Talk")
def _what_if(
    common: Common,
    thread: Thread,
    at: Annotated[
        int,
        typer.Option(
            min=0, max=_MAX_POSITION, metavar="POSITION", help="The last event that is shared."
        ),
    ],
    model: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Another model; several make several forks."),
    ] = None,
    system_prompt: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Another system prompt.")
    ] = None,
    temperature: Annotated[
        str | None, typer.Option(metavar="NUMBER", help="Another temperature.")
    ] = None,
    tool_result: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CALL=JSON",
            help="Another result of a call: by its id or a part of it, its tool, or a position.",
        ),
    ] = None,
    form: Form = "text",
) -> int:
    """Fork a thread in the past and run the turn on, with something other than it was.

    Calls that the thread has made too are answered from its record. A call that is not in it:
    with --tools recorded, which is the default, the turn stops there; with --tools ask you are
    asked for its result; with --tools live the tool runs. Any other --tools adds tools.
    """
    from messagedb_agent.cli import supposing

    supposed = supposing.Supposed(model or (), system_prompt, temperature, tool_result or ())
    return supposing.what_if(common, thread, at, supposed, form)


@command(group, "cancel", "Talk")
def _cancel(
    common: Common,
    thread: Thread,
    reason: Annotated[str | None, typer.Option(help="Why it is stopped.")] = None,
    by: By = None,
) -> int:
    """Stop a thread's turn, wherever it runs; the thread takes the next message."""
    from messagedb_agent.cli import talking

    return talking.cancel(common, thread, reason, by)


@command(group, "end", "Talk")
def _end(
    common: Common,
    thread: Thread,
    reason: Annotated[str | None, typer.Option(help="Why it ends.")] = None,
) -> int:
    """End a thread; a later message reopens it."""
    from messagedb_agent.cli import talking

    return talking.end(common, thread, reason)


@command(group, "resolve", "Talk")
def _resolve(
    common: Common,
    thread: Thread,
    call: Annotated[
        str, typer.Argument(metavar="CALL", help="The call's id, or a unique beginning or end.")
    ],
    completed: Annotated[
        str | None, typer.Option(metavar="RESULT", help="It took effect, with this result.")
    ] = None,
    failed: Annotated[
        str | None, typer.Option(metavar="REASON", help="It did not, for this reason.")
    ] = None,
    by: Annotated[str | None, typer.Option(metavar="NAME", help="Who says so.")] = None,
) -> int:
    """Say what really happened to a call of unknown outcome."""
    from messagedb_agent.cli import resolving

    return resolving.resolve(common, thread, call, resolving.Said(completed, failed, by))


@command(group, "show", "Look")
def _show(
    common: Common,
    thread: Thread,
    form: Form = "text",
    full: Full = False,
    view: Annotated[
        Literal["events", "conversation", "state", "usage", "lineage", "effects"] | None,
        typer.Option("--as", help="What to show of it; what a person reads where it is left out."),
    ] = None,
    at: Annotated[
        int | None,
        typer.Option(min=0, max=_MAX_POSITION, metavar="POSITION", help="As it was at this event."),
    ] = None,
    unresolved: Annotated[
        bool,
        typer.Option("--unresolved", help="With --as effects: calls of unknown outcome alone."),
    ] = False,
) -> int:
    """Show a thread."""
    from messagedb_agent.cli import viewing

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
            metavar="[THREAD[@N]]", help="What it is compared with; a fork, with its parent."
        ),
    ] = None,
    at: Annotated[
        list[int] | None,
        typer.Option(
            min=0,
            max=_MAX_POSITION,
            metavar="POSITION",
            help="Of one thread: its position, or two; one is compared with its end.",
        ),
    ] = None,
    form: Form = "text",
    full: Full = False,
) -> int:
    """Compare two threads, or two positions of one; ends with 0 where they say the same, else 1."""
    from messagedb_agent.cli import diffing

    return diffing.diff(common, one, other, at or (), form, full=full)


@command(group, "replay", "Look")
def _replay(
    common: Common,
    thread: Thread,
    at: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=_MAX_POSITION,
            metavar="POSITION",
            help="Up to this event; with --step, from it.",
        ),
    ] = None,
    step: Annotated[
        bool, typer.Option("--step", help="One event at a time, by keys, on a terminal.")
    ] = False,
    form: Form = "text",
    full: Full = False,
) -> int:
    """Walk a thread event by event: what each changed, and what was to be done next."""
    from messagedb_agent.cli import replaying

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
    from messagedb_agent.cli import explaining

    return explaining.explain(common, thread, call, form, full=full)


@command(group, "list", "Look")
def _list(
    common: Common,
    limit: Annotated[int, typer.Option(min=1, max=_MAX_LISTED, help="How many, at most.")] = 10,
    form: Form = "text",
) -> int:
    """List the threads with the newest events."""
    from messagedb_agent.cli import viewing

    return viewing.list_threads(common, limit, form)


@command(group, "approvals", "Look")
def _approvals(
    common: Common,
    limit: Annotated[int, typer.Option(min=1, max=_MAX_LISTED, help="How many, at most.")] = 100,
    form: Form = "text",
    full: Full = False,
) -> int:
    """List the tool calls of all threads that wait for approval."""
    from messagedb_agent.cli import deciding

    return deciding.approvals(common, limit, form, full=full)


@command(group, "tail", "Look")
def _tail(
    common: Common,
    thread: Annotated[
        str | None, typer.Argument(metavar="THREAD", help="All threads where it is left out.")
    ] = None,
    start: Annotated[
        int | None,
        typer.Option(
            "--from",
            min=0,
            max=_MAX_POSITION,
            metavar="POSITION",
            help="First position in the thread, or global position without one; news alone"
            " where it is left out.",
        ),
    ] = None,
    form: Form = "text",
) -> int:
    """Follow a thread, or all, as events are written; ends on Ctrl-C."""
    from messagedb_agent.cli import tailing

    return tailing.tail(common, thread, start, form)


@command(group, "verify", "Look")
def _verify(
    common: Common,
    thread: Annotated[
        str | None,
        typer.Argument(metavar="THREAD", help="Its id, a unique beginning of it, or `last`."),
    ] = None,
    take_all: Annotated[bool, typer.Option("--all", help="All threads of the category.")] = False,
    anchor: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Compare with the heads that `anchor` wrote earlier."),
    ] = None,
    processes: Processes = None,
    form: Form = "text",
) -> int:
    """Check that a thread's log, or every thread's, is what was written."""
    from messagedb_agent.cli import verifying

    asked = verifying.Verifying(thread, take_all, form, anchor, processes)
    return verifying.verify(common, asked)


@command(group, "anchor", "Look")
def _anchor(
    common: Common,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file that is not there yet.")],
    processes: Processes = None,
) -> int:
    """Write the heads of all threads to a file, signed, for `verify --anchor` to compare."""
    from messagedb_agent.cli import anchoring

    return anchoring.anchor(common, file, processes)


@command(group, "export", "Work")
def _export(
    common: Common,
    threads: Annotated[
        list[str] | None,
        typer.Argument(metavar="[THREAD]...", help="Ids, unique beginnings of them, or `last`."),
    ] = None,
    take_all: Annotated[bool, typer.Option("--all", help="All threads of the category.")] = False,
) -> int:
    """Print threads as JSON Lines, without loss, for `import`."""
    from messagedb_agent.cli import archiving

    return archiving.export(common, threads or (), take_all=take_all)


@command(group, "import", "Work")
def _import(
    common: Common,
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="What `export` printed; `-` is standard input.")
    ],
    form: Form = "text",
) -> int:
    """Write exported threads, with their ids, positions and hashes; each whole or not at all."""
    from messagedb_agent.cli import archiving

    return archiving.import_(common, file, form)
