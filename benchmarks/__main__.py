"""Measure, and print one table: `uv run python -m benchmarks [ROW ...]`."""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from statistics import median

from benchmarks import commands
from benchmarks.database import Bench, private_server
from benchmarks.table import Row, conditions, render
from benchmarks.turns import EDGE, Turns, measure

ROWS = ("turns", "help", "list", "start")
MIN_TURNS = 2 * EDGE
FIRST_TIMES = 3


def main(arguments: Sequence[str]) -> None:
    """Measure what is asked for and print it."""
    chosen = _parser().parse_args(arguments)
    print(asyncio.run(_measured(chosen)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of {', '.join(ROWS)}; default all")
    parser.add_argument("--turns", type=int, default=1000, help=f"at least {MIN_TURNS}")
    parser.add_argument("--threads", type=int, default=1000, help="in the store, for `list`")
    parser.add_argument(
        "--events", type=int, default=100_000, help="in the longest thread, for `list`"
    )
    parser.add_argument("--times", type=int, default=7, help="how often each command is run")
    return parser


async def _measured(chosen: argparse.Namespace) -> str:
    wanted = chosen.rows or ROWS
    if unknown := set(wanted) - set(ROWS):
        raise SystemExit(f"unknown rows: {', '.join(sorted(unknown))}; there are {', '.join(ROWS)}")
    rows: list[Row] = []
    async with private_server() as bench:
        where = conditions(bench)
        if "help" in wanted:
            rows.append(_command(bench, chosen.times, "--help", aim="< 200 ms"))
        if "start" in wanted:
            say = ("start", "What is 42 * 7?")
            rows.append(_command(bench, chosen.times, *say, what="start, warm", aim="< 700 ms"))
            first = await commands.took_first(*say, times=FIRST_TIMES)
            rows.append(_row(f"start, the first (median of {FIRST_TIMES})", first, "< 15 s"))
        if "turns" in wanted:
            rows += _turn_rows(await measure(bench, max(chosen.turns, MIN_TURNS), _show_progress))
        if "list" in wanted:
            await commands.fill(bench, chosen.threads)
            what = f"list, {chosen.threads:,} threads"
            rows.append(_command(bench, chosen.times, "list", what=what))
            await commands.lengthen(bench, chosen.events)
            what += f", one of {chosen.events:,} events"
            rows.append(_command(bench, chosen.times, "list", what=what))
    return f"{where}\n\n{render(rows)}"


def _command(bench: Bench, times: int, *arguments: str, what: str = "", aim: str = "") -> Row:
    took = commands.took(bench, *arguments, times=times)
    return _row(f"{what or ' '.join(arguments)} (median of {times})", took, aim)


def _row(name: str, took: commands.Took, aim: str) -> Row:
    return Row(name, f"{took.elapsed_ms:.0f} ms", f"{took.cpu_ms:.0f} ms CPU", aim=aim)


def _turn_rows(turns: Turns) -> list[Row]:
    count = len(turns.engine_ms)
    first, last = slice(EDGE), slice(-EDGE, None)
    begun, ended = median(turns.cpu_ms[first]), median(turns.cpu_ms[last])
    return [
        _turn_row(turns, first, f"a turn, first {EDGE} of {count:,}"),
        _turn_row(turns, last, f"a turn, last {EDGE} of {count:,}"),
        _turn_row(turns, slice(None), f"a turn, all {count:,}"),
        Row("what a turn adds to its writes (median)", f"{turns.added_ms:.1f} ms"),
        Row(
            "own work, last turns beside first (median)",
            f"{ended:.1f} ms CPU",
            f"{begun:.1f} ms CPU",
            f"{ended / begun:.2f}",
            "flat",
        ),
        Row("a bare commit", f"{median(turns.bare_ms) * count / turns.commits:.2f} ms"),
        Row("bytes a turn, with indexes", f"{turns.size_bytes / count:,.0f}", aim="<= 6,000"),
        Row("events a turn", f"{turns.events / count:g}", aim="7"),
        Row("commits a turn", f"{turns.commits / count:g}", aim="4"),
    ]


def _turn_row(turns: Turns, part: slice, what: str) -> Row:
    engine, bare = median(turns.engine_ms[part]), median(turns.bare_ms[part])
    ratio = f"{turns.ratio(part):.2f}"
    return Row(f"{what} (median)", f"{engine:.1f} ms", f"{bare:.1f} ms bare", ratio, "<= 1.60")


def _show_progress(turn: int) -> None:
    if sys.stderr.isatty() and turn % 10 == 0:
        print(f"\rturn {turn}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
