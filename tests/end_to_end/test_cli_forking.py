"""Forks at the command line, and the tree that they make."""

from tests.cli import CommandLine
from tests.end_to_end.test_cli_sessions import started


def test_a_fork_shares_the_past_up_to_a_position_and_is_titled(cli: CommandLine) -> None:
    parent = started(cli)
    cli("message", parent, "Thanks!")
    ended = cli("fork", parent, "--at", "7", "--title", "without thanks")
    fork = ended.out.strip()
    assert ended.code == 0
    assert ended.notes[0] == f"forked from {parent[:6]} at position 7"
    assert ended.notes[-1] == f'next: {cli.line("message", fork[:6])} "..."'
    types = [event["type"] for event in cli("show", fork, "--format", "json").json]
    assert types == ["SessionStarted", "SessionTitled"]
    assert cli("list", "--format", "json").json[0]["title"] == "without thanks"
    assert "You are welcome!" not in cli("show", fork).out
    assert cli("message", fork, "What is 5 + 3?").out == "5 + 3 = 8.\n"
    assert cli("verify", fork).code == 0


def test_a_fork_in_the_middle_of_a_turn_runs_nothing_until_it_is_continued(
    cli: CommandLine,
) -> None:
    parent = started(cli)
    ended = cli("fork", "last", "--at", "4", "--format", "json")
    fork = ended.json["threadId"]
    point = {"threadId": parent, "position": 4}
    assert ended.json == {"threadId": fork, "status": "ready", "forkedFrom": point}
    assert cli.line("continue", fork[:6]) in ended.notes[1]
    assert len(cli("show", fork, "--format", "json").json) == 1
    assert cli("continue", fork).out.startswith("42 * 7: Not run")
    assert cli("verify", fork).code == 0


def test_a_fork_of_what_is_not_there_is_refused_and_writes_nothing(cli: CommandLine) -> None:
    started(cli)
    line = cli.refused("fork", "last", "--at", "8", code=2)
    assert line == "error: 8 is no position of this thread; the last is 7"
    assert cli.refused("fork", "last", "--title", "  ", code=2) == "error: the title is empty"
    assert "no thread" in cli.refused("fork", "nobody", code=3)
    assert len(cli("list", "--format", "json").json) == 1


def test_lineage_is_a_tree_of_ancestors_and_forks(cli: CommandLine) -> None:
    root = started(cli)
    assert "\n\n" not in cli("show", root, "--as", "lineage").out
    late, early = (cli("fork", root, "--at", at, "--title", at).out.strip() for at in ("7", "1"))
    child = cli("fork", early, "--title", "child").out.strip()
    other = started(cli)
    expected = [
        f"{root[:6]}: What is 42 * 7?",
        f"├─ {early[:6]} from 1: 1",
        f"│  └─ * {child[:6]} from 0: child",
        f"└─ {late[:6]} from 7: 7",
    ]
    assert cli("show", child, "--as", "lineage").out.partition("\n\n")[2].splitlines() == expected
    shown = cli("show", root, "--as", "lineage", "--format", "json").json
    assert shown["isWhole"] is True
    parents = {thread["threadId"]: thread["parentId"] for thread in shown["threads"]}
    assert parents == {root: None, late: root, early: root, child: early}
    assert other not in parents


def test_every_view_of_a_fork_can_be_had_as_it_was(cli: CommandLine) -> None:
    root = started(cli)
    fork = cli("fork", root, "--at", "7").out.strip()
    cli("message", fork, "What is 5 + 3?")
    for view in ("events", "conversation", "state", "usage", "lineage", "effects"):
        shown = ("show", fork, "--as", view, "--format", "json")
        assert cli(*shown, "--at", "2").json != cli(*shown).json
        assert cli(*shown, "--at", "7").json == cli(*shown).json
