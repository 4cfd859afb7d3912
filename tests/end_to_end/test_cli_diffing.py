"""Two threads, or two positions of one, beside each other."""

import pytest

from tests.cli import CommandLine
from tests.end_to_end.test_cli_sessions import started


@pytest.fixture(autouse=True)
def _width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")


def forked(cli: CommandLine, parent: str, at: int, message: str) -> str:
    fork = cli("fork", parent, "--at", str(at)).out.strip()
    assert cli("message", fork, message).code == 0
    return fork


def test_a_fork_and_its_parent_have_a_common_history_which_is_said_in_one_line(
    cli: CommandLine,
) -> None:
    parent = started(cli)
    fork = forked(cli, parent, 7, "Thanks!")
    cli("message", parent, "What is 5 + 3?")
    ended = cli("diff", parent, fork)
    assert ended.code == 1
    lines = ended.out.splitlines()
    assert lines[0].split("|") == [f"{parent[:6]} at 14".ljust(59), f" {fork[:6]} at 3"]
    assert cli("diff", fork).out == ended.out, "a fork alone is compared with its parent"
    assert lines[1] == f"common history: 8 events, up to {parent}/7"
    assert not any("What is 42" in line for line in lines), "far from any difference"
    answers = [line for line in lines if "5 + 3 = 8." in line and line.startswith("assistant")]
    assert answers == [f"{'assistant: 5 + 3 = 8.':58} <"]
    assert any(line.endswith("| user: Thanks!") for line in lines)


def test_narrow_or_in_full_one_stands_below_the_other(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = started(cli, "Thanks!"), started(cli, f"Hello! {'x' * 200}")
    assert "- user: Thanks!" not in cli("diff", one, other).out.splitlines()
    assert "- user: Thanks!" in cli("diff", one, other, "--full").out.splitlines()
    monkeypatch.setenv("COLUMNS", "80")
    lines = cli("diff", one, other).out.splitlines()
    assert "- user: Thanks!" in lines
    assert lines[:2] == [f"- {one[:6]} at 3", f"+ {other[:6]} at 3"]
    assert lines[2] == "no common history"
    assert f"+ user: Hello! {'x' * 200}" in lines


def test_what_says_the_same_is_equal_whatever_its_ids(cli: CommandLine) -> None:
    one, other = started(cli), started(cli)
    ended = cli("diff", one, other)
    assert (ended.code, ended.out.splitlines()[-1]) == (0, "no difference")
    assert cli("diff", one, one).code == 0
    assert cli("diff", f"{one}@5", f"{other}@5").code == 0
    assert cli("diff", f"{one}@5", f"{other}@6").code == 1


def test_positions_of_one_thread_are_compared(cli: CommandLine) -> None:
    thread = started(cli)
    by_option = cli("diff", "last", "--at", "3", "--at", "5")
    assert by_option.code == 1
    assert "common history: 4 events" in by_option.out
    assert cli("diff", f"{thread}@3", f"{thread}@5").out == by_option.out
    assert cli("diff", "last@3", "--at", "5").out == by_option.out
    assert cli("diff", "last", "--at", "3").out == cli("diff", "last@3", "last@7").out


def test_a_difference_in_json_has_both_sides(cli: CommandLine) -> None:
    parent = started(cli)
    fork = forked(cli, parent, 7, "Thanks!")
    found = cli("diff", parent, fork, "--format", "json")
    assert found.code == 1
    value = found.json
    assert value["equal"] is False
    assert value["a"] == {"threadId": parent, "position": 7}
    assert value["b"] == {"threadId": fork, "position": 3}
    assert (value["common"]["events"], value["common"]["position"]) == (8, 7)
    first = value["events"][0]
    assert (first["a"], first["b"]["type"]) == (None, "SessionStarted")
    assert [pair["same"] for pair in value["conversation"]] == [True] * 4 + [False] * 2
    assert [pair["same"] for pair in value["toolCalls"]] == [True]
    assert value["usage"]["b"]["modelCalls"] == value["usage"]["a"]["modelCalls"] + 1
    assert cli("diff", fork, fork, "--format", "json").json["equal"] is True


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["last"], 2, "no fork: give a second thread"),
        (["last", "last", "--at", "1"], 2, "THREAD@N"),
        (["last", "--at", "1", "--at", "2", "--at", "3"], 2, "one or two positions"),
        (["last@x", "last"], 2, "'x' is no position"),
        (["last@", "last"], 2, "'' is no position"),
        (["last@8", "last"], 2, "8 is no position"),
        (["last", "--at", "8"], 2, "8 is no position"),
        (["nobody", "last"], 3, "nobody"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    cli: CommandLine, arguments: list[str], code: int, told: str
) -> None:
    started(cli)
    assert told in cli.refused("diff", *arguments, code=code)
