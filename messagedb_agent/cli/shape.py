"""What commands are made of: groups, the global options, and arguments that several take."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from messagedb_agent.cli.common import group_callback, taking_common
from messagedb_agent.cli.help import PanelCommand, PanelGroup

_MAX_POSITION = 2**63 - 1
_THREAD = typer.Argument(metavar="THREAD", help="Its id, a unique beginning of it, or `last`.")

Thread = Annotated[str, _THREAD]
MaybeThread = Annotated[str | None, _THREAD]
AllThreads = Annotated[bool, typer.Option("--all", help="All threads of the category.")]
Message = Annotated[
    str, typer.Argument(metavar="MESSAGE", help="What you say; `-` reads it from standard input.")
]
Calls = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="CALL", help="Its id, a beginning or an end of it; none where one waits."
    ),
]
All = Annotated[bool, typer.Option("--all", help="All calls of the thread that wait.")]
By = Annotated[str | None, typer.Option(metavar="NAME", help="Who decides, for the log.")]
Yes = Annotated[bool, typer.Option("--yes", help="Approve every tool call that waits for it.")]
Detach = Annotated[bool, typer.Option("--detach", help="Only write it down; a worker answers.")]
Context = Annotated[
    str | None,
    typer.Option(
        metavar="STRATEGY",
        help="What of the conversation the model is shown, from now on: all, last_n:20,"
        " first_last:2,18, token_window:8000, summarize:8000; joined by `|`.",
    ),
]
Types = Annotated[
    str | None,
    typer.Option(metavar="A,B", help="Only messages of these types, with commas between them."),
]
OutputFile = Annotated[
    Path | None,
    typer.Option(
        "--output",
        metavar="FILE",
        help="File with the JSON Schema of the one JSON value that the answer must be; the value"
        " is checked, and printed.",
    ),
]
Definition = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|FILE",
        help="Who the agent is: a saved definition, NAME@N for revision N of it; or a TOML file.",
    ),
]
Template = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="Who the agent is: a template, as `definitions list` has it."
    ),
]
Domain = Annotated[str | None, typer.Option(metavar="TEXT", help="The same as --set domain=TEXT.")]
Values = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="What a variable of a template stands for."),
]
Full = Annotated[bool, typer.Option("--full", help="Cut nothing short.")]
Form = Annotated[Literal["text", "json"], typer.Option("--format", help="How to print.")]


def position(*names: str, help: str) -> Any:  # as typer's own `Option` is typed
    """Return what an option that takes a position is declared by."""
    return typer.Option(*names, min=0, max=_MAX_POSITION, metavar="POSITION", help=help)


def new_group(doc: str, *, epilog: str | None = None) -> typer.Typer:
    """Return a group of commands that takes the global options; without a command, it helps."""
    group = typer.Typer(
        cls=PanelGroup,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        invoke_without_command=True,
        epilog=epilog,
    )
    group.callback()(group_callback(doc))
    return group


def command(
    group: typer.Typer, name: str, panel: str | None = None
) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Put a function into a group as a command, with the global options."""

    def put(function: Callable[..., int]) -> Callable[..., int]:
        group.command(name, cls=PanelCommand, rich_help_panel=panel)(taking_common(function))
        return function

    return put
