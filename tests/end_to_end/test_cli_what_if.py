"""A turn of the past, run on with something other than it was."""

from pathlib import Path

import pytest

from tests.cli import CommandLine
from tests.end_to_end.test_cli_sessions import started
from tests.terminal import Opens


def newest(cli: CommandLine) -> str:
    thread: str = cli("list", "--format", "json").json[0]["threadId"]
    return thread


@pytest.mark.parametrize("call", ["calculate", "4", "5", "_0"])
def test_another_result_of_a_call_has_another_answer(cli: CommandLine, call: str) -> None:
    cli.set(COLUMNS="120")
    parent = started(cli)
    ended = cli("what-if", "last", "--at", "5", "--tool-result", f"{call}=295")
    fork = newest(cli)
    assert (ended.code, ended.out) == (0, "42 * 7 = 295.\n")
    assert ended.notes == [
        'calculate {"expression": "42 * 7"} -> 295 [given]',
        "offline -> 42 * 7 = 295. [the model was asked]",
        f"thread {fork}",
        f'next: {cli.line("message", fork[:6])} "..."',
        f"compare: {cli.line('diff', parent[:6], fork[:6])}",
    ]
    assert '{"expression": "42 * 7"} -> 295 (given; no tool ran)' in cli("show", fork).out
    start = cli("show", fork, "--format", "json").json[0]["data"]
    assert start["forkedFrom"]["position"] == 4
    assert start["forkedFrom"]["tools"] == "recorded"
    assert cli("verify", fork).code == 0
    compared = cli("diff", parent, fork)
    assert compared.code == 1
    (answers,) = [x for x in compared.out.splitlines() if x.startswith("assistant: 42")]
    assert [side.strip() for side in answers.split("|")] == [
        "assistant: 42 * 7 = 294.",
        "assistant: 42 * 7 = 295.",
    ]


def test_what_came_from_the_record_is_told_and_several_models_make_several_forks(
    cli: CommandLine, tmp_path: Path
) -> None:
    parent = started(cli)
    (tmp_path / "prompt.txt").write_text("Be brief.")
    ended = cli(
        *("what-if", parent, "--at", "1", "--model", "offline", "--model", "offline"),
        *("--system-prompt", "prompt.txt", "--temperature", "0.5", "--format", "json"),
    )
    assert ended.code == 0
    assert ended.json["parent"] == {"threadId": parent, "position": 1}
    one, other = ended.json["branches"]
    assert one["threadId"] != other["threadId"]
    assert [branch["answer"] for branch in (one, other)] == ["42 * 7 = 294."] * 2
    assert [step["source"] for step in one["steps"]] == ["asked", "record", "asked"]
    shown = cli("show", one["threadId"]).out
    assert '{"expression": "42 * 7"} -> 294 (from the record; no tool ran)' in shown
    recorded = one["steps"][1]["recorded"]
    assert (recorded["streamName"].endswith(parent), recorded["position"]) == (True, 5)
    definition = cli("show", one["threadId"], "--format", "json").json[0]["data"]["definition"]
    assert definition["systemPrompt"] == "Be brief."
    assert definition["parameters"] == {"temperature": "0.5"}
    text = cli("what-if", parent, "--at", "1", "--model", "offline", "--model", "offline")
    assert text.out == "offline (1):\n42 * 7 = 294.\noffline (2):\n42 * 7 = 294.\n"
    told = f'calculate {{"expression": "42 * 7"}} -> 294 [from the record, {parent[:6]}/5]'
    assert text.notes.count(told) == 2
    assert cli("verify", one["threadId"]).code == 0


def test_the_model_that_is_named_is_asked_and_not_the_recorded_one(cli: CommandLine) -> None:
    cli.set(OPENAI_API_KEY="no-key")
    left = cli("--model", "openai/gpt-4o", "start", "--detach", "What is 42 * 7?")
    assert left.code == 0
    ended = cli("what-if", "last", "--at", "1", "--model", "offline", "--tools", "live")
    assert (ended.code, ended.out) == (0, "42 * 7 = 294.\n")


def test_a_call_that_the_record_does_not_know_ends_the_command_and_is_told(
    cli: CommandLine,
) -> None:
    first = started(cli, "What is 5 + 3?")
    cli("message", first, "What is 6 + 3?")
    fork = cli("fork", first, "--at", "7").out.strip()
    cli("message", "--detach", fork, "What is 7 + 3?")
    ended = cli("what-if", fork, "--at", "1")
    why = 'the record has no result of calculate {"expression": "7 + 3"}'
    assert ended.code == 12
    assert f"the turn was cancelled: {why}" in ended.notes
    assert any(note.endswith("[not in the record: stopped]") for note in ended.notes)
    live = cli("what-if", fork, "--at", "1", "--tools", "live")
    assert (live.code, live.out) == (0, "7 + 3 = 10.\n")
    assert any(note.endswith("10 [the tool ran]") for note in live.notes)


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["--at", "8"], 2, "8 is no position"),
        (["--at", "7"], 9, "nothing is to be done at position 7"),
        (["--at", "5", "--tool-result", "calculate"], 2, "is not CALL=JSON"),
        (["--at", "5", "--tool-result", "=1"], 2, "is not CALL=JSON"),
        (["--at", "5", "--tool-result", "calculate=abc"], 2, "as a text it is '\"abc\"'"),
        (["--at", "5", "--tool-result", "echo=1"], 3, "echo"),
        (["--at", "5", "--tool-result", "7=1"], 3, "7"),
        (["--at", "5", *["--tool-result", "calculate=1"] * 2], 2, "two results for call"),
        (["--at", "1", "--system-prompt", "missing.txt"], 2, "missing.txt cannot be read"),
        (["--at", "1", "--temperature", "hot"], 2, "no decimal number: hot"),
        (["--at", "1", "--temperature", "NaN"], 2, "no finite number"),
        (["--at", "1", "--temperature", "-0.1"], 2, "the temperature is 0 to 2, not -0.1"),
        (["--at", "1", "--temperature", "2.01"], 2, "the temperature is 0 to 2, not 2.01"),
        (["--at", "1", "--temperature", "1e400"], 2, "the temperature is 0 to 2, not 1e400"),
        (["--at", "1", "--temperature", "1e-500"], 2, "no more than 60 digits"),
        (["--at", "1", "--tools", "ask"], 2, "needs a person at a terminal"),
        (["--at", "1", "--model", "nobody/knows:this"], 4, ""),
        (["--at", "1", "--model", "offline", "--model", "groq"], 4, "groq"),
    ],
)
def test_what_cannot_be_supposed_is_refused_and_leaves_no_fork(
    cli: CommandLine, arguments: list[str], code: int, told: str
) -> None:
    started(cli)
    assert told in cli.refused("what-if", "last", *arguments, code=code)
    assert len(cli("list", "--format", "json").json) == 1


def test_a_result_for_a_call_behind_the_fork_is_told_once_or_as_not_used(cli: CommandLine) -> None:
    thread = started(cli)
    cli("message", thread, "What is 5 + 3?")
    supposed = ("--at", "1", "--tool-result", "5=295", "--tool-result", "12=9")
    ended = cli("what-if", thread, *supposed)
    assert ended.out == "42 * 7 = 295.\n"
    assert [note for note in ended.notes if "given" in note] == [
        'calculate {"expression": "5 + 3"} -> 9 [given, and not used: the call was not made]',
        'calculate {"expression": "42 * 7"} -> 295 [given]',
    ]
    (branch,) = cli("what-if", thread, *supposed, "--format", "json").json["branches"]
    assert [step["source"] for step in branch["steps"]] == ["unused", "asked", "given", "asked"]


def test_results_are_texts_or_json(cli: CommandLine) -> None:
    thread = started(cli, 'call echo {"text": "hello"}')
    for given, shown in (('"hi"', "hi"), ('{"a": [1]}', '{"a": [1]}'), ('""', "(no output)")):
        ended = cli("what-if", thread, "--at", "5", "--tool-result", f"echo={given}")
        assert ended.out == f"echo: {shown}\n"


def test_at_a_terminal_a_person_is_asked_for_what_the_record_does_not_know(
    cli: CommandLine, terminal: Opens
) -> None:
    thread = started(cli)
    cli("message", "--detach", thread, "What is 7 + 3?")
    asking = terminal("what-if", thread, "--at", "8", "--tools", "ask")
    asking.expect('not in the record: calculate {"expression": "7 + 3"}')
    asking.expect("its result, as JSON (nothing stops here):")
    asking.type("eleven")
    asking.expect("is no JSON")
    asking.expect("its result, as JSON (nothing stops here):")
    asking.type("11")
    asking.expect("7 + 3 = 11.")
    asking.expect('calculate {"expression": "7 + 3"} -> 11 [given]')
    assert asking.ended() == 0
    stopping = terminal("what-if", thread, "--at", "8", "--tools", "ask")
    stopping.expect("its result, as JSON (nothing stops here):")
    stopping.type("")
    stopping.expect("the turn was cancelled: the record has no result of calculate")
    assert stopping.ended() == 12
    assert cli("verify", "last").code == 0
