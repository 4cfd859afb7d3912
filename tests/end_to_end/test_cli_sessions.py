"""What a person does with threads on the command line."""

import re

import pytest

from tests.cli import CommandLine
from tests.model_server import Fail, ModelServer, Say

UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"

TOOLS = '''
from messagedb_agent import tool

@tool(needs_approval=True)
def wipe(path: str) -> str:
    """Remove a folder.

    Args:
        path: which.
    """
    return f"{path} is gone"
'''


def started(cli: CommandLine, message: str = "What is 42 * 7?") -> str:
    ended = cli("start", message, "--format", "json")
    assert ended.code == 0, ended.err
    return str(ended.json["threadId"])


def test_three_turns_are_answered_and_shown(cli: CommandLine) -> None:
    first = cli("start", "What is 5 + 3?")
    assert (first.code, first.out) == (0, "5 + 3 = 8.\n")
    (thread,) = [n.removeprefix("thread ") for n in first.notes if n.startswith("thread ")]
    assert cli("message", thread, "Can you also tell me the time?").out.startswith("It is 20")
    assert cli("message", thread, "Thanks for your help!").out == "You are welcome!\n"
    shown = cli("show", thread).out
    said = [line.removeprefix("you: ") for line in shown.splitlines() if line.startswith("you: ")]
    assert said == ["What is 5 + 3?", "Can you also tell me the time?", "Thanks for your help!"]
    assert 'tool calculate {"expression": "5 + 3"} -> 8' in shown
    assert "agent: 5 + 3 = 8." in shown


def test_start_says_which_thread_it_was_and_what_to_type_next(cli: CommandLine) -> None:
    ended = cli("start", "What is 42 * 7?")
    assert ended.out == "42 * 7 = 294.\n"
    no_model, thread, following = ended.notes
    assert "offline rules, which are no LLM" in no_model
    thread_id = thread.removeprefix("thread ")
    assert re.fullmatch(UUID, thread_id)
    assert re.match("next: messagedb-agent message --category test[0-9a-f]+ ", following)
    prefix = following.split()[-2]
    assert thread_id.startswith(prefix)
    assert len(prefix) >= 6
    assert cli("message", prefix, "Thanks!").out == "You are welcome!\n"


def test_json_of_a_turn_is_one_object(cli: CommandLine) -> None:
    turn = cli("start", "What is 42 * 7?", "--format", "json").json
    assert set(turn) == {
        *("threadId", "status", "answer", "output", "usage", "position", "approvals")
    }
    assert (turn["status"], turn["answer"], turn["position"]) == ("waiting", "42 * 7 = 294.", 7)
    assert turn["output"] is None
    assert turn["usage"]["inputTokens"] > 0
    assert turn["usage"]["toolCalls"] == 1
    again = cli("message", "last", "Thanks!", "--format", "json").json
    assert again["threadId"] == turn["threadId"]
    assert again["usage"]["modelCalls"] == 3
    assert cli("continue", "last", "--format", "json").json["position"] == again["position"]


def test_a_dash_reads_the_message_from_standard_input(cli: CommandLine) -> None:
    assert cli("start", "-", stdin=b"What is\n6 * 7?\n").code == 0
    (said,) = [e["data"] for e in cli("show", "last", "--format", "json").json[1:2]]
    assert said == {"text": "What is\n6 * 7?"}


def test_threads_go_by_id_by_unique_prefix_and_by_last(cli: CommandLine) -> None:
    first, second = started(cli), started(cli)
    assert cli("show", "last").out.startswith(f"thread {second}\n")
    assert cli("show", first[:18]).out.startswith(f"thread {first}\n")
    cli("message", first, "Thanks!")
    assert cli("show", "last").out.startswith(f"thread {first}\n")


def test_a_prefix_of_two_threads_is_ambiguous(cli: CommandLine) -> None:
    threads = [started(cli) for _ in range(17)]  # of 17, two begin with the same digit
    twice = next(t[0] for t in threads if sum(o[0] == t[0] for o in threads) > 1)
    assert "more than one thread" in cli.refused("show", twice, code=3)


def test_continue_says_when_there_is_nothing_to_continue(cli: CommandLine) -> None:
    started(cli)
    ended = cli("continue", "last")
    assert (ended.code, ended.out) == (0, "")
    assert ended.notes[0].startswith("nothing to continue: nothing was interrupted")
    assert "waits for a message" in ended.notes[0]


def test_continue_of_an_ended_thread_says_how_to_reopen_it(cli: CommandLine) -> None:
    thread = started(cli)
    cli("end", "last")
    for form in ("text", "json"):
        ended = cli("continue", "last", "--format", form)
        assert ended.code == 0
        assert ended.notes[0] == "nothing to continue: the thread has ended; a message reopens it"
        assert ended.notes[-1].startswith("next: messagedb-agent message ")
    assert (ended.json["threadId"], ended.json["status"]) == (thread, "ended")
    assert len(cli("show", "last", "--format", "json").json) == 10


def test_continue_of_a_thread_at_rest_writes_nothing(cli: CommandLine) -> None:
    with open("resting_tools.py", "w") as file:
        file.write(TOOLS)
    started(cli, "What is 42 * 7?")
    cli("message", "last", "Thanks!", "--tools", "resting_tools")
    before = cli("show", "last", "--format", "json").json
    ended = cli("continue", "last")
    assert ended.code == 0
    assert ended.notes[0].startswith("nothing to continue: ")
    assert cli("show", "last", "--format", "json").json == before


def test_of_tools_that_are_not_here_those_with_an_open_call_are_named(cli: CommandLine) -> None:
    with open("open_tools.py", "w") as file:
        file.write(TOOLS + "\n@tool\ndef idle() -> str:\n    return ''\n")
    cli("start", 'call wipe {"path": "/tmp"}', "--tools", "open_tools")
    for command in (["continue", "last"], ["message", "last", "hi"]):
        line = cli.refused(*command, code=4)
        assert "a call of wipe is open in this thread" in line
        assert "idle" not in line


def test_end_ends_a_thread_and_a_message_reopens_it(cli: CommandLine) -> None:
    started(cli)
    assert cli("end", "last", "--reason", "all said").code == 0
    assert cli("list", "--format", "json").json[0]["status"] == "ended"
    assert "[asked to end: all said]" in cli("show", "last").out
    assert cli("message", "last", "Thanks!").out == "You are welcome!\n"
    assert cli("list", "--format", "json").json[0]["status"] == "waiting"


def test_a_turn_that_a_limit_stops_goes_on_with_continue(cli: CommandLine) -> None:
    cli.set(MAX_ITERATIONS="1")
    ended = cli("start", "What is 42 * 7?")
    assert (ended.code, ended.out) == (7, "")
    reached, _, go_on, raised = ended.notes[1:]
    assert reached == "error: limit reached: callsPerTurn (1 of 1, the setting MAX_ITERATIONS)"
    assert go_on.startswith("go on: messagedb-agent continue ")
    assert raised.startswith("with more calls a turn: MAX_ITERATIONS=2 messagedb-agent continue ")
    again = cli("continue", "last")
    assert (again.code, again.out) == (0, "42 * 7 = 294.\n")


def test_max_iterations_that_is_set_replaces_the_recorded_limit(cli: CommandLine) -> None:
    started(cli)
    cli.set(MAX_ITERATIONS="1")
    assert cli("message", "last", "What is 6 * 7?").code == 7


@pytest.fixture
def provider(cli: CommandLine) -> ModelServer:
    server = ModelServer()
    cli.set(MODEL_API_BASE=server.url + "/v1")
    return server


def test_a_model_that_fails_leaves_the_thread_for_continue(
    cli: CommandLine, provider: ModelServer
) -> None:
    provider.then(Fail(401, "this key is no good"), Say("hello"), Say("again"))
    with provider:
        failed = cli("start", "hi", "--model", "openai/scripted", "--format", "json")
        assert failed.code == 6
        assert failed.json["status"] == "failed"
        assert failed.json["answer"] is None
        assert any("this key is no good" in note for note in failed.notes)
        continued = cli("continue", "last", "--model", "openai/scripted")
        assert (continued.code, continued.out) == (0, "hello\n")
        kept = cli("message", "last", "more?")  # no model is named: the recorded one goes on
        assert (kept.out, len(provider.requests)) == ("again\n", 3)
        redefined = cli("message", "last", "Thanks!", "--model", "offline")
        assert redefined.out == "You are welcome!\n"
    types = [event["type"] for event in cli("show", "last", "--format", "json").json]
    assert types.count("AgentRedefined") == 1
