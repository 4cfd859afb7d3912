"""Standard output is for answers, as long as anything else may print."""

import sys

import pytest

from messagedb_agent.cli.streams import give_back, keep_for_answers
from messagedb_agent.cli.terminal import out


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
