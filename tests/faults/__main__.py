"""Shows that the suite catches each known fault: `python -m tests.faults [NAME ...]`."""

import argparse
import sys
from collections.abc import Sequence

from tests.faults.catalogue import Fault, faults
from tests.faults.patching import DoesNotApply
from tests.faults.trial import Trial, copied, tried


def main(arguments: Sequence[str]) -> int:
    """Try faults; 1 where one is not caught or does not apply, or where a test fails anyway."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="of faults; default all")
    parser.add_argument("--show", action="store_true", help="show what pytest printed")
    given = parser.parse_args(arguments)
    known = {fault.name: fault for fault in faults()}
    if unknown := set(given.names) - set(known):
        parser.error(f"unknown faults: {', '.join(sorted(unknown))}")
    chosen = [known[name] for name in given.names] or list(known.values())
    is_sound = _control(chosen)
    missed = [fault.name for fault in chosen if not _is_caught(fault, show=given.show)]
    print(f"\n{len(chosen) - len(missed)} of {len(chosen)} faults are caught")
    if missed:
        print(f"not caught: {', '.join(missed)}")
    return 0 if is_sound and not missed else 1


def _control(chosen: Sequence[Fault]) -> bool:
    """Run all tests that are named, without any fault: what fails here catches nothing."""
    tests = dict.fromkeys(test for fault in chosen for test in fault.tests)
    with copied(None) as root:
        trial = tried(root, tuple(tests), first_only=False)
    verdict = "pass" if trial.passed else f"FAIL:\n{trial.output}"
    print(f"without a fault, in {trial.elapsed_s:.0f} s: the tests {verdict}\n", flush=True)
    return trial.passed


def _is_caught(fault: Fault, *, show: bool) -> bool:
    try:
        with copied(fault.patch.read_text()) as root:
            trial = tried(root, fault.tests, first_only=True)
    except DoesNotApply as error:
        print(f"{fault.name:36}  DOES NOT APPLY: {error}", flush=True)
        return False
    print(f"{fault.name:36}  {_verdict(trial)}  {trial.elapsed_s:.0f} s", flush=True)
    if show or not (trial.failed or trial.passed):
        print(trial.output)
    return bool(trial.failed)


def _verdict(trial: Trial) -> str:
    if trial.failed:
        return trial.failed[0]
    return "NOT CAUGHT" if trial.passed else "NO TEST FAILED, nor did all pass"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
