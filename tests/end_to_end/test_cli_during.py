"""Turns that others cancel, interrupt or must not disturb: each command is a process."""

from pathlib import Path

import pytest

from tests.cli import CommandLine, Ended, finished
from tests.model_server import ModelServer, Say
from tests.terminal import Terminal
from tests.waiting import PATIENCE_S

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
'''


@pytest.fixture
def tools(cli: CommandLine) -> tuple[str, str]:
    Path("during_tools.py").write_text(TOOLS)
    return ("--tools", "during_tools")


class Resting:
    """A process in the middle of a tool call."""

    def __init__(self, cli: CommandLine, tools: tuple[str, str], tool: str = "rest") -> None:
        self.process = cli.process("start", f"call {tool} {{}}", *tools)
        self._said = b""
        for line in self.process.stderr:
            self._said += line
            if b"ToolExecutionStarted" in line:
                return

    def ended(self) -> Ended:
        out, err = self.process.communicate(timeout=PATIENCE_S)
        return Ended(self.process.wait(), out.decode(), (self._said + err).decode())


def types(cli: CommandLine) -> list[str]:
    return [event["type"] for event in cli("show", "last", "--format", "json").json]


@pytest.mark.parametrize(("tool", "kind"), [("rest", "cancelled"), ("pay", "outcome_unknown")])
def test_a_cancel_stops_a_tool_that_runs_in_another_process(
    cli: CommandLine, tools: tuple[str, str], tool: str, kind: str
) -> None:
    resting = Resting(cli, tools, tool)
    cancelled = cli("cancel", "last", "--reason", "enough", "--by", "ada")
    assert (cancelled.code, cancelled.out) == (0, "")
    assert cancelled.notes[0].endswith(" is cancelled")
    assert cancelled.notes[1].startswith("next: messagedb-agent message ")
    told = [note.partition(":")[0] for note in cancelled.notes[2:]]
    wanted = ["outcome unknown", "if you find out what happened"] if tool == "pay" else []
    assert told == wanted
    ended = resting.ended()
    assert (ended.code, ended.out) == (12, "")
    assert "the turn was cancelled by ada: enough" in ended.notes
    failed = cli("show", "last", "--format", "json").json[-1]
    assert (failed["type"], failed["data"]["kind"]) == ("ToolExecutionFailed", kind)
    assert cli("message", "last", "Thanks!", *tools).out == "You are welcome!\n"
    assert cli("verify", "last").code == 0


def test_a_cancel_stops_a_model_in_the_middle_of_its_answer(
    cli: CommandLine, category: str
) -> None:
    half = Say("nobody hears the rest of it", piece=6, cut_after=4, cut="stall")
    with ModelServer(half) as provider:
        cli.set(MODEL_API_BASE=provider.url + "/v1")
        person = Terminal("start", "hi", "--model", "openai/scripted", "--category", category)
        try:
            person.expect("nobody")
            cancelled = cli("cancel", "last", "--reason", "enough")
            assert cancelled.notes[0].endswith(" is cancelled")
            person.expect("the turn was cancelled: enough")
            assert person.ended() == 12
        finally:
            person.kill()
        assert types(cli)[-2:] == ["TurnCancelled", "LlmCallFailed"]
        assert cli("show", "last", "--format", "json").json[-1]["data"]["kind"] == "cancelled"
    assert cli("message", "last", "Thanks!", "--model", "offline").out == "You are welcome!\n"
    assert cli("verify", "last").code == 0


def test_a_cancel_of_a_thread_at_rest_changes_nothing(cli: CommandLine) -> None:
    cli("start", "Thanks!")
    before = types(cli)
    assert cli("cancel", "last").notes[0].endswith("has no turn under way; nothing is changed")
    assert types(cli) == before
    cli.refused("cancel", "nobody", code=3)


def test_a_message_during_a_turn_is_refused_or_interrupts_as_it_says(
    cli: CommandLine, tools: tuple[str, str]
) -> None:
    resting = Resting(cli, tools)
    before = types(cli)
    line = cli.refused("message", "last", "Thanks!", "--during", "reject", *tools, code=9)
    queued = cli.line("message", *tools, "last", "Thanks!")
    assert line == (
        f"error: a turn is under way in this thread; to be answered after it: {queued};"
        " or in its place: --during interrupt"
    )
    lacking = cli.refused("message", "last", "Thanks!", "--during", "interrupt", code=4)
    how = ("--during", "interrupt", "last", "Thanks!")
    assert lacking.endswith(
        f"; type: {cli.line('message', *tools, *how)}"
        f"; or leave it to workers: {cli.line('message', '--detach', *how)}"
    )
    assert types(cli) == before
    answered = cli("message", "last", "Thanks!", "--during", "interrupt", *tools)
    assert (answered.code, answered.out) == (0, "You are welcome!\n")
    ended = resting.ended()
    assert (ended.code, ended.out) == (12, "")
    assert "the turn was cancelled: interrupted by a message" in ended.notes
    assert cli("message", "last", "Thanks!", "--during", "reject", *tools).code == 0
    assert cli("verify", "last").code == 0


def test_a_turn_whose_process_was_killed_is_cancelled_too(
    cli: CommandLine, tools: tuple[str, str]
) -> None:
    resting = Resting(cli, tools, "pay")
    resting.process.kill()
    resting.ended()
    assert finished(cli.process("cancel", "last")).code == 0
    assert types(cli)[-2:] == ["TurnCancelled", "ToolExecutionFailed"]
    assert cli("list", "--format", "json").json[0]["status"] == "waiting"
