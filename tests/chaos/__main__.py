"""Run one kind of faults on demand: `python -m tests.chaos cuts --cuts 20000`."""

import argparse
import asyncio
import secrets
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from tests.chaos.cancels import cancels
from tests.chaos.cuts import cuts
from tests.chaos.kills import kills
from tests.chaos.outages import outages
from tests.chaos.pauses import pauses
from tests.chaos.races import races
from tests.chaos.report import Report
from tests.chaos.server import a_server

_RUNS: dict[str, tuple[Callable[..., Coroutine[Any, Any, Report]], int]] = {
    "cancels": (cancels, 1_000),
    "cuts": (cuts, 500),
    "kills": (kills, 300),
    "outages": (outages, 9),
    "pauses": (pauses, 20),
    "races": (races, 200),
}
"""Each kind of faults, and how many a build tries; a kind is also the name of its option."""


def main() -> None:
    """Run what is asked for, print what came of it, and end with 1 where something is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    kinds = parser.add_subparsers(dest="kind", required=True)
    for kind, (run, count) in _RUNS.items():
        one = kinds.add_parser(kind, help=run.__doc__)
        one.add_argument(f"--{kind}", dest="count", type=int, default=count)
        one.add_argument("--seed", type=int, default=secrets.randbelow(2**31))
    chosen = parser.parse_args()
    run, _ = _RUNS[chosen.kind]
    with a_server() as server:
        report = asyncio.run(run(server, count=chosen.count, seed=chosen.seed))
    print(report.text)
    sys.exit(1 if report.violations else 0)


if __name__ == "__main__":
    main()
