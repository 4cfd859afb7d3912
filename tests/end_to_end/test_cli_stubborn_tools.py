"""Tools that do what no tool should: the command says its answer and ends all the same."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.cli import PROGRAM, CommandLine, Ended, finished

TOOLS = '''
import asyncio
import os
import sys
import threading
import time
from messagedb_agent import tool

@tool
def close_streams() -> str:
    """Close what is standard."""
    sys.stdout.close()
    sys.stderr.close()
    sys.__stdout__.close()
    return "closed"

@tool
def close_descriptors() -> str:
    """Close the descriptors themselves."""
    os.close(1)
    os.close(2)
    return "closed"

@tool(effect="retry")
async def cancel_everything() -> str:
    """Cancel all tasks, the first time."""
    try:
        with open("seen", "x"):
            for task in asyncio.all_tasks():
                task.cancel()
            await asyncio.sleep(3600)
    except FileExistsError:
        pass
    return "rested"

@tool(effect="retry")
async def leave_an_exit() -> str:
    """Leave a task that ends the program, the first time."""
    async def end() -> None:
        sys.exit(3)

    try:
        with open("seen", "x"):
            asyncio.create_task(end())
            await asyncio.sleep(3600)
    except FileExistsError:
        pass
    return "rested"

@tool(timeout_s=0.2)
async def swallow() -> str:
    """Take no notice of being cancelled."""
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            print("not now", file=sys.stderr)

@tool
async def patient_swallow() -> str:
    """Take no notice of being cancelled, without a time."""
    print("at work", file=sys.stderr)
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            print("not now", file=sys.stderr)

@tool(timeout_s=0.2)
async def block_the_pool() -> str:
    """Sleep in a thread of the loop's own."""
    await asyncio.to_thread(time.sleep, 3600)
    return "rested"

@tool
def leave_a_thread() -> str:
    """Start a thread that never ends."""
    threading.Thread(target=time.sleep, args=(3600,)).start()
    return "left"

@tool(timeout_s=0.2)
def block() -> str:
    """Sleep in the tool's own thread."""
    time.sleep(3600)
    return "rested"
'''


@pytest.fixture
def tools(tmp_path: Path) -> str:
    (tmp_path / "stubborn_tools.py").write_text(TOOLS)
    return "stubborn_tools"


def without_traceback(ended: Ended) -> Ended:
    for noise in ("Traceback", "Exception ignored", "destroyed", "never awaited", "Error:"):
        assert noise not in ended.err
    return ended


@pytest.mark.parametrize("name", ["close_streams", "close_descriptors"])
def test_a_tool_that_closes_standard_output_keeps_no_answer_back(
    cli: CommandLine, tools: str, name: str
) -> None:
    ended = without_traceback(finished(cli.process("start", f"call {name} {{}}", "--tools", tools)))
    assert (ended.code, ended.out) == (0, f"{name}: closed\n")
    assert ended.notes[-1].startswith("next: messagedb-agent message ")
    log = [line for line in ended.err.splitlines() if "LlmResponseReceived" in line]
    assert len(log) == 2  # the log goes on as well


@pytest.mark.parametrize("name", ["cancel_everything", "leave_an_exit"])
def test_a_tool_that_ends_the_command_leaves_a_thread_that_continue_takes_up(
    cli: CommandLine, tools: str, name: str
) -> None:
    running = cli.process("start", f"call {name} {{}}", "--tools", tools)
    ended = without_traceback(finished(running))
    assert (ended.code, ended.out) == (130, "")
    told = "error: the command was cancelled from within, as by a tool; "
    (line,) = [note for note in ended.notes if note.startswith(told)]
    thread = line.split()[-1]
    continued = cli("continue", thread, "--tools", tools)
    assert (continued.code, continued.out) == (0, f"{name}: rested\n")


@pytest.mark.parametrize("name", ["swallow", "block_the_pool", "block"])
def test_a_tool_that_will_not_stop_in_its_time_is_left_behind(
    cli: CommandLine, tools: str, name: str
) -> None:
    running = cli.process("start", f"call {name} {{}}", "--tools", tools)
    ended = without_traceback(finished(running))
    assert ended.code == 0
    assert ended.out.startswith(f"{name}: ")
    events = cli("show", "last", "--format", "json").json
    (failed,) = [e["data"] for e in events if e["type"] == "ToolExecutionFailed"]
    assert failed["kind"] == "timed_out"


def test_a_thread_that_a_tool_left_keeps_no_process_from_ending(
    cli: CommandLine, tools: str
) -> None:
    running = cli.process("start", "call leave_a_thread {}", "--tools", tools)
    ended = without_traceback(finished(running))
    assert (ended.code, ended.out) == (0, "leave_a_thread: left\n")


def test_ctrl_c_ends_a_tool_that_takes_no_notice(cli: CommandLine, tools: str) -> None:
    running = cli.process("start", "call patient_swallow {}", "--tools", tools)
    seen = b""
    for line in running.stderr:
        seen += line
        if b"at work" in line:
            running.send_signal(signal.SIGINT)
            break
    out, err = running.communicate(timeout=60)
    ended = without_traceback(Ended(running.wait(), out.decode(), (seen + err).decode()))
    assert (ended.code, ended.out) == (130, "")
    assert "not now" in ended.notes
    (told,) = [n for n in ended.notes if n.startswith("interrupted; ")]
    thread = told.split()[-1]
    continued = cli("continue", thread, "--tools", tools)  # of unknown outcome: not run again
    assert (continued.code, "patient_swallow" in continued.out) == (0, True)


@pytest.mark.parametrize("command", [["list"], ["tail", "--from", "1"], ["show", "last"]])
def test_a_reader_that_takes_one_line_is_no_error(
    cli: CommandLine, category: str, command: list[str]
) -> None:
    for _ in range(2):
        cli("start", "What is 42 * 7?")
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [*PROGRAM, "--category", category, *command], stdout=writing, stderr=subprocess.PIPE
    )
    os.close(writing)
    assert os.read(reading, 1)
    os.close(reading)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, b"")
