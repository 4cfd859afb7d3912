"""What a model was asked with, and where each part of it came from."""

import psycopg
import pytest

from tests.cli import CommandLine
from tests.end_to_end.test_cli_sessions import started


@pytest.mark.parametrize("call", ["6", "7", "id"])
def test_each_part_of_a_request_names_its_event(cli: CommandLine, call: str) -> None:
    thread = started(cli)
    events = cli("show", thread, "--format", "json").json
    name = events[6]["id"] if call == "id" else call
    ended = cli("explain", thread, name)
    assert ended.code == 0
    lines = ended.out.splitlines()
    assert lines[0] == f"request of {events[0]['streamName']}/6"
    assert lines[1] == "   0  model offline"
    assert lines[-4:-1] == [
        "   1  user: What is 42 * 7?",
        '   3  assistant calls calculate {"expression": "42 * 7"}',
        "   5  tool calculate: 294",
    ]
    digest = events[6]["data"]["requestDigest"]
    assert lines[-1] == f"digest {digest}, as recorded"
    found = cli("explain", thread, name, "--format", "json").json
    assert found["digest"] == {"recorded": digest, "computed": digest}
    assert [m["from"]["position"] for m in found["messages"]] == [1, 3, 5]
    assert found["definedBy"]["position"] == 0


def test_a_call_of_a_fork_names_its_parents_events(cli: CommandLine) -> None:
    parent = started(cli)
    fork = cli("fork", parent, "--at", "7").out.strip()
    cli("message", fork, "Thanks!")
    lines = cli("explain", fork, "2").out.splitlines()
    assert f"{parent[:6]}/1  user: What is 42 * 7?" in lines
    assert "       1  user: Thanks!" in lines
    assert "       0  model offline" in lines
    shared = cli("show", parent, "--format", "json").json[2]["id"]
    assert cli("explain", fork, shared).out == cli("explain", parent, "2").out


def test_a_request_that_is_not_the_one_recorded_is_a_finding(
    cli: CommandLine, admin_url: str, category: str
) -> None:
    thread = started(cli)
    with psycopg.connect(admin_url) as connection:
        connection.execute(
            "UPDATE message_store.messages SET data = %s WHERE stream_name = %s AND position = 1",
            ('{"text": "What is 42 * 8?"}', f"{category}:v0-{thread}"),
        )
    ended = cli("explain", thread, "2")
    assert ended.code == 1
    assert ended.out.splitlines()[-1].startswith("not the request that was recorded: digest ")


@pytest.mark.parametrize("call", ["1", "99", "zzz", ""])
def test_what_is_no_model_call_is_not_found(cli: CommandLine, call: str) -> None:
    started(cli)
    line = cli.refused("explain", "last", call, code=3)
    assert line == f"error: no model call {call!r}; those of the thread begin at: 2, 6"


def test_the_calls_of_a_forks_past_are_named_by_ids_that_are_found(cli: CommandLine) -> None:
    parent = started(cli)
    fork = cli("fork", parent, "--at", "3").out.strip()
    line = cli.refused("explain", fork, "2", code=3)
    (id,) = line.removeprefix("error: no model call '2'; those of the thread's past are: ").split(
        ", "
    )
    assert cli("explain", fork, id).out == cli("explain", parent, "2").out


def test_what_a_context_strategy_left_out_is_named_and_the_thread_is_shown_whole(
    cli: CommandLine,
) -> None:
    thread = cli("start", "one", "--context", "last_n:2", "--format", "json").json["threadId"]
    cli("message", thread, "two")
    lines = cli("explain", thread, "5").out.splitlines()
    assert lines[-3:-1] == [
        "      (2 messages left out, from 1 to 3: context last_n:2)",
        "   4  user: two",
    ]
    found = cli("explain", thread, "5", "--format", "json").json
    assert (found["contextStrategy"], len(found["messages"])) == ("last_n:2", 1)
    assert [(gap["before"], gap["messages"]) for gap in found["leftOut"]] == [(0, 2)]
    cli("message", thread, "three", "--context", "first_last:1,9 | last_n:9")
    lines = cli("explain", thread, "9").out.splitlines()
    assert [line for line in lines if "left out" in line] == []
    shown = cli("show", thread, "--as", "conversation").out
    assert all(text in shown for text in ("one", "two", "three"))
    assert cli("verify", thread).code == 0
    events = cli("show", thread, "--format", "json").json
    strategies = [e["data"]["definition"]["contextStrategy"] for e in (events[0], events[7])]
    assert strategies == ["last_n:2", "first_last:1,9 | last_n:9"]


@pytest.mark.parametrize("detach", [(), ("--detach",)])
def test_a_context_strategy_that_is_not_known_is_refused_before_anything_is_written(
    cli: CommandLine, detach: tuple[str, ...]
) -> None:
    line = cli.refused("start", "hi", "--context", "newest:2", *detach, code=2)
    assert line.startswith("error: context: 'newest:2' is not known; there is all, last_n")
    assert cli("list", "--format", "json").json == []
