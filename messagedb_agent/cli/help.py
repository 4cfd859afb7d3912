"""Help in panels, drawn here: importing what usually draws them takes longer than all the rest."""

import re
import sys
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

Row = tuple[str, str]

_WIDEST = 100
_NARROWEST = 60
_BOXES = {True: ("╭", "─", "╮", "│", "╰", "╯"), False: ("+", "-", "+", "|", "+", "+")}
_WIDEST_NAME = 26
_USUAL = ("Arguments", "Options")
_NO_BOUND = re.compile(rf"(\d+)<=x<={2**63 - 1}\b")  # what a bigint holds is no bound to a reader


class PanelCommand(TyperCommand):
    """A command whose help is drawn in panels."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the parts of the usage line; what must be given stands there as it is."""
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help."""
        formatter.write(_page(ctx, _parameter_panels(self, ctx)))


class PanelGroup(TyperGroup):
    """A group of commands whose help is drawn in panels."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help."""
        panels = _command_panels(self, ctx) | _parameter_panels(self, ctx)
        formatter.write(_page(ctx, panels))


def _parameter_panels(command: Any, ctx: typer.Context) -> dict[str, list[Row]]:
    panels: dict[str, list[Row]] = {}
    for parameter in command.get_params(ctx):
        record = parameter.get_help_record(ctx)
        if record is None:
            continue
        usual = _USUAL[parameter.param_type_name != "argument"]
        panel = getattr(parameter, "rich_help_panel", None) or usual
        names, text = record
        panels.setdefault(panel, []).append((names, _NO_BOUND.sub(r"x>=\1", text)))
    return {title: panels[title] for title in sorted(panels, key=_is_of_all)}


def _is_of_all(panel: str) -> bool:
    """Say whether a panel is about more than the command itself; such panels come last."""
    return panel not in _USUAL


def _command_panels(group: TyperGroup, ctx: typer.Context) -> dict[str, list[Row]]:
    panels: dict[str, list[Row]] = {}
    for name, command in group.commands.items():
        panel = getattr(command, "rich_help_panel", None) or "Commands"
        panels.setdefault(panel, []).append((name, command.get_short_help_str(limit=200)))
    return panels


def _page(ctx: typer.Context, panels: dict[str, list[Row]]) -> str:
    width = max(_NARROWEST, min(_WIDEST, typer.get_terminal_size().columns))
    text = [" " + ctx.command.get_usage(ctx), ""]
    for paragraph in (ctx.command.help or "").split("\n\n"):
        text += textwrap.wrap(paragraph, width - 1, initial_indent=" ", subsequent_indent=" ")
        text.append("")
    for title, rows in panels.items():
        text += _panel(title, rows, width)
    if ctx.command.epilog:
        rows = [_row(line) for line in ctx.command.epilog.splitlines()]
        text += _panel("Exit codes", rows, width)
    return "\n".join(text) + "\n"


def _row(line: str) -> Row:
    name, _, meaning = line.partition("\t")
    return name, meaning


def _panel(title: str, rows: Sequence[Row], width: int) -> Iterable[str]:
    left, line, right, side, low_left, low_right = _BOXES[_can_draw()]
    inner = width - 4
    column = max((len(name) for name, _ in rows if len(name) <= _WIDEST_NAME), default=0)
    yield f"{left}{line} {title} ".ljust(width - 1, line) + right
    for name, meaning in rows:
        wrapped = textwrap.wrap(meaning, inner - column - 2) or [""]
        if len(name) > column:
            yield from (f"{side} {part.ljust(inner)} {side}" for part in _broken(name, inner))
            name = ""
        for index, part in enumerate(wrapped):
            first = (name if index == 0 else "").ljust(column)
            yield f"{side} {f'{first}  {part}'.ljust(inner)} {side}"
    yield low_left + line * (width - 2) + low_right


def _broken(name: str, width: int) -> Sequence[str]:
    """Return an option and what it takes, as lines; broken behind one of the words it may be."""
    if len(name) <= width:
        return (name,)
    cut = name.rfind("|", 0, width) + 1 or width
    return (name[:cut], *_broken(f"  {name[cut:]}", width))


def _can_draw() -> bool:
    """Say whether standard output can show the lines of a box."""
    try:
        "╭│╯".encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
