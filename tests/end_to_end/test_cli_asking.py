"""Calls that wait for approval, at a terminal: the person is asked in line."""

import os
import shlex
import signal
import sys
from pathlib import Path

import pytest

from tests.cli import CommandLine, finished
from tests.end_to_end.wiping import BOTH, WIPE, planted, wiped
from tests.terminal import Opens

RESTING = '''
import asyncio
from messagedb_agent import tool

@tool
async def rest() -> str:
    """Rest for ever."""
    await asyncio.sleep(3600)
    return "rested"
'''


@pytest.fixture
def tools(cli: CommandLine) -> tuple[str, str]:
    return planted()


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


def test_a_draft_that_the_tool_does_not_take_is_there_to_be_mended(
    cli: CommandLine, tools: tuple[str, str], terminal: Opens
) -> None:
    Path("editor.py").write_text(
        "import sys, pathlib\n"
        "file = pathlib.Path(sys.argv[1])\n"
        "text = file.read_text()\n"
        """file.write_text('{"path": "/mended"' if '/tmp' in text else text + '}')\n"""
    )
    editor = shlex.join([sys.executable, str(Path("editor.py").resolve())])
    asking = terminal("start", WIPE, *tools, EDITOR=editor)
    asking.expect("later:")
    asking.type("e")
    asking.expect("not changed: ")
    asking.expect('waits for approval: wipe {"path": "/tmp"}\n')
    asking.expect("later:")
    asking.type("e")
    asking.expect('waits for approval: wipe {"path": "/mended" } (changed)')
    asking.expect("later:")
    asking.type("y")
    assert (asking.ended(), wiped()) == (0, ["/mended"])


def an_editor_that_stays() -> str:
    """It does not end by itself where its terminal does.

    It sleeps in short pieces: a signal that comes right before a sleep is heard behind it.
    """
    Path("editor.py").write_text(
        "import os, signal, time\n"
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "print('process', os.getpid(), 'is open')\n"
        "for _ in range(36000): time.sleep(0.1)\n"
    )
    return shlex.join([sys.executable, "-u", str(Path("editor.py").resolve())])


def test_sigterm_ends_the_editor_too(
    cli: CommandLine, tools: tuple[str, str], terminal: Opens
) -> None:
    asking = terminal("start", WIPE, *tools, EDITOR=an_editor_that_stays())
    asking.expect("later:")
    asking.type("e")
    asking.expect("process ")
    editor = int(asking.expect(" is open"))
    try:
        asking.terminate()
        asking.expect("interrupted; take the thread up with: messagedb-agent continue ")
        assert (asking.ended(), wiped()) == (143, [])
    finally:
        with pytest.raises(ProcessLookupError):
            os.kill(editor, signal.SIGKILL)


def test_ctrl_c_is_the_editors_and_the_question_is_asked_again(
    cli: CommandLine, tools: tuple[str, str], terminal: Opens
) -> None:
    asking = terminal("start", WIPE, *tools, EDITOR=an_editor_that_stays())
    asking.expect("later:")
    asking.type("e")
    asking.expect(" is open")
    asking.press("C")
    asking.expect('waits for approval: wipe {"path": "/tmp"}')
    asking.expect("later:")
    asking.type("n")
    asking.expect("why not?")
    asking.type("")
    assert (asking.ended(), wiped()) == (0, [])


def test_ctrl_c_over_and_over_ends_a_command_in_order(cli: CommandLine, terminal: Opens) -> None:
    Path("resting.py").write_text(RESTING)
    asking = terminal("start", "call rest {}", "--tools", "resting")
    asking.expect("> rest {}")
    for _ in range(8):
        asking.press("C")
        asking.wait(0.05)
    assert asking.ended() == 130
    assert "Traceback" not in asking.shown
    assert "interrupted; take the thread up with: messagedb-agent continue " in asking.shown


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
    (waits,) = cli("continue", "last", *tools, "--format", "json").json["approvals"]
    assert waits == {
        "callId": cli("approvals", "--format", "json").json[0]["callId"],
        "toolName": "wipe",
        "arguments": '{"path": "/tmp"}',
    }
    decided = cli("deny", "last", waits["callId"], "--format", "json")
    assert decided.json["approvals"] == []


def test_what_was_typed_before_the_question_is_no_answer_to_it(
    cli: CommandLine, tools: tuple[str, str], terminal: Opens
) -> None:
    asking = terminal("start", BOTH, *tools)
    asking.type("y\ny\ny")
    asking.expect('{"path": "/a"}')
    asking.expect("later:")
    asking.type("y\ny\ny")  # of which one is an answer
    asking.expect('{"path": "/b"}')
    asking.expect("later:")
    asking.type("n")
    asking.expect("why not?")
    asking.type("")
    assert (asking.ended(), wiped()) == (0, ["/a"])
