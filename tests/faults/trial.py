"""Running tests on a copy of the package that has a fault."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from tests.faults.catalogue import ROOT
from tests.faults.patching import patched

PATIENCE_S = 300.0
"""How long the tests of one fault may take: a fault that hangs them is not caught."""

_LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "dist", "build")
_FAILED = re.compile(r"^FAILED (.+?)(?: - |$)", re.M)
_SOME_FAILED = 1  # pytest's exit code; the others are errors of collection, usage and the like


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of running some tests.

    Attributes:
        failed: the tests that failed, by their node ids.
        passed: whether all passed.
        elapsed_s: how long it took.
        output: what pytest printed.
    """

    failed: tuple[str, ...]
    passed: bool
    elapsed_s: float
    output: str


@contextmanager
def copied(patch: str | None) -> Iterator[Path]:
    """Copy the package and its tests to a new folder, and apply a patch there.

    Raises:
        DoesNotApply: the patch does not fit.
    """
    with tempfile.TemporaryDirectory(prefix="fault-") as folder:
        root = Path(folder) / "copy"
        shutil.copytree(ROOT, root, ignore=_LEFT_OUT)
        Path(folder).chmod(0o755)  # as root, another account runs the embedded server
        for path, text in (patched(root, patch) if patch else {}).items():
            path.write_text(text)
        yield root


def tried(root: Path, tests: Sequence[str], *, first_only: bool) -> Trial:
    """Run tests in a copy.

    Args:
        root: the copy.
        tests: arguments for pytest.
        first_only: whether the first failure ends it.
    """
    arguments = ["-q", "-p", "no:cacheprovider", "--tb=short", "-rf", *tests]
    if first_only:
        arguments += ["-x", "--numprocesses=0"]
    began = monotonic()
    code, output = _ran([sys.executable, "-m", "pytest", *arguments], root)
    failed = tuple(_FAILED.findall(output)) if code == _SOME_FAILED else ()
    return Trial(failed, code == 0, monotonic() - began, output)


def _ran(command: Sequence[str], root: Path) -> tuple[int | None, str]:
    """Run a program to its end; no exit code where it had to be ended, and all that it started."""
    environment = {**os.environ, "PYTHONPATH": str(root)}
    with subprocess.Popen(
        command,
        cwd=root,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            output, _ = process.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
            return None, output
        return process.returncode, output
