"""Threads are titled, tagged and put away at the command line, and found again."""

from tests.cli import CommandLine
from tests.end_to_end.test_cli_sessions import started
from tests.end_to_end.test_cli_viewing import write


def test_a_title_is_given_and_printed(cli: CommandLine) -> None:
    thread = started(cli)
    assert cli("title", thread).out == "What is 42 * 7?\n"
    assert cli("title", "last", "On sums", "--by", "ada").out == "On sums\n"
    assert cli("title", thread).out == "On sums\n"
    assert cli("list", "--format", "json").json[0]["title"] == "On sums"
    assert cli.refused("title", thread, "  ", code=2) == "error: the title is empty"
    assert "no thread" in cli.refused("title", "nobody", "x", code=3)
    assert [e["data"] for e in cli("show", thread, "--format", "json").json[8:]] == [
        {"by": "ada", "title": "On sums"}
    ]
    assert cli("verify", thread).code == 0


def test_tags_are_put_on_and_taken_off_and_lists_are_narrowed_by_them(cli: CommandLine) -> None:
    one, other = started(cli), started(cli)
    assert cli("tag", one).notes[-1] == "no tags"
    assert cli("tag", one, "sums", "to do").out == "sums\nto do\n"
    both = cli("tag", one, "new", "--remove", "to do", "--remove", "never", "--format", "json")
    assert both.json == {"threadId": one, "tags": ["sums", "new"]}
    assert cli("tag", one).out == "sums\nnew\n"
    (found,) = cli("list", "--tag", "sums", "--format", "json").json
    assert (found["threadId"], found["tags"], found["archived"]) == (one, ["sums", "new"], False)
    assert cli("list", "--tag", "to do", "--format", "json").json == []
    ended = cli("list", "--tag", "to do")
    assert (ended.code, ended.out) == (0, "")
    assert ended.notes[-1] == f"no such thread; all: {cli.line('list')}"
    assert cli.refused("tag", other, "a\nb", code=2).startswith("error: tag 'a\\nb' is not plain")
    assert "the tag is empty" in cli.refused("list", "--tag", "", code=2)
    assert cli("verify", one).code == 0


def test_archived_threads_are_left_out_until_they_are_asked_for(cli: CommandLine) -> None:
    one, two, three = started(cli), started(cli), started(cli)
    ended = cli("archive", "last", one, "--by", "ada")
    assert ended.out.split() == [three, one]
    assert ended.notes[-1] == f"see them with: {cli.line('list', '--archived')}"

    def listed(*options: str) -> list[str]:
        return [entry["threadId"] for entry in cli("list", "--format", "json", *options).json]

    assert listed() == [two]
    assert listed("--archived") == [one, three]
    assert cli("message", one, "Thanks!").code == 0
    assert listed() == [two]
    assert cli("unarchive", one[:8], two).out.split() == [one, two]
    assert listed() == [one, two]
    assert "no thread" in cli.refused("archive", two, "nobody", code=3)
    assert listed() == [one, two]


def test_deleted_threads_are_left_out_and_closed_and_can_be_shown(cli: CommandLine) -> None:
    one, two, three = started(cli), started(cli), started(cli)
    assert cli("archive", one).code == 0
    ended = cli("delete", three, one, "--reason", "private", "--by", "ada")
    assert (ended.code, ended.out.split()) == (0, [three, one])
    assert ended.notes[-1] == f"nothing was removed; see one with: {cli.line('show', 'THREAD')}"
    assert [entry["threadId"] for entry in cli("list", "--format", "json").json] == [two]
    assert cli("list", "--archived", "--format", "json").json == []
    assert "the thread is deleted" in cli.refused("message", one, "Hello?", code=9)
    assert cli("show", three, "--format", "json").json[-1]["data"] == {
        "by": "ada",
        "reason": "private",
    }
    assert cli("delete", three).out.split() == [three]
    assert cli("verify", three).code == 0
    assert "no thread" in cli.refused("delete", two, "nobody", code=3)
    assert [entry["threadId"] for entry in cli("list", "--format", "json").json] == [two]


def test_threads_are_listed_by_user_and_what_is_printed_of_a_log_is_harmless(
    cli: CommandLine, store_url: str, category: str
) -> None:
    thread = started(cli)
    stream = f"{category}:v0-{thread}"
    write(store_url, stream, "SessionTagged", '{"added": ["\\u001b[2Jx", "a\\nb"]}')
    write(store_url, stream, "SessionTitled", '{"title": "\\u001b]0;x"}')
    assert cli("tag", thread).out == "\\x1b[2Jx\na b\n"
    assert cli("title", thread).out == "\\x1b]0;x\n"
    definition = cli("show", thread, "--format", "json").json[0]["data"]["definition"]
    assert definition["name"] == "assistant"
    assert cli("list", "--user", "ada", "--format", "json").json == []
    assert cli("list", "--user", "", "--format", "json").code == 2


def test_a_thread_is_shown_in_numbers(cli: CommandLine) -> None:
    thread = started(cli)
    fork = cli("fork", thread, "--at", "7").out.strip()
    shown = cli("show", thread, "--as", "stats", "--format", "json").json
    counted = ("messageCount", "eventCount", "toolCalls", "modelCalls", "forkedFrom", "costUsd")
    assert [shown[key] for key in counted] == [2, 8, 1, 2, None, "0"]
    rows = dict(
        line.split(maxsplit=1) for line in cli("show", fork, "--as", "stats").out.splitlines()
    )
    assert rows["totalBytes"].isdigit()
    assert rows["forkedFrom"] == f"{thread} at 7"
    assert rows["title"] == "What is 42 * 7?"
    at_first = cli("show", thread, "--as", "stats", "--at", "1", "--format", "json").json
    assert (at_first["eventCount"], at_first["toolCalls"]) == (2, 0)


def test_a_title_is_made_by_the_threads_own_model(cli: CommandLine) -> None:
    thread = started(cli)
    assert cli("title", thread, "--generate", "--by", "ada").out == "What is 42 * 7?\n"
    types = [event["type"] for event in cli("show", thread, "--format", "json").json]
    assert types[8:] == ["LlmCallStarted", "LlmResponseReceived", "SessionTitled"]
    assert cli("explain", thread, "8").code == 0
    assert cli("verify", thread).code == 0
    line = cli.refused("title", thread, "One", "--generate", code=2)
    assert line == "error: give a title or say --generate, not both"
    assert len(cli("show", thread, "--format", "json").json) == 11
    assert cli("search", "Give", "the", "--format", "json").json == []
