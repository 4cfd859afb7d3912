"""People who decide by commands, from any process and once."""

import json
import shlex
from pathlib import Path

import pytest

from tests.cli import CommandLine, Ended, finished
from tests.end_to_end.wiping import BOTH, WIPE, planted, wiped
from tests.end_to_end.workers import worker_processes
from tests.terminal import Opens
from tests.waiting import until_now


@pytest.fixture
def tools(cli: CommandLine) -> tuple[str, str]:
    return planted()


def typed(cli: CommandLine, line: str) -> Ended:
    """Run a command as a note has it, behind `: `."""
    program, *words = shlex.split(line.partition(": ")[2].partition(" (")[0])
    assert program == "messagedb-agent"
    place = words.index("--category")
    return cli(*words[:place], *words[place + 2 :])


def types(cli: CommandLine) -> list[str]:
    return [event["type"] for event in cli("show", "last", "--format", "json").json]


def test_in_a_pipe_the_command_ends_and_says_what_to_type(
    cli: CommandLine, tools: tuple[str, str]
) -> None:
    ended = cli("start", WIPE, *tools)
    assert (ended.code, ended.out) == (8, "")
    *_, thread, call, approve, deny = ended.notes
    assert thread.endswith(" waits for approval")
    assert call.startswith('waiting for approval: wipe {"path": "/tmp"} (')
    assert deny.startswith("or: messagedb-agent deny ")
    assert cli("continue", "last", *tools).code == 8
    approved = typed(cli, approve)
    assert (approved.code, approved.out, wiped()) == (0, "wipe: /tmp is gone\n", ["/tmp"])
    again = cli.refused("approve", "last", *tools, code=9)
    thread_id = cli("list", "--format", "json").json[0]["threadId"]
    assert again == f"error: no tool call waits for approval in thread {thread_id}"
    assert wiped() == ["/tmp"]


def test_what_waits_is_listed_over_all_threads_and_decided_by_a_new_process(
    cli: CommandLine, tools: tuple[str, str]
) -> None:
    assert cli("approvals").notes == ["no tool call waits for approval"]
    first = cli("start", WIPE, *tools, "--format", "json").json["threadId"]
    second = cli("start", BOTH, *tools, "--format", "json").json["threadId"]
    cli("start", "Thanks!")
    listed = cli("approvals", "--format", "json").json
    assert [(w["threadId"], json.loads(w["arguments"])["path"]) for w in listed] == [
        (second, "/b"),
        (second, "/a"),
        (first, "/tmp"),
    ]
    assert set(listed[0]) == {"threadId", "callId", "toolName", "arguments", "askedAt"}
    assert len(cli("approvals", "--limit", "1", "--format", "json").json) == 1
    text = cli("approvals").out.splitlines()
    assert text[0].split() == ["thread", "call", "asked", "tool", "arguments"]
    assert text[1].split()[:2] == [second[:6], listed[0]["callId"][-8:]]
    ended = finished(cli.process("approve", first[:8], *tools))
    assert (ended.code, ended.out) == (0, "wipe: /tmp is gone\n")
    assert [w["threadId"] for w in cli("approvals", "--format", "json").json] == [second] * 2


def test_each_of_several_calls_is_decided_by_its_end(
    cli: CommandLine, tools: tuple[str, str]
) -> None:
    thread = cli("start", BOTH, *tools, "--format", "json").json["threadId"]
    unnamed = cli.refused("approve", thread, *tools, code=3)
    assert unnamed.startswith("error: 2 calls wait for approval; name those meant, or --all: ")
    none = cli.refused("deny", thread, "_7", *tools, code=3)
    assert none.startswith("error: no waiting call '_7'; see: messagedb-agent approvals ")
    halfway = cli("approve", thread, "_1", *tools)
    assert (halfway.code, halfway.out, wiped()) == (8, "", ["/b"])
    assert halfway.notes[-3].startswith('waiting for approval: wipe {"path": "/a"} (')
    assert "does not wait for approval" in cli.refused("approve", thread, "_1", *tools, code=9)
    denied = cli("deny", thread, "--reason", "it is mine", "--by", "ada", *tools)
    assert denied.code == 0
    assert "wipe: The user did not allow this call: it is mine" in denied.out
    assert wiped() == ["/b"]


def test_all_that_wait_are_decided_at_once(cli: CommandLine, tools: tuple[str, str]) -> None:
    ended = cli("start", BOTH, *tools)
    assert ended.notes[-1].startswith("all: messagedb-agent approve ")
    assert ended.notes[-1].split()[-1].endswith("_1")
    approved = typed(cli, ended.notes[-1])
    assert (approved.code, sorted(wiped())) == (0, ["/a", "/b"])
    cli("message", "last", BOTH, *tools)
    denied = cli("deny", "last", "--all", "--format", "json", *tools)
    assert (denied.code, denied.json["status"]) == (0, "waiting")
    assert "--all stands alone" in cli.refused("deny", "last", "_0", "--all", code=2)
    words = ("approve", "last", "_0", "_1", "--arguments", "{}")
    assert "--arguments are of one CALL" in cli.refused(*words, code=2)


def test_changed_arguments_run_and_wrong_ones_change_nothing(
    cli: CommandLine, tools: tuple[str, str]
) -> None:
    cli("start", WIPE, *tools)
    before = types(cli)
    for wrong in ("no json", '{"file": 1}', "[]"):
        line = cli.refused("approve", "last", "--arguments", wrong, *tools, code=2)
        assert line.startswith("error: arguments: ")
    assert types(cli) == before
    approved = cli("approve", "last", "--arguments", '{"path": "/other"}', *tools)
    assert (approved.code, wiped()) == (0, ["/other"])
    assert 'approved: wipe {"path": "/other"} (changed)' in approved.notes
    assert "Run with arguments changed by the user" in approved.out
    assert '[approved with changed arguments {"path": "/other"}]' in cli("show", "last").out
    (event,) = (
        line
        for line in cli("show", "last", "--as", "events").out.splitlines()
        if "ToolExecutionApproved" in line
    )
    assert event.endswith('ToolExecutionApproved  with changed arguments {"path": "/other"}')


def test_a_call_whose_tool_is_not_here_cannot_be_approved_and_it_is_said_what_to_type(
    cli: CommandLine, tools: tuple[str, str]
) -> None:
    cli("start", WIPE, *tools)
    line = cli.refused("approve", "last", "--arguments", '{"path": "/it"}', code=4)
    assert line.startswith("error: a call of wipe is open in this thread, and the tool is not here")
    typing, _, detached = line.partition("; type: ")[2].partition("; or leave it to workers: ")
    assert detached.partition(" --category ")[0] == "messagedb-agent approve"
    assert " --detach last --arguments " in detached
    assert "workers" not in cli.refused("continue", "last", code=4)
    assert " --tools people_tools last" in cli.refused("message", "last", "Thanks!", code=4)
    assert wiped() == []
    assert typed(cli, f"type: {typing}").code == 0
    assert wiped() == ["/it"]


def test_a_message_in_a_thread_of_workers_needs_no_tools_where_they_are_to_answer(
    cli: CommandLine, tools: tuple[str, str]
) -> None:
    cli("start", WIPE, *tools)
    line = cli.refused("message", "last", "Thanks!", code=4)
    said = typed(cli, "type: " + line.partition("; or leave it to workers: ")[2])
    assert said.code == 0
    assert types(cli)[-1] == "UserMessageAdded"  # and no other agent
    assert cli("continue", "last", "--yes", *tools).code == 0
    assert wiped() == ["/tmp"]


@pytest.mark.parametrize("message", ["-1 is less", "two\nlines", "a" * 100])
def test_what_cannot_be_typed_again_as_it_is_stands_for_itself(
    cli: CommandLine, tools: tuple[str, str], message: str
) -> None:
    cli("start", WIPE, *tools)
    line = cli.refused("message", "last", "--", message, code=4)
    assert line.endswith(" --detach last MESSAGE")


def test_a_call_whose_tool_is_not_here_can_be_denied(
    cli: CommandLine, tools: tuple[str, str]
) -> None:
    cli("start", WIPE, *tools)
    assert cli("deny", "last").code == 0


def test_yes_approves_all(cli: CommandLine, tools: tuple[str, str]) -> None:
    ended = cli("start", BOTH + '\nthen\ncall wipe {"path": "/c"}', "--yes", *tools)
    assert (ended.code, sorted(wiped())) == (0, ["/a", "/b", "/c"])
    assert 'approved: wipe {"path": "/c"}' in ended.notes
    cli("message", "last", WIPE, *tools)
    assert cli("continue", "last", "--yes", *tools).code == 0
    assert cli("message", "last", WIPE, "--yes", *tools).code == 0
    assert wiped()[3:] == ["/tmp", "/tmp"]


def test_what_a_person_is_asked_about_is_all_that_runs(
    cli: CommandLine, tools: tuple[str, str], terminal: Opens
) -> None:
    hidden = 'call wipe {"path": "/home  \u200b"}'
    shown = r'wipe {"path": "/home \u0020\u200b"}'
    ended = cli("start", hidden, *tools)
    assert any(note.startswith(f"waiting for approval: {shown} (") for note in ended.notes)
    assert shown.removeprefix("wipe ") in cli("approvals").out
    approved = cli("approve", "last", *tools)
    assert f"approved: {shown}" in approved.notes
    assert Path("ledger").read_text() == "/home  \u200b\n"
    assert f"approved: {shown}" in cli("message", "last", hidden, "--yes", *tools).notes
    asking = terminal("message", "last", hidden, *tools)
    asking.expect(f"waits for approval: {shown}")


def test_approvals_are_shown_in_full_where_asked(cli: CommandLine, tools: tuple[str, str]) -> None:
    path = "/" + "x" * 500
    cli("start", f'call wipe {{"path": "{path}"}}', *tools)
    assert path not in cli("approvals").out
    (line,) = cli("approvals", "--full").out.splitlines()
    assert line.endswith(f'  wipe  {{"path": "{path}"}}')


def test_a_decision_may_be_left_to_workers_by_who_has_not_the_tool(
    cli: CommandLine, tools: tuple[str, str]
) -> None:
    cli("start", WIPE, *tools)
    decided = cli("approve", "last", "--detach", "--by", "ada")
    worker = cli.line("worker", *tools, "--model", "offline")
    assert decided.notes[1].endswith(f"; a worker answers it: {worker}")  # which needs the tools
    assert (decided.code, len(decided.out.splitlines())) == (0, 1)
    assert types(cli)[-1] == "ToolExecutionApproved"
    assert '[asked for approval: wipe {"path": "/tmp"}]' in cli("show", "last").out
    assert "waits for approval" in cli.refused("approve", "last", "--detach", code=9)
    assert cli("continue", "last", *tools).out == "wipe: /tmp is gone\n"
    cli("message", "last", WIPE, *tools)
    assert cli("deny", "last", "--detach", "--format", "json").json["status"] == "ready"
    assert wiped() == ["/tmp"]
    line = cli.refused("start", WIPE, "--detach", "--yes", *tools, code=2)
    assert "--yes does not go with --detach" in line


def test_what_waits_survives_its_worker_and_runs_once_in_the_next(
    cli: CommandLine, tools: tuple[str, str], category: str, tmp_path: Path
) -> None:
    cli.set(MODEL_NAME="offline")
    thread = cli("start", WIPE, "--detach", *tools).out.strip()
    with worker_processes(tmp_path, category, 1, *tools) as [worker]:
        until_now(lambda: cli("approvals", "--format", "json").json)
        assert worker.end() == 0
    assert len(cli("approvals", "--format", "json").json) == 1
    assert wiped() == []
    with worker_processes(tmp_path, category, 1, *tools) as [worker]:
        assert cli("approve", thread, "--detach").code == 0
        until_now(lambda: "wipe: /tmp is gone" in cli("show", thread).out)
        for _ in range(3):  # with the worker beside it, whoever comes first does it
            assert cli("message", thread, WIPE, "--yes", *tools).out == "wipe: /tmp is gone\n"
        assert worker.end() == 0
    assert wiped() == ["/tmp"] * 4
    assert cli("verify", thread).code == 0
