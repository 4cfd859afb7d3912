"""Tables: drawn on a terminal, plain columns in a pipe."""

import sys
from collections.abc import Sequence

from messagedb_agent.cli.terminal import harmless, is_terminal, out

_GAP = "  "


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under headings; each row is one line in a pipe."""
    cells = [[" ".join(cell.split()) for cell in row] for row in rows]
    if is_terminal(sys.stdout):
        _draw(headings, cells)
        return
    widths = [max(map(len, column)) for column in zip(headings, *cells, strict=True)]
    for row in (headings, *cells):
        padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        out(_GAP.join(padded).rstrip())


def _draw(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, overflow="fold" if heading != headings[-1] else "ellipsis")
    for row in rows:
        table.add_row(*(Text(harmless(cell)) for cell in row))
    Console(highlight=False).print(table)
