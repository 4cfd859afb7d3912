"""Standard output is for answers, as long as anything else may print."""

import sys
from pathlib import Path

import pytest

from messagedb_agent.cli.exits import ExitCode
from messagedb_agent.cli.guard import guarded
from messagedb_agent.cli.streams import give_back, keep_for_answers
from messagedb_agent.cli.terminal import note, out


def test_what_others_print_goes_to_standard_error_until_it_is_given_back(
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = sys.stdout
    keep_for_answers()
    keep_for_answers()  # a second time changes nothing
    try:
        print("noise")
        out("answer")
    finally:
        give_back()
    assert sys.stdout is before
    print("later")
    give_back()
    assert capsys.readouterr() == ("answer\nlater\n", "noise\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
def test_what_was_lost_before_a_note_is_told_at_the_end_and_only_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def command() -> int:
        out("x" * 6_000)  # held back as text, and more than is held back as bytes
        note("that is all")
        return ExitCode.OK

    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert guarded(command) == ExitCode.OUTPUT
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "that is all"
    assert said[1].startswith("error: standard output cannot be written to: ")
    monkeypatch.undo()
    assert guarded(command) == ExitCode.OK
