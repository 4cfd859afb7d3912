"""`verify --all`: every thread of a category, in one process or in several."""

import sys
from pathlib import Path

import psycopg
import pytest

from messagedb_agent.cli.commands.checking import processes_for
from tests.cli import CommandLine
from tests.end_to_end.test_cli_sessions import started
from tests.terminal import Opens

CHANGED = "UPDATE message_store.messages SET data = %s WHERE stream_name = %s AND position = 1"


def forge(admin_url: str, stream: str) -> None:
    with psycopg.connect(admin_url) as connection:
        connection.execute(CHANGED, ('{"text": "What is 42 * 8?"}', stream))


def test_every_thread_is_verified_by_one_process_or_by_several(
    cli: CommandLine, admin_url: str, category: str
) -> None:
    threads = [started(cli) for _ in range(3)]
    ended = cli("verify", "--all")
    assert (ended.code, ended.out) == (0, "verified: 3 threads, 24 events, 6 model requests\n")
    stream = f"{category}:v0-{threads[1]}"
    forge(admin_url, stream)
    ended = cli("verify", "--all")
    assert ended.code == 1
    first, last = ended.out.splitlines()
    assert first.startswith(f"wrong at {stream}/1 UserMessageAdded: the hash does not follow")
    assert "(recorded " in first
    assert ", computed " in first
    assert last == "not verified: 1 of 3 threads, 17 events, 4 model requests"
    found = cli("verify", "--all", "--format", "json").json
    assert (found["threads"], found["wrong"]) == (3, 1)
    assert found["named"] == [cli("verify", threads[1], "--format", "json").json]
    assert cli("verify", "--all", "--format", "json", "--processes", "2").json == found


def test_a_fork_of_a_wrong_event_is_named_beside_it(
    cli: CommandLine, admin_url: str, category: str
) -> None:
    parent = started(cli)
    fork = cli("fork", parent).out.strip()
    forge(admin_url, f"{category}:v0-{parent}")
    *lines, last = cli("verify", "--all").out.splitlines()
    assert last.startswith("not verified: 2 of 2 threads, ")
    of_fork = f"; thread {fork}, a fork, shares it"
    assert sorted(line.endswith(of_fork) for line in lines) == [False, True]
    assert cli("verify", fork).notes == [f"look at it: {cli.line('replay', parent, '--at', '1')}"]


def test_rows_of_others_are_named_by_thread_and_not_condemned(
    cli: CommandLine, admin_url: str, category: str
) -> None:
    stream = f"{category}:v0-{started(cli)}"
    with psycopg.connect(admin_url) as connection:
        for _ in range(3):
            connection.execute(
                "SELECT message_store.write_message(gen_random_uuid()::text, %s, 'Paid', '{}')",
                (stream,),
            )
    ended = cli("verify", "--all")
    assert ended.code == 0
    assert ended.out.splitlines() == [
        f"not ours, not checked: {stream}/8 Paid, and 2 more",
        "verified: 1 thread, 8 events, 2 model requests",
    ]


def test_streams_that_are_no_threads_are_left_out(
    cli: CommandLine, admin_url: str, category: str
) -> None:
    with psycopg.connect(admin_url) as connection:
        connection.execute(
            "SELECT message_store.write_message(gen_random_uuid()::text, %s, 'Paid', '{}')",
            (f"{category}:v0-a+b",),
        )
    ended = cli("verify", "--all")
    assert (ended.code, ended.out) == (0, "verified: 0 threads, 0 events, 0 model requests\n")
    assert ended.notes[-1].startswith("no threads yet; begin one with: ")


def test_a_thread_or_all_must_be_asked_for(cli: CommandLine) -> None:
    line = cli.refused("verify", code=2)
    assert line == "error: name a thread, or say --all"
    both = cli.refused("verify", "last", "--all", code=2)
    assert both == "error: name a thread or say --all, not both"


def test_what_a_process_says_of_its_end_is_how_the_command_ends(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = [started(cli), started(cli)]
    monkeypatch.setattr("messagedb_agent.cli.commands.checking._given", lambda _: _elsewhere())
    ended = cli("verify", "--all", "--processes", str(len(threads)))
    assert (ended.code, ended.out) == (4, "")  # there is no such file of settings


def _elsewhere() -> str:
    return '{"config": "nowhere", "category": "agent", "version": "v0"}'


def test_on_a_terminal_the_count_goes_on_and_is_gone_at_the_end(
    cli: CommandLine, terminal: Opens
) -> None:
    started(cli)
    screen = terminal("verify", "--all")
    screen.expect("1 of 1 thread, 8 events")
    screen.expect("\r\x1b[K")
    screen.expect("verified: 1 thread, 8 events, 2 model requests")
    assert screen.ended() == 0


@pytest.mark.parametrize(("does", "told"), [("kill -9 $$", "by signal 9"), ("exit 0", "too early")])
def test_a_process_that_ends_before_it_is_done_verifies_nothing(
    cli: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, does: str, told: str
) -> None:
    started(cli)
    started(cli)
    (tmp_path / "killed").write_text(f"#!/bin/sh\n{does}\n")
    (tmp_path / "killed").chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "killed"))
    assert told in cli.refused("verify", "--all", "--processes", "2", code=10)


def test_as_many_processes_check_as_pay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    assert [processes_for(threads, None) for threads in (0, 1_999, 2_000, 10_000)] == [1, 1, 2, 4]
    assert [processes_for(3, asked) for asked in (1, 2, 8)] == [1, 2, 3]
