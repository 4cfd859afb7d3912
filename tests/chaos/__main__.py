"""Run one kind of faults on demand: `python -m tests.chaos cuts --cuts 20000`."""

import argparse
import asyncio
import secrets
import sys

from tests.chaos.kinds import KINDS
from tests.chaos.server import a_server


def main() -> None:
    """Run what is asked for, print what came of it, and end with 1 where something is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    kinds = parser.add_subparsers(dest="kind", required=True)
    for kind, (run, count) in KINDS.items():
        one = kinds.add_parser(kind, help=run.__doc__)
        one.add_argument(f"--{kind}", dest="count", type=int, default=count)
        one.add_argument("--seed", type=int, default=secrets.randbelow(2**31))
    chosen = parser.parse_args()
    run, _ = KINDS[chosen.kind]
    with a_server() as server:
        report = asyncio.run(run(server, count=chosen.count, seed=chosen.seed))
    print(report.text)
    sys.exit(1 if report.violations else 0)


if __name__ == "__main__":
    main()
