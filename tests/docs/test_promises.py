"""The README promises what runs of faults count, word for word, and names what runs them."""

import re
import runpy
import sys

import pytest

from tests.chaos.kinds import KINDS
from tests.docs.blocks import ROOT
from tests.promises import PROMISES

_SECTION = re.search(
    r"^## What is promised\n(.*?)^## ", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL
)
SECTION = _SECTION[1] if _SECTION else ""


def test_the_promises_are_those_that_runs_of_faults_count() -> None:
    rows = re.findall(r"^\| ([^|]+?)\. \| [^|]*\d[^|]* \| `[^|]+ \|$", SECTION, re.MULTILINE)
    assert rows == [*PROMISES]


def test_every_kind_of_faults_is_named() -> None:
    assert set(re.findall(r"tests\.chaos (\w+)", SECTION)) == set(KINDS)


@pytest.mark.parametrize("command", sorted(set(re.findall(r"`uv run python -m (.+?)`", SECTION))))
def test_a_command_that_measures_is_understood(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module, *words = command.split()
    kinds = [word for word in words if word in KINDS]
    monkeypatch.setattr(sys, "argv", [module, *kinds, "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module(module, run_name="__main__", alter_sys=False)
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert all(word in said for word in words if word.startswith("--"))
