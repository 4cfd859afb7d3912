"""Workers that all want the same threads: each is in a group of its own, and so gets them all."""

from tests.chaos.at_work import Setting, at_work
from tests.chaos.report import Report
from tests.chaos.server import Server

_WORKERS = 8
_BUSY_MS = 20


async def races(server: Server, *, count: int, seed: int) -> Report:
    """Let eight workers race for `count` threads; nothing is done twice, and nothing in vain.

    Args:
        server: where.
        count: how many threads.
        seed: what is said in them is drawn from.
    """
    again = f"python -m tests.chaos races --races {count} --seed {seed}"
    report = Report("races", seed, again, "threads")
    setting = Setting(threads=count, workers=_WORKERS, busy_ms=_BUSY_MS, rounds=1, rivals=True)
    with report.noting_errors():
        async with at_work(report, server, f"raced{seed}", setting) as work:
            await work.finish()
    report.void_unless("workers that had a part", _WORKERS)
    for wasted in ("LlmCallFailed", "ToolExecutionFailed", "calls taken over"):
        report.require(not report.counts[wasted], f"{report.counts[wasted]} {wasted}")
    return report
