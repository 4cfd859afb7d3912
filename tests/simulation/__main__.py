"""Runs the simulator: `python -m tests.simulation --seeds 10000`."""

import argparse
import sys

from tests.simulation.exploring import (
    Tally,
    explore,
    paired_crashes,
    seeds,
    single_crashes,
    workers,
)
from tests.simulation.faults import Fault
from tests.simulation.running import Run, run, run_seed
from tests.simulation.scenarios import SCENARIOS


def main() -> int:
    """Run what the command line asks for; 1 where something is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, metavar="N", help="run N seeds")
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first of them")
    parser.add_argument("--seed", type=int, metavar="K", help="run one seed and show its log")
    parser.add_argument("--schedule", help="run faults such as crash@12,lose@3:0.5, or `none`")
    parser.add_argument("--crashes", action="store_true", help="crash at every await")
    parser.add_argument("--every-step", action="store_true", help="of crashes, leave out none")
    parser.add_argument("--pairs", action="store_true", help="crash twice, at every pair of awaits")
    parser.add_argument("--every", type=int, default=1, help="of pairs, every so manieth first")
    parser.add_argument("--scenario", choices=sorted(SCENARIOS), help="take this scenario alone")
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    if given.seed is not None:
        return _shown(run_seed(given.seed, given.scenario))
    if given.schedule is not None:
        if given.scenario is None:
            parser.error("--schedule needs a --scenario")
        faults = [] if given.schedule == "none" else given.schedule.split(",")
        return _shown(run(SCENARIOS[given.scenario], tuple(map(Fault.parse, faults))))
    names = [given.scenario] if given.scenario else sorted(SCENARIOS)
    work = [
        job
        for name in names
        if given.crashes
        for job in single_crashes(name, every_step=given.every_step)
    ]
    if given.pairs:
        work += [job for name in names for job in paired_crashes(name, every=given.every)]
    if given.seeds:
        work += seeds(given.first, given.seeds, given.scenario)
    if not work:
        parser.error("say --seeds, --seed, --schedule, --crashes or --pairs")
    with workers(given.processes) as pool:
        tally = explore(work, pool, _tell)
    print(tally)
    return 1 if tally.failures else 0


def _tell(tally: Tally) -> None:
    print(f"\r{tally.runs} runs, {tally.failures} failed ", end="", file=sys.stderr, flush=True)


def _shown(done: Run) -> int:
    print(*done.trace, sep="\n")
    if done.missed:
        print(f"never happened: {', '.join(done.missed)}")
    print(done if done.wrong else f"{done.scenario}: nothing is wrong")
    return 1 if done.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
