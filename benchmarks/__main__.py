"""Measure, and print one table: `uv run python -m benchmarks [ROW ...]`."""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from statistics import median, quantiles

from benchmarks import commands
from benchmarks.backlog import Backlog, Consumed
from benchmarks.backlog import measure as measure_backlog
from benchmarks.database import Bench, private_server
from benchmarks.snapshots import ColdTurn, middle
from benchmarks.snapshots import Measured as Snapshots
from benchmarks.snapshots import measure as measure_snapshots
from benchmarks.table import Row, conditions, load, render
from benchmarks.threads import Threads
from benchmarks.threads import measure as measure_threads
from benchmarks.turns import EDGE, LongThread, Turns
from benchmarks.turns import measure as measure_turns
from benchmarks.wake import Waking
from benchmarks.wake import measure as measure_waking

USUAL = ("turns", "threads", "wake", "help", "list", "start")
ROWS = (*USUAL, "snapshots", "backlog")
MIN_TURNS = 2 * EDGE
FIRST_TIMES = 3


def main(arguments: Sequence[str]) -> None:
    """Measure what is asked for and print it."""
    chosen = _parser().parse_args(arguments)
    print(asyncio.run(_measured(chosen)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "rows", nargs="*", metavar="ROW", help=f"of {', '.join(ROWS)}; default all but the last"
    )
    parser.add_argument("--turns", type=int, default=1000, help=f"at least {MIN_TURNS}")
    parser.add_argument("--far", type=int, default=10_000, help="the turn seen beside turn 20")
    parser.add_argument("--at-once", type=int, default=200, help="threads at work, for `threads`")
    parser.add_argument("--threads", type=int, default=1000, help="in the store, for `list`")
    parser.add_argument(
        "--events",
        type=int,
        help="in the longest thread, for `list` [100000]; in all, for `backlog` [1000000]",
    )
    parser.add_argument("--wakes", type=int, default=1000, help="how often another process writes")
    parser.add_argument("--times", type=int, default=7, help="how often each command is run")
    return parser


async def _measured(chosen: argparse.Namespace) -> str:
    wanted = chosen.rows or USUAL
    if unknown := set(wanted) - set(ROWS):
        raise SystemExit(f"unknown rows: {', '.join(sorted(unknown))}; there are {', '.join(ROWS)}")
    rows: list[Row] = []
    async with private_server() as bench:
        began = load()
        if "help" in wanted:
            rows.append(_command(bench, chosen.times, "--help", aim="< 200 ms"))
        if "start" in wanted:
            say = ("start", "What is 42 * 7?")
            rows.append(_command(bench, chosen.times, *say, what="start, warm", aim="< 700 ms"))
            first = await commands.took_first(*say, times=FIRST_TIMES)
            rows.append(_row(f"start, the first (median of {FIRST_TIMES})", first, "< 15 s"))
        if "turns" in wanted:
            count = max(chosen.turns, MIN_TURNS)
            thread = await measure_turns(bench, count, chosen.far, _show_progress)
            rows += _turn_rows(thread, max(chosen.far, count + EDGE))
        if "threads" in wanted:
            threads = await measure_threads(bench, chosen.at_once, _show_progress)
            rows += _thread_rows(threads, chosen.at_once)
        if "wake" in wanted:
            rows += _wake_rows(await measure_waking(bench, max(chosen.wakes, 2)))
        if "snapshots" in wanted:
            rows += _snapshot_rows(await measure_snapshots(bench, chosen.events or 100_000))
        if "list" in wanted:
            await commands.fill(bench, chosen.threads)
            what = f"list, {chosen.threads:,} threads"
            rows.append(_command(bench, chosen.times, "list", what=what))
            longest = chosen.events or 100_000
            await commands.lengthen(bench, longest)
            what += f", one of {longest:,} events"
            rows.append(_command(bench, chosen.times, "list", what=what))
        if "backlog" in wanted:  # the last: its events are many threads
            rows += _backlog_rows(await measure_backlog(bench, chosen.events or 1_000_000))
        return f"{conditions(bench, began)}\n\n{render(rows)}"


def _backlog_rows(backlog: Backlog) -> list[Row]:
    start_ms, middle_ms, end_ms = backlog.page_ms
    return [
        Row("events, with indexes", f"{backlog.events:,}", f"{backlog.mean_bytes:,.0f} bytes each"),
        _consumed_row("read by a bare loop, a second", backlog.bare),
        _consumed_row("at least once, a second", backlog.at_least_once, backlog.bare, ">= 40,000"),
        _consumed_row("exactly once, a second", backlog.exactly_once, backlog.bare),
        _consumed_row("the same, a row written for each", backlog.exactly_once_written),
        Row(
            "first message in hand, resumed in the middle (median)",
            f"{backlog.resumed_ms:.1f} ms",
            f"{backlog.begun_ms:.1f} ms at the start",
        ),
        Row(
            "1,000 messages read in the middle (median)",
            f"{middle_ms:.1f} ms",
            f"{start_ms:.1f} at the start, {end_ms:.1f} at the end",
        ),
        Row("how the server finds them", backlog.scan),
    ]


def _consumed_row(what: str, took: Consumed, beside: Consumed | None = None, aim: str = "") -> Row:
    cpu_us = f"{took.cpu_s * 1e6 / took.count:.1f} us CPU each"
    ratio = f"{took.per_s / beside.per_s:.2f}" if beside else ""
    return Row(what, f"{took.per_s:,.0f}", cpu_us, ratio, aim)


def _snapshot_rows(measured: Snapshots) -> list[Row]:
    what = f"the next turn of {measured.events:,} events elsewhere"
    behind, late = middle(measured.behind), middle(measured.late)
    without, aim = measured.without, "< 200 ms"
    sizes = f"{measured.size_bytes:,}", f"{measured.next_bytes:,} next"
    return [
        _cold_row(f"{what} (median of {len(measured.behind)})", behind, aim),
        _cold_row(f"the same, {measured.late_events} events behind the snapshot", late, aim),
        _cold_row("the same, without one (once)", without),
        Row("writing it, beside the work", f"{measured.first_ms:.0f} ms"),
        Row("writing the next one", f"{measured.next_ms:.0f} ms"),
        Row("bytes of the first snapshot, and of the next", *sizes),
    ]


def _cold_row(what: str, turn: ColdTurn, aim: str = "") -> Row:
    return Row(what, f"{turn.elapsed_ms:,.0f} ms", f"{turn.cpu_ms:,.0f} ms CPU", aim=aim)


def _wake_rows(waking: Waking) -> list[Row]:
    count = len(waking.from_append_ms)
    return [
        _wake_row(f"from append to a handler elsewhere, {count:,} times", waking.from_append_ms),
        _wake_row("the same from the writer's answer on", waking.from_commit_ms),
        Row("the reader's own work for each", f"{waking.reader_cpu_ms:.2f} ms CPU"),
    ]


def _wake_row(what: str, took_ms: Sequence[float]) -> Row:
    p99 = quantiles(took_ms, n=100)[98]
    figure = f"{median(took_ms):.1f} ms"
    return Row(f"{what} (median)", figure, f"{p99:.1f} ms p99", aim="<= 3, <= 20")


def _command(bench: Bench, times: int, *arguments: str, what: str = "", aim: str = "") -> Row:
    took = commands.took(bench, *arguments, times=times)
    return _row(f"{what or ' '.join(arguments)} (median of {times})", took, aim)


def _row(name: str, took: commands.Took, aim: str) -> Row:
    return Row(name, f"{took.elapsed_ms:.0f} ms", f"{took.cpu_ms:.0f} ms CPU", aim=aim)


def _turn_rows(thread: LongThread, far: int) -> list[Row]:
    turns = thread.turns
    count = len(turns.engine_ms)
    first, last = slice(EDGE), slice(-EDGE, None)
    begun, ended = median(turns.cpu_ms[first]), median(thread.far.cpu_ms)
    return [
        _turn_row(turns, first, f"a turn, first {EDGE} of {count:,}"),
        _turn_row(turns, last, f"a turn, last {EDGE} of {count:,}"),
        _turn_row(turns, slice(None), f"a turn, all {count:,}"),
        _turn_row(thread.far, slice(None), f"a turn, the {far:,}th and {EDGE - 1} before it"),
        Row("what a turn adds to its writes (median)", f"{turns.added_ms:.1f} ms"),
        Row(
            f"own work, turn {far:,} beside turn {EDGE}",
            f"{ended:.1f} ms CPU",
            f"{begun:.1f} ms CPU",
            f"{ended / begun:.2f}",
            "<= 1.10",
        ),
        Row("a bare commit", f"{median(turns.bare_ms) * count / turns.commits:.2f} ms"),
        Row("bytes a turn, with indexes", f"{thread.size_bytes / count:,.0f}", aim="<= 6,000"),
        Row("events a turn", f"{turns.events / count:g}", aim="7"),
        Row("commits a turn", f"{turns.commits / count:g}", aim="4"),
    ]


def _turn_row(turns: Turns, part: slice, what: str) -> Row:
    engine, bare = median(turns.engine_ms[part]), median(turns.bare_ms[part])
    ratio = f"{turns.ratio(part):.2f}"
    return Row(f"{what} (median)", f"{engine:.1f} ms", f"{bare:.1f} ms bare", ratio, "<= 1.60")


def _thread_rows(threads: Threads, count: int) -> list[Row]:
    reached, bare = median(threads.turns_per_s), median(threads.bare_per_s)
    return [
        Row(
            f"{count} threads at once, turns a second",
            f"{reached:,.0f}",
            f"{bare:,.0f} bare",
            f"{threads.ratio:.2f}",
            ">= 2.50",
        ),
        Row("the same, bare by group commit", f"{median(threads.group_per_s):,.0f}"),
        Row(
            "own work of 1,000 of their turns", f"{median(threads.cpu_ms):.2f} s CPU", aim="<= 0.35"
        ),
        Row(
            "the same, garbage looked for rarely",
            f"{median(threads.rare_cpu_ms):.2f} s CPU",
            aim="<= 0.35",
        ),
    ]


def _show_progress(turn: int) -> None:
    if sys.stderr.isatty() and turn % 10 == 0:
        print(f"\rturn {turn}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
