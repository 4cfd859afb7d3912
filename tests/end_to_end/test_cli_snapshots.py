"""`db snapshots`, and `verify` of what it wrote."""

import psycopg

from tests.cli import CommandLine


def started(cli: CommandLine, turns: int = 2) -> str:
    """Begin a thread and return its id."""
    cli.set(SNAPSHOTS="every 5")
    cli("start", "What is 1 + 1?")
    for number in range(turns):
        cli("message", "last", f"What is {number} + 1?")
    return str(cli("list", "--format", "json").json[0]["threadId"])


def test_commands_write_snapshots_behind_the_turns_and_verify_compares_them(
    cli: CommandLine,
) -> None:
    thread = started(cli)
    ended = cli("verify", thread)
    assert ended.out == "verified: 22 events, 6 model requests, 3 snapshots\n"
    assert cli("verify", thread, "--format", "json").json["snapshots"] == {"same": 3, "other": 0}


def test_snapshots_are_dropped_and_written_by_command_and_the_answers_stay(
    cli: CommandLine, admin_url: str, store_url: str
) -> None:
    thread = started(cli)
    shown = [cli("show", thread, "--as", what).out for what in ("state", "lineage", "usage")]
    cli.set(MESSAGE_DB_URL=admin_url)
    dropped = cli("db", "snapshots", "--drop", thread)
    assert dropped.code == 0
    assert "dropped: 3;" in dropped.notes[0]
    assert "db snapshots" in dropped.notes[1]
    cli.set(MESSAGE_DB_URL=store_url)
    assert cli("verify", thread).out == "verified: 22 events, 6 model requests\n"
    written = cli("db", "snapshots", "--all")
    assert (written.code, written.out) == (0, f"{thread} at 21\n")
    assert written.notes[0] == "snapshots written: 1"
    assert cli("verify", "--all").code == 0
    assert [cli("show", thread, "--as", w).out for w in ("state", "lineage", "usage")] == shown
    assert cli("message", thread, "What is 6 * 7?").out == "6 * 7 = 42.\n"


def test_a_short_thread_gets_none_and_is_told_so(cli: CommandLine) -> None:
    cli("start", "Hello!")
    ended = cli("db", "snapshots", "last")
    assert (ended.code, ended.out) == (0, "")
    assert "too short" in ended.notes[1]


def test_who_may_not_delete_is_told_who_may(cli: CommandLine) -> None:
    thread = started(cli, turns=0)
    ended = cli("db", "snapshots", "--drop", thread)
    assert ended.code == 4
    assert "may not delete" in ended.err
    assert "owner" in ended.err


def test_a_thread_or_all_is_to_be_named(cli: CommandLine) -> None:
    for arguments in ((), ("--drop",)):
        line = cli.refused("db", "snapshots", *arguments, code=2)
        assert line == "error: name a thread, or say --all"
    both = cli.refused("db", "snapshots", "last", "--all", code=2)
    assert both == "error: name a thread or say --all, not both"
    assert cli("db", "snapshots", "gone").code == 3


def test_verify_names_a_snapshot_that_somebody_changed(
    cli: CommandLine, admin_url: str, category: str
) -> None:
    thread = started(cli)
    stream = f"{category}:v0+snapshot-{thread}"
    with psycopg.connect(admin_url) as connection:
        connection.execute(
            "UPDATE message_store.messages SET data = jsonb_set(data, '{entityData,events}', '7')"
            " WHERE stream_name = %s AND position = 1",
            [stream],
        )
    ended = cli("verify", thread)
    assert ended.code == 1
    assert ended.out.startswith(f"wrong at {stream}/1 Recorded: the snapshot cannot be used")
    assert cli("message", thread, "What is 6 * 7?").out == "6 * 7 = 42.\n"
