"""`chat`: a person at a terminal, and lines in a pipe."""

import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli import PROGRAM, CommandLine
from tests.terminal import Opens, Terminal
from tests.waiting import until_now

TOOLS = '''
import asyncio
from messagedb_agent import tool

@tool(effect="retry")
async def rest() -> str:
    """Rest for ever."""
    await asyncio.sleep(3600)
    return "rested"

@tool
async def pay() -> str:
    """Take for ever to pay."""
    await asyncio.sleep(3600)
    return "paid"

@tool(needs_approval=True)
def wipe(path: str) -> str:
    """Remove a folder.

    Args:
        path: which.
    """
    return f"{path} is gone"
'''


@pytest.fixture
def talk(cli: CommandLine, category: str) -> Iterator[Opens]:
    Path("chat_tools.py").write_text(TOOLS)
    opened: list[Terminal] = []

    def opens(*arguments: str) -> Terminal:
        common = ("--category", category, "--tools", "chat_tools")
        opened.append(Terminal("chat", *arguments, *common))
        opened[-1].expect("/help, /exit")
        return opened[-1]

    yield opens
    for one in opened:
        one.kill()


def said(cli: CommandLine, thread: str = "last") -> list[str]:
    rows = cli("show", thread, "--format", "json").json
    return [row["data"]["text"] for row in rows if row["type"] == "UserMessageAdded"]


def test_messages_are_answered_until_the_end_of_input(cli: CommandLine, talk: Opens) -> None:
    chat = talk()
    chat.expect("> ")
    chat.type("What is 42 * 7?")
    chat.expect("> calculate")
    chat.expect("42 * 7 = 294.\n")
    chat.expect("> ")
    chat.type("Thanks!")
    chat.expect("You are welcome!\n")
    chat.expect("> ")
    chat.press_until("D", "go on: messagedb-agent chat ")
    assert chat.ended() == 0
    assert said(cli) == ["What is 42 * 7?", "Thanks!"]
    assert cli("verify", "last").code == 0


def test_a_chat_takes_a_thread_up_and_its_commands_do_what_help_says(
    cli: CommandLine, talk: Opens
) -> None:
    thread = cli("start", "What is 5 + 3?", "--format", "json").json["threadId"]
    chat = talk(thread[:8])
    chat.type("/show")
    chat.expect(f"thread {thread}\n")
    chat.expect("agent: 5 + 3 = 8.")
    chat.type("/show events")
    chat.expect("error: /show stands alone")
    chat.type("/model")
    chat.expect("model: offline")
    chat.type("/model nothing/there")
    chat.expect("error: ")
    chat.type("/nonsense")
    chat.expect("error: there is no /nonsense; there are /show")
    chat.type("/fork 99")
    chat.expect("error: 99 is no position of this thread; the last is 7")
    chat.type("//slash")
    chat.expect("I am the offline stand-in")
    chat.type("/fork 7")
    assert chat.expect("forked at position 7").splitlines()[-1].startswith("thread ")
    chat.type("Thanks!")
    chat.expect("You are welcome!\n")
    chat.type("/fork")
    chat.expect("forked at position ")
    chat.type("/exit")
    chat.expect("go on: messagedb-agent chat ")
    assert chat.ended() == 0
    assert said(cli, thread) == ["What is 5 + 3?", "/slash"]
    listed = {t["threadId"] for t in cli("list", "--format", "json").json}
    assert len(listed) == 3
    assert sorted(len(said(cli, t)) for t in listed - {thread}) == [0, 1]
    assert cli("message", "last", "What did I say?").code == 0


def test_what_does_not_move_a_thread_on_says_so_and_repeats_no_answer(
    cli: CommandLine, talk: Opens
) -> None:
    cli("start", "What is 5 + 3?")
    chat = talk("last")
    chat.expect("agent: 5 + 3 = 8.\n")
    for typed, told in (
        ("/fork", "forked at position 7"),
        ("/continue", "nothing to continue: nothing was interrupted"),
    ):
        chat.expect("> ")
        chat.type(typed)
        chat.expect(told)
        assert chat.expect("\n> ").count("5 + 3") == 0
        chat.type("Thanks!")
        chat.expect("You are welcome!\n")


def test_ctrl_c_cancels_the_turn_and_stays(cli: CommandLine, talk: Opens) -> None:
    chat = talk()
    chat.expect("> ")
    chat.press_until("C", "(Ctrl-D ends)")
    chat.type("call rest {}")
    chat.expect("> rest {}")
    chat.press("C")
    chat.expect("cancelling")
    assert chat.expect("the turn was cancelled: interrupted").endswith("\n")
    chat.type("call pay {}")
    chat.expect("> pay {}")
    chat.press("C")
    chat.expect("outcome unknown: pay {} (")
    chat.expect(" --completed RESULT, or --failed REASON")
    chat.type("Thanks!")
    chat.expect("You are welcome!\n")
    chat.press_until("D", "go on: messagedb-agent chat ")
    assert chat.ended() == 0
    types = [row["type"] for row in cli("show", "last", "--format", "json").json]
    assert types[5:7] == ["TurnCancelled", "ToolExecutionFailed"]
    assert cli("verify", "last").code == 0


@pytest.mark.parametrize(
    ("message", "shown", "left"),
    [
        ("What is 5 + 3?", "5 + 3 = 8.\n> ", "waiting"),
        ('call wipe {"path": "/tmp"}', "later: ", "approval"),
        ("call rest {}", "> rest {}", "interrupted"),
    ],
)
def test_sigterm_ends_a_chat_wherever_it_is_and_leaves_the_thread_as_it_is(
    cli: CommandLine, talk: Opens, message: str, shown: str, left: str
) -> None:
    chat = talk()
    chat.type(message)
    chat.expect(shown)
    chat.terminate()
    chat.expect("go on: messagedb-agent chat ")
    assert chat.ended() == 143
    # Its lock ends with its session, soon after it.
    until_now(lambda: cli("list", "--format", "json").json[0]["status"] == left)
    types = [row["type"] for row in cli("show", "last", "--format", "json").json]
    assert "TurnCancelled" not in types


def test_what_waits_is_asked_about_in_line_put_off_and_asked_again(
    cli: CommandLine, talk: Opens
) -> None:
    chat = talk()
    chat.type('call wipe {"path": "/tmp"}')
    chat.expect("later:")
    chat.type("later")
    chat.expect("/continue asks again")
    chat.type("/continue")
    chat.expect("later:")
    chat.type("y")
    chat.expect("wipe: /tmp is gone\n")
    chat.type('call wipe {"path": "/usr"}')
    chat.expect("later:")
    chat.press_until("C", "the turn was cancelled")
    assert "later: the turn was cancelled" not in chat.shown  # it has a line of its own
    chat.type("Thanks!")
    chat.expect("You are welcome!\n")
    chat.press_until("D", "go on: messagedb-agent chat ")
    assert chat.ended() == 0
    assert cli("approvals", "--format", "json").json == []


def test_in_a_pipe_nobody_is_told_to_type_what_would_be_a_message(
    cli: CommandLine, talk: Opens
) -> None:
    talk()
    ended = cli("chat", "--tools", "chat_tools", stdin=b'call wipe {"path": "/tmp"}')
    assert ended.code == 8
    assert not [note for note in ended.notes if "/continue" in note]
    assert any(" approve " in note for note in ended.notes)


def test_in_a_pipe_each_line_is_a_message(cli: CommandLine) -> None:
    ended = cli("chat", stdin=b"What is 5 + 3?\n\n/show\nThanks!")
    assert ended.code == 0
    first, *_, last = ended.out.splitlines()
    assert (first, last) == ("5 + 3 = 8.", "You are welcome!")
    assert said(cli) == ["What is 5 + 3?", "/show", "Thanks!"]
    assert ended.notes[-1].startswith("go on: messagedb-agent chat ")
    again = cli("chat", "last", stdin=b"Thanks!\n")
    assert (again.code, again.out) == (0, "You are welcome!\n")
    assert len(said(cli)) == 4
    assert cli("chat", stdin=b"").code == 0
    assert len(cli("list", "--format", "json").json) == 1


def test_in_a_pipe_what_waits_ends_the_chat_unless_all_is_approved(
    cli: CommandLine, talk: Opens
) -> None:
    lines = b'call wipe {"path": "/tmp"}\nThanks!\n'
    ended = cli("chat", "--tools", "chat_tools", stdin=lines)
    assert (ended.code, ended.out) == (8, "")
    assert any(note.startswith("go on: messagedb-agent approve ") for note in ended.notes)
    assert len(said(cli)) == 1
    ended = cli("chat", "--yes", "--tools", "chat_tools", stdin=lines)
    assert (ended.code, ended.out) == (0, "wipe: /tmp is gone\nYou are welcome!\n")


def test_where_standard_input_is_closed_nobody_is_asked(
    cli: CommandLine, talk: Opens, category: str
) -> None:
    wipe = 'call wipe {"path": "/tmp"}'
    for words, code in ((["chat"], 0), (["start", wipe, "--tools", "chat_tools"], 8)):
        line = shlex.join([*PROGRAM, *words, "--category", category])
        ended = subprocess.run(["bash", "-c", f"{line} <&-"], capture_output=True, text=True)
        assert (ended.returncode, ended.stdout) == (code, "")
        assert "Traceback" not in ended.stderr


def test_a_chat_begins_with_the_last_exchange_and_its_lines_can_be_called_up(
    cli: CommandLine, talk: Opens
) -> None:
    pytest.importorskip("readline", reason="lines are called up by readline")
    thread = cli("start", "What is 5 + 3?", "--format", "json").json["threadId"]
    cli("message", "last", "Thanks!")
    chat = talk(thread[:8])
    told = chat.expect("agent: You are welcome!")
    assert f"thread {thread}" in told
    assert "5 + 3" not in told
    chat.expect("> ")
    chat.type(chr(ord("P") - 64) * 2)  # the line before the last
    chat.expect("> calculate")
    chat.press_until("D", "go on: messagedb-agent chat ")
    assert chat.ended() == 0
    assert said(cli) == ["What is 5 + 3?", "Thanks!", "What is 5 + 3?"]


def test_a_chat_in_which_a_call_waits_says_so_at_once(cli: CommandLine, talk: Opens) -> None:
    Path("chat_tools.py").write_text(TOOLS)
    cli("start", 'call wipe {"path": "/tmp"}', "--tools", "chat_tools")
    chat = talk("last")
    chat.expect("a call waits for approval; /continue asks about it")
    chat.type("/continue")
    chat.expect('waits for approval: wipe {"path": "/tmp"}')
    chat.expect("later:")
    chat.type("y")
    chat.expect("wipe: /tmp is gone\n")


def test_ctrl_c_over_and_over_stays_in_the_chat(cli: CommandLine, talk: Opens) -> None:
    chat = talk()
    chat.expect("> ")
    chat.type("call rest {}")
    chat.expect("> rest {}")
    for _ in range(5):
        chat.press("C")
        chat.wait(0.2)
    chat.type("Thanks!")
    chat.expect("You are welcome!\n")
    chat.press_until("D", "go on: messagedb-agent chat ")
    assert chat.ended() == 0
    assert "Traceback" not in chat.shown
    assert cli("verify", "last").code == 0


def test_a_position_that_no_database_has_is_none_of_the_thread(
    cli: CommandLine, talk: Opens
) -> None:
    cli("start", "Thanks!")
    chat = talk("last")
    for position in ("9" * 18, "9" * 19, "9" * 30, "-1", "x"):
        chat.type(f"/fork {position}")
        chat.expect(f"error: {position} is no position of this thread; the last is 3")
