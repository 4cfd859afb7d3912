"""`export` and `import` of what stands beside threads."""

from pathlib import Path

import psycopg
import pytest

from tests.cli import CommandLine

DELETE = "DELETE FROM message_store.messages WHERE message_store.category(stream_name) = %s"


@pytest.fixture
def thread(cli: CommandLine) -> str:
    """Begin a thread that recalls what is known of ada, and runs a saved definition."""
    for user in ("ada", "bob"):
        assert cli("memory", user, "set", "city", "Paris").code == 0
    assert cli("definitions", "save", "clerk", "--template", "assistant").code == 0
    words = ("--user", "ada", "--memory", "--definition", "clerk")
    assert cli("start", "--model", "offline", *words, "Hello!").code == 0
    return str(cli("list", "--format", "json").json[0]["threadId"])


def removed(admin_url: str, category: str) -> None:
    with psycopg.connect(admin_url) as connection:
        for one in (f"{category}:v0", f"{category}User", f"{category}Definition"):
            connection.execute(DELETE, (one,))


def test_all_that_there_is_leaves_a_database_and_comes_back(
    cli: CommandLine, admin_url: str, category: str, thread: str
) -> None:
    ended = cli("export", "--all")
    told = "exported: 1 thread, memory of 2 users, 1 definition"
    assert (ended.code, ended.notes[-1]) == (0, told)
    Path("all.jsonl").write_text(ended.out)
    removed(admin_url, category)
    assert cli("memory").out == ""
    imported = cli("import", "all.jsonl").out.splitlines()
    assert imported[:3] == [
        f"imported: {category}Definition-clerk, 1 message",
        f"imported: {category}User-ada, 1 message",
        f"imported: {category}User-bob, 1 message",
    ]
    assert imported[3].startswith(f"imported: thread {thread}, ")
    assert cli("memory", "ada", "get", "city").out == "Paris\n"
    found = cli("verify", thread, "--format", "json").json
    assert found["memories"] == {"same": 1, "absent": []}
    assert found["definitions"] == {"same": 1, "absent": []}
    assert cli("verify", "--all").out.endswith(", memory of 2 users, 1 definition\n")
    rows = cli("import", "all.jsonl", "--format", "json").json
    assert [row["threadId"] for row in rows] == [None, None, None, thread]
    assert rows[1]["streamName"] == f"{category}User-ada"


def test_what_is_known_of_users_does_not_leave_unasked(
    cli: CommandLine, admin_url: str, category: str, thread: str
) -> None:
    assert cli("export", thread).notes[-1] == "exported: 1 thread"
    ended = cli("export", thread, "--with-memory")
    assert ended.notes[-1] == "exported: 1 thread, memory of 1 user"
    assert "User-bob" not in ended.out
    ended = cli("export", thread, "--with-definitions")
    assert ended.notes[-1] == "exported: 1 thread, 1 definition"
    ended = cli("export", "--all", "--without-memory")
    assert ended.notes[-1] == "exported: 1 thread, 1 definition"
    assert f"{category}User-ada" in ended.out  # which the thread names
    alone = cli("export", thread).out
    removed(admin_url, category)
    assert cli("import", "-", stdin=alone.encode()).code == 0
    ended = cli("verify", thread)
    assert ended.code == 0
    assert sorted(ended.out.splitlines()[:2]) == [
        f"definition not in this database, not compared: {category}Definition-clerk/0",
        f"memory of a user not in this database, not compared: {category}User-ada/0",
    ]
    line = cli.refused("export", thread, "--otel", "--with-memory", code=2)
    assert line == "error: --otel prints spans of threads, and nothing else"


@pytest.mark.usefixtures("thread")
def test_what_does_not_verify_is_named_at_its_export_and_can_be_left_out(
    cli: CommandLine, admin_url: str, category: str
) -> None:
    stream = f"{category}User-bob"
    with psycopg.connect(admin_url) as connection:
        connection.execute(
            'UPDATE message_store.messages SET data = data || \'{"by": "eve"}\''
            " WHERE stream_name = %s",
            (stream,),
        )
    ended = cli("export", "--all")
    assert ended.code == 1
    assert ended.notes[-2].startswith(
        f"import will refuse {stream}: {stream}/0 FactRemembered: the"
    )
    assert ended.notes[-1].startswith("1 stream of 4 refused; the others: ")
    Path("all.jsonl").write_text(ended.out)
    removed(admin_url, category)
    line = cli.refused("import", "all.jsonl", code=1)
    assert line.endswith(
        f"; the other streams: {cli.line('import', 'all.jsonl', '--skip-refused')}"
    )
    assert cli("memory").out == ""
    ended = cli("import", "all.jsonl", "--skip-refused")
    assert ended.code == 1
    assert f"left out: {stream}: " in ended.out
    assert "1 stream of 4 left out" in ended.notes
    assert cli("memory").out == "ada\n"
