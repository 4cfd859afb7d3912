"""The command line as a process: pipes, a terminal, Ctrl-C, and the embedded server's life."""

import fcntl
import json
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from messagedb_agent.store.embedded import EmbeddedSettings
from tests.cli import PATIENCE_S, PROGRAM, CommandLine, Ended, finished
from tests.forked import Piped
from tests.store_url import new_home, remove_embedded
from tests.waiting import until_now

TOOLS = '''
import asyncio
import os
import subprocess
import sys
from messagedb_agent import tool

print("by import")

@tool
async def sleep(seconds: float) -> str:
    """Sleep."""
    await asyncio.sleep(seconds)
    return "rested"

@tool(effect="retry")
async def patient() -> str:
    """Sleep for ever, the first time."""
    try:
        with open("seen", "x"):
            await asyncio.sleep(3600)
    except FileExistsError:
        pass
    return "rested"

@tool
def noisy() -> str:
    """Print in every way there is."""
    print("by print")
    sys.stdout.write("by write\\n")
    sys.__stdout__.write("by the first stream\\n")
    sys.__stdout__.flush()
    os.write(1, b"by descriptor\\n")
    subprocess.run(["echo", "by a process"])
    return "quiet"

@tool
def colourful() -> str:
    """Speak in colours."""
    return "\\x1b[31mred\\x1b[0m \\x1b]0;title\\x07"
'''


@pytest.fixture
def tools(tmp_path: Path) -> str:
    (tmp_path / "process_tools.py").write_text(TOOLS)
    return "process_tools"


def test_in_a_pipe_standard_output_holds_the_answer_alone(cli: CommandLine) -> None:
    done = subprocess.run(cli.program("start", "What is 42 * 7?"), capture_output=True)
    ended = Ended(done.returncode, done.stdout.decode(), done.stderr.decode())
    assert (ended.code, ended.out) == (0, "42 * 7 = 294.\n")
    log = [json.loads(line) for line in ended.err.splitlines() if line.startswith("{")]
    assert [entry["position"] for entry in log] == list(range(8))
    assert {entry["thread"] for entry in log} == {ended.notes[-2].removeprefix("thread ")}
    assert "elapsed_ms" in log[3]
    assert {entry.get("step") for entry in log} == {None, "CallModel", "RunTools"}
    assert "42" not in "".join(entry["event"] for entry in log)


def test_what_a_tool_prints_goes_to_standard_error(cli: CommandLine, tools: str) -> None:
    ended = finished(cli.process("start", "call noisy {}", "--tools", tools))
    assert (ended.code, ended.out) == (0, "noisy: quiet\n")
    ways = ("import", "print", "write", "the first stream", "descriptor", "a process")
    assert {f"by {way}" for way in ways} <= set(ended.notes)
    ended = finished(cli.process("list", "--format", "json", "--tools", tools))
    assert len(ended.json) == 1
    assert "by import" in ended.notes


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
@pytest.mark.parametrize("command", [["--help"], ["config"], ["start", "What is 42 * 7?"]])
def test_standard_output_that_takes_no_more_is_one_line(
    cli: CommandLine, command: list[str]
) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(cli.program(*command), stdout=full, stderr=subprocess.PIPE)
    ended = Ended(done.returncode, "", done.stderr.decode())
    assert ended.code == 11
    assert ended.notes[-1].startswith("error: standard output cannot be written to: ")
    assert "Traceback" not in ended.err
    if "start" in command:  # the answer stands in the thread all the same
        (thread,) = [n.removeprefix("thread ") for n in ended.notes if n.startswith("thread ")]
        assert "agent: 42 * 7 = 294." in cli("show", thread).out


def test_both_modules_are_the_program(cli: CommandLine) -> None:
    for module in ("messagedb_agent", "messagedb_agent.cli"):
        ended = subprocess.run(
            [PROGRAM[0], "-m", module, "--version"], capture_output=True, text=True, check=True
        )
        assert ended.stdout.startswith("messagedb-agent ")


def test_a_reader_that_has_read_enough_is_no_error(cli: CommandLine, category: str) -> None:
    long = json.dumps({"text": "x" * 90_000})
    cli("start", f"call echo {long}")
    reading, writing = os.pipe()
    os.close(reading)
    process = subprocess.Popen(
        [*PROGRAM, "show", "last", "--full", "--category", category],
        stdout=writing,
        stderr=subprocess.PIPE,
    )
    os.close(writing)
    _, err = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, err) == (0, b"")


def interrupt_once_there(process: Piped, sign: str, by: signal.Signals) -> Ended:
    """Send a signal once a line of standard error holds `sign`."""
    seen = b""
    for line in process.stderr:
        seen += line
        if sign.encode() in line:
            process.send_signal(by)
            break
    out, err = process.communicate(timeout=PATIENCE_S)
    return Ended(process.wait(), out.decode(), (seen + err).decode())


@pytest.mark.parametrize(("by", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interruption_leaves_a_thread_that_continue_takes_up(
    cli: CommandLine, tools: str, by: signal.Signals, code: int
) -> None:
    running = cli.process("start", "call patient {}", "--tools", tools)
    ended = interrupt_once_there(running, "ToolExecutionStarted", by)
    assert ended.code == code
    assert "Traceback" not in ended.err
    following = ended.notes[-1]
    assert following.startswith("interrupted; take the thread up with: messagedb-agent continue ")
    thread = following.split()[-1]
    # Its lock ends with its session, soon after it.
    until_now(lambda: cli("list", "--format", "json").json[0]["status"] == "interrupted")
    go_on = cli.line("continue", thread[:6])
    assert cli("list").notes == [
        f"interrupted: who worked on it is gone; a worker goes on, or: {go_on}"
    ]
    go_on = cli.line("continue", thread)
    assert cli("show", thread).notes == [
        f"interrupted: who worked on it is gone; a worker goes on, or: {go_on}"
    ]
    assert cli("show", thread, "--at", "3").notes == []
    continued = cli("continue", thread, "--tools", tools)
    assert (continued.code, continued.out) == (0, "patient: rested\n")
    assert cli("show", thread).notes == []


def test_ctrl_c_before_anything_is_recorded_says_so(cli: CommandLine) -> None:
    running = cli.process("start", "-")  # it waits for standard input
    ended = interrupt_while_reading(running)
    assert ended.code == 130
    assert ended.notes == ["interrupted"]
    assert cli("list", "--format", "json").json == []


def interrupt_while_reading(process: Piped) -> Ended:
    """Send Ctrl-C to a process that has read all there is and waits for more."""
    process.stdin.write(b"half a message")
    process.stdin.flush()
    deadline = time.monotonic() + PATIENCE_S
    while waiting_bytes(process.stdin.fileno()) or not is_asleep(process.pid):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE_S)
    return Ended(process.wait(), out.decode(), err.decode())


def is_asleep(pid: int) -> bool:
    """Say whether a process waits for something: here, in its next read.

    A signal between two reads would not wake the second.
    """
    known = Path(f"/proc/{pid}/stat")
    if known.exists():
        return known.read_text().rpartition(")")[2].split()[0] == "S"
    shown = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=True
    )
    return shown.stdout.startswith("S")


def waiting_bytes(pipe: int) -> int:
    """Return how much was written to a pipe and is not read yet."""
    answer = fcntl.ioctl(pipe, termios.FIONREAD, bytes(4))
    return int.from_bytes(answer, sys.byteorder)


def test_tail_follows_a_thread_and_says_how_to_go_on(cli: CommandLine) -> None:
    thread = cli("start", "What is 42 * 7?", "--format", "json").json["threadId"]
    following = cli.process("tail", thread, "--from", "0", "--format", "json")
    lines = read_lines(following)
    assert [json.loads(next(lines))["position"] for _ in range(8)] == list(range(8))
    cli("message", thread, "Thanks!")
    assert json.loads(next(lines))["data"] == {"text": "Thanks!"}
    assert [json.loads(next(lines))["position"] for _ in range(2)] == [9, 10]
    following.send_signal(signal.SIGINT)
    ended = finished(following)
    assert ended.code == 130
    assert ended.notes[-1].startswith("go on with: messagedb-agent tail ")
    assert ended.notes[-1].endswith(f"{thread} --from 11")


def test_tail_follows_all_threads_by_global_position(cli: CommandLine) -> None:
    first = cli("start", "What is 42 * 7?", "--format", "json").json["threadId"]
    following = cli.process("tail", "--from", "1", "--format", "json")
    lines = read_lines(following)
    seen = [json.loads(next(lines)) for _ in range(8)]
    second = cli("start", "Thanks!", "--format", "json").json["threadId"]
    seen += [json.loads(next(lines)) for _ in range(4)]
    assert [e["streamName"].partition("-")[2] for e in seen] == [first] * 8 + [second] * 4
    following.send_signal(signal.SIGINT)
    last = seen[-1]["globalPosition"]
    assert finished(following).notes[-1].endswith(f"--from {last + 1}")


def test_tail_shows_the_types_that_are_named(cli: CommandLine) -> None:
    thread = cli("start", "What is 42 * 7?", "--format", "json").json["threadId"]
    types = "UserMessageAdded, ToolExecutionCompleted,NoSuchEvent"
    following = cli.process("tail", thread, "--from", "0", "--types", types, "--format", "json")
    lines = read_lines(following)
    assert [json.loads(next(lines))["position"] for _ in range(2)] == [1, 5]
    cli("message", thread, "Thanks!")
    assert json.loads(next(lines))["data"] == {"text": "Thanks!"}
    following.send_signal(signal.SIGINT)
    ended = finished(following)
    assert "no event of a thread has the type 'NoSuchEvent'" in ended.notes[0]
    assert f" {thread} --types '{types}' --from " in ended.notes[-1]


def read_lines(process: Piped) -> Iterator[bytes]:
    return iter(process.stdout)


def on_a_terminal(arguments: list[str]) -> tuple[int, str]:
    """Run the program on a terminal of its own; return its exit code and all that it shows."""
    child, terminal = pty.fork()
    if child == 0:
        os.execv(PROGRAM[0], [*PROGRAM, *arguments])  # noqa: S606 - no shell
    shown = b""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if not select.select([terminal], [], [], 1.0)[0]:
            continue
        try:
            piece = os.read(terminal, 65_536)
        except OSError:  # how Linux says that nobody is left on the other side
            break
        if not piece:
            break
        shown += piece
    os.close(terminal)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), shown.decode().replace("\r\n", "\n")


def test_a_terminal_shows_tool_calls_and_the_answer_once(cli: CommandLine, category: str) -> None:
    code, shown = on_a_terminal(["start", "What is 42 * 7?", "--category", category])
    assert code == 0
    call, result = '> calculate {"expression": "42 * 7"}\n', "< 294\n"
    assert shown.index(call) < shown.index(result) < shown.index("42 * 7 = 294.\n")
    assert shown.count("42 * 7 = 294.") == 1
    assert '"event"' not in shown  # logs begin at WARNING
    assert "next: messagedb-agent message" in shown


def test_a_terminal_obeys_nothing_that_a_tool_says(
    cli: CommandLine, category: str, tools: str
) -> None:
    common = ["--category", category, "--tools", tools]
    code, shown = on_a_terminal(["start", "call colourful {}", *common])
    assert code == 0
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert "\\x1b[31mred\\x1b[0m \\x1b]0;title\\x07" in shown
    code, shown = on_a_terminal(["show", "last", *common])
    assert code == 0
    assert "\\x1b[31mred" in shown
    assert "\x1b[31m" not in shown
    code, shown = on_a_terminal(["list", *common])
    assert (code, "call colourful {}" in shown) == (0, True)


def test_a_narrow_terminal_cuts_no_name_of_a_thread(
    cli: CommandLine, category: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    thread = cli("start", "What is 42 * 7?", "--format", "json").json["threadId"]
    monkeypatch.setenv("COLUMNS", "46")
    code, shown = on_a_terminal(["list", "--category", category])
    assert (code, f"{thread[:6]}  waiting" in shown) == (0, True)
    code, shown = on_a_terminal(["show", "last", "--as", "lineage", "--category", category])
    assert (code, f"{thread[:6]}/7  {thread[:6]}/0" in shown) == (0, True)


def test_the_shell_completes_commands() -> None:
    asked = {"_MESSAGEDB_AGENT_COMPLETE": "complete_bash", "COMP_WORDS": "messagedb-agent co"}
    ended = subprocess.run(
        [*PROGRAM], env={**os.environ, **asked, "COMP_CWORD": "1"}, capture_output=True, text=True
    )
    assert ended.stdout.split() == ["continue", "consume", "config"]


@pytest.fixture
def own_home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    home = new_home()
    monkeypatch.delenv("MESSAGE_DB_URL")
    monkeypatch.setenv("MESSAGEDB_AGENT_HOME", str(home))
    yield home
    remove_embedded(EmbeddedSettings(home))


def test_the_embedded_server_from_first_start_to_stop(cli: CommandLine, own_home: Path) -> None:
    status = cli("db", "status")
    assert (status.code, "not running" in status.out) == (0, True)
    assert not (own_home / "postgres").exists()
    assert cli("start", "What is 42 * 7?").out == "42 * 7 = 294.\n"
    assert "Message DB: installed" in cli("db", "status").out
    url, admin = cli("db", "url").out, cli("db", "url", "--admin").out
    assert url.startswith("postgresql://message_store@/message_store?host=")
    assert admin.startswith("postgresql://postgres@/message_store?host=")
    shell = cli.process("db", "shell")
    ended = finished(shell, b"select count(*), current_user from get_category_messages('x');\n")
    assert ended.code == 0, ended.err
    assert "message_store" in ended.out
    assert cli("db", "install").notes == ["Message DB was there; nothing is changed"]
    assert cli("db", "stop").notes == ["the embedded server has ended"]
    assert cli("db", "stop").notes == ["the embedded server does not run"]
    assert cli("list", "--format", "json").json[0]["title"] == "What is 42 * 7?"


def test_what_only_the_embedded_server_has_is_refused_elsewhere(cli: CommandLine) -> None:
    assert "embedded server" in cli.refused("db", "stop", code=4)
    assert "embedded server" in cli.refused("db", "url", "--admin", code=4)
    assert cli("db", "url").out == os.environ["MESSAGE_DB_URL"] + "\n"
