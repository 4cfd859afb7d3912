"""The global options: taken by every command, and before the command's name as well."""

import inspect
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Concatenate, ParamSpec

import typer

from messagedb_agent.cli.guard import guarded
from messagedb_agent.errors import AgentError

P = ParamSpec("P")

PANEL = "Global options, before or after the command"


@dataclass(frozen=True, slots=True)
class Common:
    """What the global options say.

    Attributes:
        config: a file of settings in .env form; None for `./.env` where there is one.
        category: category of the threads' streams, as typed.
        version: version in the streams' names.
        tools: `module[:attribute]` of further tools.
        model: name of the model; None leaves it to the settings.
    """

    config: Path | None = None
    category: str = "agent"
    version: str = "v0"
    tools: tuple[str, ...] = ()
    model: str | None = None

    def with_given(self, given: dict[str, Any]) -> "Common":
        """Return this with what was given later; tools add up."""
        tools = (*self.tools, *(given.get("tools") or ()))
        later = {name: value for name, value in given.items() if value is not None}
        return replace(self, **{**later, "tools": tools})


_OPTIONS: dict[str, Any] = {
    "config": Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Read settings from this .env file.", rich_help_panel=PANEL
        ),
    ],
    "category": Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Category of the streams. [agent]", rich_help_panel=PANEL
        ),
    ],
    "version": Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Version in the streams' names; without a value, the program's. [v0]",
            rich_help_panel=PANEL,
        ),
    ],
    "tools": Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODULE[:NAME]", help="Add tools of a Python module.", rich_help_panel=PANEL
        ),
    ],
    "model": Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Model to use. [MODEL_NAME]", rich_help_panel=PANEL),
    ],
}


def taking_common(function: Callable[Concatenate[Common, P], int]) -> Callable[..., int]:
    """Give a command the global options as its one first argument."""
    signature = inspect.signature(function)
    own = list(signature.parameters.values())[1:]

    def command(ctx: typer.Context, **given: Any) -> int:
        common = _merged(ctx, given, {parameter.name for parameter in own})
        # Here too: typer would end the process on what a broken pipe or Ctrl-C raises.
        return guarded(lambda: _with_remedy(function, common, given))

    return _with_options(command, own, function)


def _with_remedy(function: Callable[..., int], common: Common, given: dict[str, Any]) -> int:
    """Run a command; what its error says to type works where the command was typed."""
    try:
        return function(common, **given)
    except AgentError as error:
        from messagedb_agent.cli.next_steps import with_remedy

        with_remedy(common, error)
        raise


def group_callback(doc: str) -> Callable[..., None]:
    """Return what a group of commands does first: take the global options that stand before.

    Without a command it shows the group's help.
    """

    def callback(ctx: typer.Context, **given: Any) -> None:
        ctx.obj = _merged(ctx, given)
        if ctx.invoked_subcommand is None:
            typer.echo(ctx.get_help())

    callback.__doc__ = doc
    return _with_options(callback, [], callback)


def _merged(ctx: typer.Context, given: dict[str, Any], own: Collection[str] = ()) -> Common:
    """Take the global options out of what was given, but those that a command takes by itself."""
    before = ctx.obj if isinstance(ctx.obj, Common) else Common()
    return before.with_given({name: given.pop(name) for name in _OPTIONS if name not in own})


def _with_options(
    command: Callable[..., Any], own: list[inspect.Parameter], documented: Callable[..., Any]
) -> Callable[..., Any]:
    context = inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    options = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
        for name, annotation in _OPTIONS.items()
        if name not in {parameter.name for parameter in own}
    ]
    parameters = [
        context,
        *(p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own),
        *options,
    ]
    command.__name__ = documented.__name__
    command.__doc__ = documented.__doc__
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # PEP 362 reads it
    return command
