"""The command line's shape: it parses, and calls. What the commands do stands beside it.

Nothing that takes long to import is imported before the command that needs it runs.
"""

import gc
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

import typer

from messagedb_agent import __version__
from messagedb_agent.cli.common import Common, group_callback, taking_common
from messagedb_agent.cli.exits import MEANINGS, ExitCode
from messagedb_agent.cli.guard import guarded
from messagedb_agent.cli.help import PanelCommand, PanelGroup
from messagedb_agent.cli.streams import give_back, prepare
from messagedb_agent.cli.terminal import note

PROGRAM = "messagedb-agent"
# What is imported stays: looking through it for garbage every 700 objects is lost time.
_GC_THRESHOLD = 50_000
_MAX_POSITION = 2**63 - 1
_MAX_LISTED = 10_000  # each of them is read
_EXIT_CODES = "\n".join(f"{code:d}\t{meaning}" for code, meaning in MEANINGS.items())

Thread = Annotated[
    str, typer.Argument(metavar="THREAD", help="Its id, a unique beginning of it, or `last`.")
]
Message = Annotated[
    str, typer.Argument(metavar="MESSAGE", help="What you say; `-` reads it from standard input.")
]
Form = Annotated[Literal["text", "json"], typer.Option("--format", help="How to print.")]
Admin = Annotated[bool, typer.Option("--admin", help="As the owner of the embedded server.")]

app = typer.Typer(
    cls=PanelGroup,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    invoke_without_command=True,
    epilog=_EXIT_CODES,
)
db = typer.Typer(cls=PanelGroup, rich_markup_mode=None, invoke_without_command=True)
app.callback()(
    group_callback(
        "Agents whose whole life is an event log in Message DB.\n\n"
        'Begin with: messagedb-agent start "What is 42 * 7?"'
    )
)
db.callback()(group_callback("The database: the embedded server, or one that settings name."))


def _command(
    group: typer.Typer, name: str, panel: str | None = None
) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Put a function into a group as a command, with the global options."""

    def put(function: Callable[..., int]) -> Callable[..., int]:
        group.command(name, cls=PanelCommand, rich_help_panel=panel)(taking_common(function))
        return function

    return put


@_command(app, "start", "Talk")
def _start(common: Common, message: Message, form: Form = "text") -> int:
    """Begin a thread with a message."""
    from messagedb_agent.cli import talking

    return talking.start(common, message, form)


@_command(app, "message", "Talk")
def _message(common: Common, thread: Thread, message: Message, form: Form = "text") -> int:
    """Say something in a thread."""
    from messagedb_agent.cli import talking

    return talking.message(common, thread, message, form)


@_command(app, "continue", "Talk")
def _continue(common: Common, thread: Thread, form: Form = "text") -> int:
    """Let a thread go on where it stopped: interrupted, failed, or at a limit."""
    from messagedb_agent.cli import talking

    return talking.continue_(common, thread, form)


@_command(app, "end", "Talk")
def _end(
    common: Common,
    thread: Thread,
    reason: Annotated[str | None, typer.Option(help="Why it ends.")] = None,
) -> int:
    """End a thread; a later message reopens it."""
    from messagedb_agent.cli import talking

    return talking.end(common, thread, reason)


@_command(app, "show", "Look")
def _show(
    common: Common,
    thread: Thread,
    form: Form = "text",
    full: Annotated[bool, typer.Option("--full", help="Cut nothing short.")] = False,
    view: Annotated[
        Literal["events", "conversation", "state", "usage", "lineage"] | None,
        typer.Option("--as", help="What to show of it; what a person reads where it is left out."),
    ] = None,
    at: Annotated[
        int | None,
        typer.Option(min=0, max=_MAX_POSITION, metavar="POSITION", help="As it was at this event."),
    ] = None,
) -> int:
    """Show a thread."""
    from messagedb_agent.cli import viewing

    return viewing.show(common, thread, viewing.Showing(view, form, full, at))


@_command(app, "list", "Look")
def _list(
    common: Common,
    limit: Annotated[int, typer.Option(min=1, max=_MAX_LISTED, help="How many, at most.")] = 10,
    form: Form = "text",
) -> int:
    """List the threads with the newest events."""
    from messagedb_agent.cli import viewing

    return viewing.list_threads(common, limit, form)


@_command(app, "tail", "Look")
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


@_command(app, "verify", "Look")
def _verify(common: Common, thread: Thread, form: Form = "text") -> int:
    """Check that a thread's log is what was written."""
    from messagedb_agent.cli import verifying

    return verifying.verify(common, thread, form)


@_command(app, "config", "Set up")
def _config(common: Common, form: Form = "text") -> int:
    """Show the settings in force and where each came from."""
    from messagedb_agent.cli import configuring

    return configuring.config(common, form)


app.add_typer(db, name="db", rich_help_panel="Set up")


@_command(db, "status")
def _status(common: Common) -> int:
    """Say where threads are kept and whether that works; starts nothing."""
    from messagedb_agent.cli import operations

    return operations.status(common)


@_command(db, "install")
def _install(common: Common) -> int:
    """Put Message DB into the database that the settings name."""
    from messagedb_agent.cli import operations

    return operations.install(common)


@_command(db, "url")
def _url(common: Common, admin: Admin = False) -> int:
    """Print a URL for any client."""
    from messagedb_agent.cli import operations

    return operations.url(common, admin=admin)


@_command(db, "shell")
def _shell(common: Common, admin: Admin = False) -> int:
    """Open psql on the database."""
    from messagedb_agent.cli import operations

    return operations.shell(common, admin=admin)


@_command(db, "stop")
def _stop(
    common: Common,
    force: Annotated[bool, typer.Option("--force", help="Even while others use it.")] = False,
) -> int:
    """End the embedded server."""
    from messagedb_agent.cli import operations

    return operations.stop(common, force=force)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line.

    Args:
        arguments: what follows the program's name; the process's own by default.

    Returns:
        The exit code, as `--help` lists them.
    """
    gc.set_threshold(_GC_THRESHOLD)
    prepare()
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return guarded(lambda: _run(given))
    finally:
        if arguments is not None:  # else the process ends, and late words of tools go elsewhere
            give_back()


def _run(arguments: list[str]) -> int:
    if _asks_for_version(arguments):
        typer.echo(f"{PROGRAM} {__version__} (to name a version of streams: --version v0)")
        return ExitCode.OK
    command: Any = typer.main.get_command(app)
    try:
        code = command.main(arguments, prog_name=PROGRAM, standalone_mode=False)
    except typer.TyperException as error:
        what = error.format_message().replace("Value error, ", "").rstrip(".")
        note(f"error: {what} ({_hint(error)})")
        return ExitCode.USAGE
    except OSError as error:
        if not (error.filename and "--install-completion" in arguments):
            raise
        note(
            f"error: completion cannot be installed: {error.filename}: {error.strerror}"
            " (--show-completion prints it)"
        )
        return ExitCode.OUTPUT
    return int(code or ExitCode.OK)


def _asks_for_version(arguments: Sequence[str]) -> bool:
    """Say whether `--version` stands without a value."""
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    if "--version" not in options:
        return False
    after = options[options.index("--version") + 1 :]
    return not after or after[0].startswith("-")


def _hint(error: typer.TyperException) -> str:
    """Say what to do about wrong usage."""
    context = getattr(error, "ctx", None)
    see = f"see {context.command_path if context else PROGRAM} --help"
    if getattr(error, "option_name", None) and context and _takes_a_message(context.command):
        return f"{see}; before a message that begins with - put --"
    return see


def _takes_a_message(command: Any) -> bool:
    return any(parameter.name == "message" for parameter in command.params)
