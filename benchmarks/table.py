"""One table of what was measured, and under what conditions."""

import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from datetime import UTC, datetime

from benchmarks.database import Bench
from messagedb_agent import __version__


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table.

    Attributes:
        what: what was measured.
        measured: the figure with its unit.
        beside: the figure it is to be seen beside.
        ratio: how many times as much that is.
        aim: what it should be.
    """

    what: str
    measured: str
    beside: str = ""
    ratio: str = ""
    aim: str = ""


_HEAD = Row("what", "measured", "beside", "ratio", "aim")


def load() -> str:
    """Return how many processes wanted a core in the last minute."""
    return f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"


def conditions(bench: Bench, began: str) -> str:
    """Say where and how it was measured.

    Args:
        bench: the server.
        began: the load when it began.
    """
    return (
        f"messagedb-agent {__version__}, {datetime.now(UTC):%Y-%m-%d}, "
        f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, "
        f"{os.cpu_count()} cores (load {began} before, {load()} after)\n"
        f"PostgreSQL {bench.version} (fsync, synchronous_commit: {bench.fsync}), unix socket"
    )


def render(rows: Iterable[Row]) -> str:
    """Return the table as text: what it is about left, figures right."""
    lines = [astuple(row) for row in (_HEAD, *rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    rule = ["-" * width for width in widths]
    return "\n".join(_line(cells, widths) for cells in (lines[0], rule, *lines[1:]))


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = zip(cells, widths, strict=True)
    return "  ".join((f"{first[0]:<{first[1]}}", *(f"{c:>{w}}" for c, w in others))).rstrip()
