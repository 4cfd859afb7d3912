"""People who decide: on a terminal in line, else by commands, from any process and once."""

import json
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli import CommandLine, Ended, finished
from tests.terminal import Terminal

TOOLS = '''
from messagedb_agent import tool

@tool(needs_approval=True)
def wipe(path: str) -> str:
    """Remove a folder.

    Args:
        path: which.
    """
    with open("ledger", "a") as file:
        file.write(path + "\\n")
    return f"{path} is gone"
'''
WIPE = 'call wipe {"path": "/tmp"}'
BOTH = 'call wipe {"path": "/a"}\ncall wipe {"path": "/b"}'
Opens = Callable[..., Terminal]


@pytest.fixture
def tools(cli: CommandLine) -> tuple[str, str]:
    Path("people_tools.py").write_text(TOOLS)
    return ("--tools", "people_tools")


@pytest.fixture
def terminal(cli: CommandLine, category: str) -> Iterator[Opens]:
    opened: list[Terminal] = []

    def opens(*arguments: str, **environment: str) -> Terminal:
        opened.append(Terminal(*arguments, "--category", category, **environment))
        return opened[-1]

    yield opens
    for one in opened:
        one.kill()


def wiped() -> list[str]:
    ledger = Path("ledger")
    return ledger.read_text().split() if ledger.exists() else []


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
    assert again.startswith("error: no tool call waits for approval in thread ")
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
    assert "fits more than one waiting call" in cli.refused("approve", thread, *tools, code=3)
    assert "no waiting call '_7'" in cli.refused("deny", thread, "_7", *tools, code=3)
    halfway = cli("approve", thread, "_1", *tools)
    assert (halfway.code, halfway.out, wiped()) == (8, "", ["/b"])
    assert halfway.notes[-3].startswith('waiting for approval: wipe {"path": "/a"} (')
    assert "waits for approval no more" in cli.refused("approve", thread, "_1", *tools, code=9)
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
    assert "Run with arguments changed by the user" in approved.out


def test_a_call_whose_tool_is_not_here_cannot_be_approved_and_it_is_said_what_to_type(
    cli: CommandLine, tools: tuple[str, str]
) -> None:
    cli("start", WIPE, *tools)
    line = cli.refused("approve", "last", "--arguments", '{"path": "/it"}', code=4)
    assert line.startswith("error: a call of wipe is open in this thread, and the tool is not here")
    typing = line.partition("type: ")[2]
    assert "continue --category" in cli.refused("continue", "last", code=4)
    assert " --tools people_tools last" in cli.refused("message", "last", "Thanks!", code=4)
    assert wiped() == []
    assert typed(cli, f"type: {typing}").code == 0
    assert wiped() == ["/it"]


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


def test_on_a_terminal_the_person_is_asked_in_line(
    cli: CommandLine, tools: tuple[str, str], terminal: Opens
) -> None:
    asking = terminal("start", WIPE, *tools)
    asking.expect('waits for approval: wipe {"path": "/tmp"}')
    asking.expect("later:")
    assert wiped() == []
    asking.type("what?")
    asking.expect("y runs it")
    asking.expect("later:")
    asking.type("y")
    asking.expect("wipe: /tmp is gone\n")
    assert asking.ended() == 0
    assert wiped() == ["/tmp"]


def test_a_person_says_no_and_why(
    cli: CommandLine, tools: tuple[str, str], terminal: Opens
) -> None:
    cli("start", WIPE, *tools)
    asking = terminal("continue", "last", *tools)
    asking.expect("later:")
    asking.type("no")
    asking.expect("why not?")
    asking.type("it is mine")
    asking.expect("wipe: The user did not allow this call: it is mine")
    assert (asking.ended(), wiped()) == (0, [])


@pytest.mark.parametrize("key", ["l", "", "D"])
def test_what_a_person_puts_off_waits_on(
    cli: CommandLine, tools: tuple[str, str], terminal: Opens, key: str
) -> None:
    asking = terminal("start", WIPE, *tools)
    asking.expect("later:")
    if key == "D":
        asking.press(key)
    else:
        asking.type(key)
    asking.expect("messagedb-agent approve ")
    assert (asking.ended(), wiped()) == (8, [])
    assert len(cli("approvals", "--format", "json").json) == 1


def test_ctrl_c_at_a_question_leaves_the_call_waiting(
    cli: CommandLine, tools: tuple[str, str], terminal: Opens
) -> None:
    asking = terminal("start", WIPE, *tools)
    asking.expect("later:")
    asking.press_until("C", "interrupted; take the thread up with: messagedb-agent continue ")
    assert (asking.ended(), wiped()) == (130, [])
    assert len(cli("approvals", "--format", "json").json) == 1


def test_a_person_changes_the_arguments_on_a_line_or_in_an_editor(
    cli: CommandLine, tools: tuple[str, str], terminal: Opens
) -> None:
    asking = terminal("start", WIPE, *tools, EDITOR="", VISUAL="")
    asking.expect("later:")
    asking.type("e")
    asking.expect("arguments (JSON):")
    asking.type('{"file": "/other"}')
    asking.expect("not changed: ")
    asking.expect("later:")
    asking.type("e")
    asking.expect("arguments (JSON):")
    asking.type('{"path": "/other"}')
    asking.expect('{"path": "/other"} (changed)')
    asking.expect("later:")
    asking.type("y")
    assert (asking.ended(), wiped()) == (0, ["/other"])
    Path("editor.py").write_text(
        "import sys, pathlib\n"
        "file = pathlib.Path(sys.argv[1])\n"
        "file.write_text(file.read_text().replace('/tmp', '/edited'))\n"
    )
    editor = shlex.join([sys.executable, str(Path("editor.py").resolve())])
    asking = terminal("message", "last", WIPE, *tools, EDITOR=editor)
    asking.expect("later:")
    asking.type("edit")
    asking.expect("/edited")
    asking.expect("later:")
    asking.type("yes")
    assert (asking.ended(), wiped()) == (0, ["/other", "/edited"])


def test_who_decides_second_is_told_and_the_turn_is_shown_all_the_same(
    cli: CommandLine, tools: tuple[str, str], terminal: Opens
) -> None:
    asking = terminal("start", WIPE, *tools)
    asking.expect("later:")
    assert finished(cli.process("deny", "last", "--reason", "first", *tools)).code == 0
    asking.type("y")
    asking.expect("not decided here: ")
    asking.expect("The user did not allow this call: first")
    assert (asking.ended(), wiped()) == (0, [])


def test_nobody_is_asked_where_a_program_reads(
    cli: CommandLine, tools: tuple[str, str], terminal: Opens
) -> None:
    asking = terminal("start", WIPE, *tools, "--format", "json")
    asking.expect('"status":"approval"')
    assert asking.ended() == 8
