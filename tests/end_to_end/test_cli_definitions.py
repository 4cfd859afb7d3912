"""`definitions`, and threads that begin with one: by name, by file, by template."""

from pathlib import Path

import pytest

from tests.cli import CommandLine

CLERK = """
role = "A clerk."
goal = "Sell stamps."
tools = ["calculate"]

[limits]
calls_per_turn = 7
"""
MINE = """
description = "Sells things."
role = "A clerk who sells {{goods}}."

[variables]
goods = "what is sold"
"""


@pytest.fixture
def clerk(tmp_path: Path) -> str:
    file = tmp_path / "clerk.toml"
    file.write_text(CLERK, encoding="utf-8")
    return str(file)


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    folder = tmp_path / "templates"
    folder.mkdir()
    (folder / "mine.toml").write_text(MINE, encoding="utf-8")
    return folder


def started(cli: CommandLine, thread: str) -> list[dict[str, object]]:
    """Return the definitions that a thread has recorded."""
    events = cli("show", thread, "--as", "events", "--format", "json").json
    return [event["data"]["definition"] for event in events if "definition" in event["data"]]


def test_a_definition_is_saved_shown_and_listed_revision_by_revision(
    cli: CommandLine, clerk: str
) -> None:
    saved = cli("definitions", "save", "clerk", "--definition", clerk, "--by", "ada")
    assert (saved.code, saved.out) == (0, "clerk@0\n")
    typed = cli.line("start", "--definition", "clerk")
    assert saved.notes[-1] == f'begin a thread: {typed} "..."'
    again = cli("definitions", "save", "clerk", "--definition", clerk)
    assert (again.code, again.out) == (0, "clerk@0\n")
    assert "nothing is changed: revision 0 says the same" in again.notes
    cli("definitions", "save", "clerk", "--template", "assistant", "--follows", "0")
    shown = cli("definitions", "show", "clerk@0")
    assert shown.out == "# Role\n\nA clerk.\n\n# Goal\n\nSell stamps.\n"
    assert shown.notes[-1].startswith("clerk, revision 0, 20")
    assert shown.notes[-1].endswith(", by ada")
    assert cli("definitions", "show", "clerk").out.startswith("# Role\n\nA helpful assistant.")
    listed = cli("definitions", "revisions", "clerk").out.splitlines()
    assert [line.split()[0] for line in listed] == ["revision", "0", "1"]
    assert listed[1].endswith("role, goal, tools, limits")
    assert cli("definitions", "list").out.splitlines()[1].split() == [
        *("clerk", "revision", "1", "A", "helpful", "assistant.")
    ]


def test_definitions_are_printed_for_programs(cli: CommandLine, clerk: str) -> None:
    saved = cli("definitions", "save", "clerk", "--definition", clerk, "--format", "json").json
    assert saved.keys() == {
        *("name", "revision", "streamName", "eventId", "savedAt", "by", "definition"),
        "systemPrompt",
    }
    assert saved["definition"] == {
        "role": "A clerk.",
        "goal": "Sell stamps.",
        "tools": ["calculate"],
        "limits": {"callsPerTurn": 7},
    }
    assert cli("definitions", "show", "clerk", "--format", "json").json == saved
    assert cli("definitions", "revisions", "clerk", "--format", "json").json == [saved]
    listed = cli("definitions", "list", "--format", "json").json
    assert listed["definitions"] == [saved]
    names = [template["name"] for template in listed["templates"]]
    assert names == ["assistant", "property-manager", "rag-assistant"]
    shown = cli("definitions", "show", clerk, "--format", "json").json
    assert shown == {key: saved[key] for key in ("definition", "systemPrompt")}


def test_a_thread_says_which_revision_it_ran(cli: CommandLine, clerk: str) -> None:
    cli("definitions", "save", "clerk", "--definition", clerk)
    saved = cli("definitions", "show", "clerk", "--format", "json").json
    turn = cli("start", "--definition", "clerk", "--format", "json", "hello").json
    cli("definitions", "save", "clerk", "--template", "assistant")
    cli("message", "--definition", "clerk@1", turn["threadId"], "again")
    first, second = started(cli, turn["threadId"])
    place = {"streamName": saved["streamName"], "position": 0, "eventId": saved["eventId"]}
    assert first["revision"] in (place, {k: v for k, v in place.items() if k != "position"})
    assert first["systemPrompt"] == saved["systemPrompt"]
    assert (first["name"], first["toolNames"]) == ("clerk", ["calculate"])
    assert first["limits"] == {"callsPerTurn": 7}
    assert second["revision"]["position"] == 1  # type: ignore[index]  # JSON
    assert "toolNames" not in second
    text = cli("show", turn["threadId"]).out
    assert "[definition: clerk, revision 0]" in text
    assert "definition clerk, revision 1]" in text
    assert cli("verify", turn["threadId"]).out.rstrip().endswith(", 2 definitions")
    verified = cli("verify", turn["threadId"], "--format", "json").json
    assert verified["definitions"] == {"same": 2, "absent": []}
    assert cli("verify", "--all").code == 0


def test_a_thread_begins_with_a_file_or_with_a_template(
    cli: CommandLine, clerk: str, mine: Path
) -> None:
    cli.set(TEMPLATES=str(mine))
    for options, role in (
        (("--definition", clerk), "A clerk."),
        (("--template", "mine", "--set", "goods=old stamps"), "A clerk who sells old stamps."),
        (("--template", "rag-assistant", "--domain", "stamps"), "questions about stamps from"),
        (("--definition", str(mine / "mine.toml"), "--set", "goods=tea"), "who sells tea."),
    ):
        turn = cli("start", *options, "--detach", "--format", "json", "hello").json
        (definition,) = started(cli, turn["threadId"])
        assert role in str(definition["systemPrompt"])
        assert "revision" not in definition


def test_the_model_is_the_settings_then_the_definitions(cli: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "clerk.toml"
    file.write_text('role = "A clerk."\nmodel = "offline"\n[limits]\nrounds_per_turn = 3\n')
    turn = cli("start", "--definition", str(file), "hello")
    assert turn.code == 0
    assert not any("no model is set" in line for line in turn.notes)
    (definition,) = started(cli, "last")
    assert definition["model"] == "offline"
    assert definition["limits"] == {"callsPerTurn": 100, "roundsPerTurn": 3}
    file.write_text('role = "A clerk."\nmodel = "openai/gpt-5"\n')
    lacking = cli("start", "--definition", str(file), "hello")
    assert lacking.code == 4
    assert "OPENAI_API_KEY" in lacking.notes[-1]
    assert cli("start", "--definition", str(file), "--model", "offline", "hello").code == 0
    assert len(cli("list", "--format", "json").json) == 2


def test_a_chat_begins_with_a_definition_and_takes_none_in_a_thread(
    cli: CommandLine, clerk: str
) -> None:
    assert cli("chat", "--definition", clerk, stdin=b"hello\nagain\n").code == 0
    assert [one["systemPrompt"] for one in started(cli, "last")] == [
        "# Role\n\nA clerk.\n\n# Goal\n\nSell stamps."
    ]
    assert cli("chat", "last", "--definition", clerk).code == 2


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("start", "--definition", "none", "hi"), 3, "no definition 'none'; see: "),
        (("start", "--definition", "none@2", "hi"), 3, "'none/2'"),
        (("start", "--definition", "none.toml", "hi"), 2, "none.toml: it cannot be read"),
        (("start", "--definition", "two words", "hi"), 2, "definition 'two words' is not 1 to"),
        (("start", "--template", "none", "hi"), 3, "no template 'none'; see: "),
        (("start", "--template", "rag-assistant", "hi"), 2, "rag-assistant needs domain: what"),
        (("start", "--template", "assistant", "--domain", "x", "hi"), 2, "no variable 'domain'"),
        (("start", "--template", "assistant", "--definition", "x", "hi"), 2, "do not go together"),
        (("start", "--domain", "x", "hi"), 2, "go with --template"),
        (("start", "--template", "assistant", "--set", "x", "hi"), 2, "'x' is not NAME=VALUE"),
        (("definitions", "show"), 2, "says which is to be shown"),
        (("definitions", "save", "x"), 2, "says what is to be saved"),
        (("definitions", "save", "x y", "--template", "assistant"), 2, "'x y' is not 1 to"),
        (("definitions", "save", "x", "--template", "assistant", "--follows", "0"), 9, "stands at"),
        (("definitions", "revisions", "none"), 3, "no definition 'none'"),
    ],
)
def test_what_is_wrong_is_told_and_nothing_is_written(
    cli: CommandLine, words: tuple[str, ...], code: int, told: str
) -> None:
    ended = cli(*words)
    assert ended.code == code
    assert told in ended.notes[-1]
    assert ended.out == ""
    assert cli("list", "--format", "json").json == []
    assert cli("definitions", "list", "--format", "json").json["definitions"] == []


def test_a_folder_of_templates_that_is_not_there_is_a_wrong_setting(cli: CommandLine) -> None:
    cli.set(TEMPLATES="/none/such")
    ended = cli("definitions", "list")
    assert ended.code == 4
    assert "there is no folder '/none/such' of templates" in ended.notes[-1]
