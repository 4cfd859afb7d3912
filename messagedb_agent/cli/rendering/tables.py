"""Tables: drawn on a terminal, plain columns in a pipe."""

from collections.abc import Sequence

from messagedb_agent.cli.streams import answers
from messagedb_agent.cli.terminal import is_terminal, one_line, write

_GAP = "  "
_SHORT = 16  # characters that stay on one line, however narrow the terminal is


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under headings, harmless wherever they go; each row is one line in a pipe."""
    cells = [[one_line(cell) for cell in row] for row in rows]
    if is_terminal(answers()):
        _draw(headings, cells)
        return
    widths = [max(map(len, column)) for column in zip(headings, *cells, strict=True)]
    for row in (headings, *cells):
        padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        write(_GAP.join(padded).rstrip())


def _draw(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading, *column in zip(headings, *rows, strict=True):
        widest = max(map(len, (heading, *column)))
        is_last = heading == headings[-1]
        table.add_column(
            heading,
            overflow="ellipsis" if is_last else "fold",
            width=widest if widest <= _SHORT and not is_last else None,
        )
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console(file=answers(), highlight=False).print(table)
