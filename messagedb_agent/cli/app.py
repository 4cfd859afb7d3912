"""The command line as a whole: it parses, and calls. What the commands do stands in `commands`.

Nothing that takes long to import is imported before the command that needs it runs.
"""

import gc
import sys
from collections.abc import Sequence
from functools import cache
from typing import Any

import typer

from messagedb_agent import __version__
from messagedb_agent.cli import db, definitions, work
from messagedb_agent.cli.exits import ExitCode
from messagedb_agent.cli.guard import exit_code_of_interrupt, guarded
from messagedb_agent.cli.leaving import leave
from messagedb_agent.cli.streams import give_back, prepare
from messagedb_agent.cli.terminal import note

PROGRAM = "messagedb-agent"
# What is imported stays, more than 50,000 objects: looking through it for garbage every 700 is
# lost time.
GC_THRESHOLD = 200_000

work.group.add_typer(definitions.group, name="definitions", rich_help_panel="Set up")
work.group.add_typer(db.group, name="db", rich_help_panel="Set up")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line.

    Args:
        arguments: what follows the program's name; the process's own by default.

    Returns:
        The exit code, as `--help` lists them.
    """
    gc.set_threshold(GC_THRESHOLD)
    prepare()
    if arguments is None:  # the process ends: what tools still say goes to standard error
        try:
            code: int = guarded(lambda: _run(sys.argv[1:]))
        except KeyboardInterrupt as interrupt:  # once more, while the first one was told
            code = exit_code_of_interrupt(interrupt)
        leave(code)
        return code
    try:
        return guarded(lambda: _run(list(arguments)))
    finally:
        give_back()


def _run(arguments: list[str]) -> int:
    if _asks_for_version(arguments):
        typer.echo(f"{PROGRAM} {__version__} (to name a version of streams: --version v0)")
        return ExitCode.OK
    try:
        code = _program().main(arguments, prog_name=PROGRAM, standalone_mode=False)
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


@cache
def _program() -> Any:  # what typer gives back is not typed as what runs
    """Return all commands as one; to put them together takes longer than most of them run."""
    return typer.main.get_command(work.group)


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
    if context is None or not _takes_a_message(context.command):
        return see
    if getattr(error, "option_name", None):
        return f"{see}; before a message that begins with - put --"
    if getattr(error, "param", None) is None:  # nothing is wrong but that there are more words
        return f'{see}; a message of several words stands in quotes: "..."'
    return see


def _takes_a_message(command: Any) -> bool:
    return any(parameter.name == "message" for parameter in command.params)
