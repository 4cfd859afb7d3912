"""What `replay` shows of each event, to a person and to programs."""

import re

import psycopg
import pytest

from tests.cli import CommandLine
from tests.end_to_end.test_cli_sessions import started
from tests.terminal import Opens


def moments_of(shown: str) -> list[str]:
    return re.split(r"\n(?= *\d+  20)", shown.rstrip())


def test_each_event_is_shown_with_what_it_changed_and_what_was_next(cli: CommandLine) -> None:
    thread = started(cli)
    ended = cli("replay", thread)
    assert ended.code == 0
    blocks = moments_of(ended.out)
    asked = next(block for block in blocks if "LlmResponseReceived  calls" in block)
    assert "calls calculate ready" in asked
    assert "conversation  1 message\n" in asked
    assert asked.endswith("next          run calculate")
    done = next(block for block in blocks if "ToolExecutionCompleted  294" in block)
    assert "calls none" in done
    assert "\n        tool calculate: 294\n" in done
    assert done.endswith("next          ask the model")
    assert blocks[-1].endswith("next          wait for a user")


def test_changes_of_the_state_stand_in_lines_that_fit_and_none_is_left_out(
    cli: CommandLine,
) -> None:
    thread = started(cli)
    shown = cli("replay", thread).out
    assert max(map(len, shown.splitlines())) <= 20 + 80
    states = [moment["state"] for moment in cli("replay", thread, "--format", "json").json]
    blocks = moments_of(shown)
    assert any(re.search(r"state  .*\n {20}\w", block) for block in blocks), "more than one line"
    for block, before, after in zip(blocks[1:], states, states[1:], strict=False):
        told = block.partition(" state  ")[2].partition("\n      conversation  ")[0]
        names = {change.split()[0] for change in re.split(r"; |\n", told)} - {"calls", "as"}
        assert names == {name for name in after if after[name] != before[name]} - {"calls"}


def test_in_json_each_moment_is_what_show_says_of_its_position(cli: CommandLine) -> None:
    thread = started(cli)
    moments = cli("replay", thread, "--format", "json").json
    assert [moment["event"] for moment in moments] == cli("show", thread, "--format", "json").json
    shown = []
    for position, moment in enumerate(moments):
        assert moment["isOwn"] is True
        at = ("--at", str(position), "--format", "json")
        assert moment["state"] == cli("show", thread, "--as", "state", *at).json
        assert not moment["conversation"]["isRewritten"]
        shown += moment["conversation"]["added"]
        assert moment["conversation"]["messages"] == len(shown)
        there = cli("show", thread, "--as", "conversation", *at).json
        assert shown == [message for message in there if message["role"] != "system"]
    steps = [moment["next"] for moment in moments]
    assert steps[1:4:2] == [
        {"step": "CallModel"},
        {"step": "RunTools", "callIds": [moments[3]["event"]["data"]["toolCalls"][0]["callId"]]},
    ]
    assert steps[-1] == {"step": "Wait", "reason": "user"}


def test_it_ends_at_a_position_and_begins_with_a_forks_ancestors(cli: CommandLine) -> None:
    thread = started(cli)
    assert len(cli("replay", thread, "--at", "3", "--format", "json").json) == 4
    fork = cli("fork", thread, "--at", "7").out.strip().splitlines()[0].split()[-1]
    moments = cli("replay", fork, "--format", "json").json
    assert [moment["isOwn"] for moment in moments] == [False] * 8 + [True] * (len(moments) - 8)
    assert f"(of {moments[0]['event']['streamName']})" in cli("replay", fork).out


def test_what_others_wrote_is_shown_and_changes_nothing(
    cli: CommandLine, store_url: str, category: str
) -> None:
    thread = started(cli)
    with psycopg.connect(store_url) as connection:
        connection.execute(
            "SELECT write_message(gen_random_uuid()::text, %s, %s, %s::jsonb)",
            (f"{category}:v0-{thread}", "Strange\x1b[2J", '"\\u001b[31m"'),
        )
    last = moments_of(cli("replay", thread).out)[-1]
    assert "Strange\\x1b[2J" in last
    assert "state         as before" in last
    assert "\x1b" not in last
    assert cli("replay", thread, "--format", "json").json[-1]["next"]["reason"] == "user"


def test_steps_in_a_pipe_are_all_shown_at_once(cli: CommandLine) -> None:
    thread = started(cli)
    assert cli("replay", thread, "--step").out == cli("replay", thread).out


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("replay", "nobody"), 3, "no thread 'nobody'"),
        (("replay", "last", "--at", "99"), 2, "the last position of thread"),
    ],
)
def test_what_is_not_there_is_refused(
    cli: CommandLine, arguments: tuple[str, ...], code: int, said: str
) -> None:
    started(cli)
    assert said in cli.refused(*arguments, code=code)


def test_a_person_walks_by_keys(cli: CommandLine, terminal: Opens) -> None:
    thread = started(cli)
    window = terminal("replay", thread, "--step", "--at", "2")
    window.expect("2  20")
    window.expect("[3 of 8]")
    window.strike_until("$", "[8 of 8]")
    window.strike_until("n", "that was the last event")
    window.strike_until("b", "[7 of 8]")
    window.strike_until("j", "position (0 to 7):")
    window.type("3")
    window.expect("next          run calculate")
    window.expect("[4 of 8]")
    window.strike_until("/", "search:")
    window.type('"294"')  # in quotes no id holds it
    window.expect("ToolExecutionCompleted  294")
    window.expect("[6 of 8]")
    window.strike_until("s", "total")
    window.strike_until("?", "jump to a position")
    window.strike_until("j", "position (0 to 7):")
    window.type("elsewhere")
    window.expect("no event 'elsewhere' in this thread")
    window.expect("[6 of 8] n next, b back, j jump, / search, q quit, ? help: ")
    window.press_until("d", "\n")
    assert window.ended() == 0
