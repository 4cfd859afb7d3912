"""`export` and `import`: threads leave one database and stand in another as they were."""

import json
import os
import subprocess
from pathlib import Path

import psycopg
import pytest

from tests.cli import CommandLine
from tests.end_to_end.test_cli_sessions import started

DELETE = "DELETE FROM message_store.messages WHERE message_store.category(stream_name) = %s"
# What jsonb has printed of these is what must come back.
PAID = '{"amount": 1.50, "a key": [1e3, "Grüß dich", null]}'


@pytest.fixture
def category_of_threads(category: str) -> str:
    return f"{category}:v0"


def removed(admin_url: str, category: str) -> None:
    with psycopg.connect(admin_url) as connection:
        connection.execute(DELETE, (category,))


def pay(admin_url: str, stream: str) -> None:
    with psycopg.connect(admin_url) as connection:
        connection.execute(
            "SELECT message_store.write_message(gen_random_uuid()::text, %s, 'Paid', %s)",
            (stream, PAID),
        )


def shown(cli: CommandLine, thread: str) -> list[dict[str, object]]:
    rows = cli("show", thread, "--format", "json").json
    return [{k: v for k, v in row.items() if k not in ("globalPosition", "time")} for row in rows]


def test_threads_leave_a_database_and_come_back_as_they_were(
    cli: CommandLine, admin_url: str, category_of_threads: str
) -> None:
    first, second = started(cli), started(cli)
    pay(admin_url, f"{category_of_threads}-{first}")
    assert cli("message", first, "Thanks!").code == 0
    before = [shown(cli, first), shown(cli, second)]
    ended = cli("export", "--all")
    assert (ended.code, ended.notes[-1]) == (0, "exported: 2 threads")
    Path("threads.jsonl").write_text(ended.out)
    assert json.loads(ended.out.splitlines()[-1])["messages"] == sum(map(len, before))

    removed(admin_url, category_of_threads)
    assert cli("show", first).code == 3
    ended = cli("import", "threads.jsonl")
    assert ended.code == 0
    counts = {first: len(before[0]), second: len(before[1])}
    assert sorted(ended.out.splitlines()) == sorted(
        f"imported: thread {thread}, {count} messages" for thread, count in counts.items()
    )
    assert "their global positions and times are new here" in ended.notes[-2]
    assert ended.notes[-1] == f"check with: {cli.line('verify', '--all')}"
    assert [shown(cli, first), shown(cli, second)] == before
    assert cli("verify", "--all").out.endswith("verified: 2 threads, 19 events, 5 model requests\n")

    again = cli("import", "-", stdin=Path("threads.jsonl").read_bytes())
    assert again.code == 0
    assert again.out.count("there already: thread ") == 2
    assert again.notes[-2] == "nothing was written: all of it is there already"
    found = cli("import", "threads.jsonl", "--format", "json").json
    assert {one["threadId"]: one["there"] for one in found} == counts
    assert cli("message", first, "What is 42 * 8?").out == "42 * 8 = 336.\n"


def test_one_message_is_one_message(
    cli: CommandLine, admin_url: str, category_of_threads: str
) -> None:
    pay(admin_url, f"{category_of_threads}-paid")
    exported = cli("export", "paid").out
    removed(admin_url, category_of_threads)
    ended = cli("import", "-", stdin=exported.encode())
    assert ended.out == "imported: thread paid, 1 message\n"
    assert ended.notes[-2].startswith("1 message written; ")


def test_an_export_of_a_fork_says_what_it_needs(cli: CommandLine) -> None:
    thread = started(cli)
    fork = cli("fork", thread).out.split()[0]
    ended = cli("export", fork, fork[:12])
    assert ended.notes[-2:] == [
        "exported: 1 thread",
        f"thread {fork} was forked from {thread}, which is not here; both: "
        + cli.line("export", thread, fork),
    ]


def test_what_cannot_be_imported_is_refused_in_one_line(
    cli: CommandLine, admin_url: str, category_of_threads: str
) -> None:
    started(cli)
    text = cli("export", "last").out
    Path("whole").write_text(text)
    Path("cut").write_text("\n".join(text.splitlines()[:-1]) + "\n")
    Path("forged").write_text(text.replace("42 * 7", "42 * 8"))
    Path("folder").mkdir()
    assert "is cut off" in cli.refused("import", "cut", code=2)
    assert "its SHA-256 is another" in cli.refused("import", "forged", code=2)
    assert "is no JSON" in cli.refused("import", "-", code=2, stdin=b"hello\n")
    assert "it is empty" in cli.refused("import", "-", code=2)
    assert "cannot be read: No such file" in cli.refused("import", "none", code=2)
    assert "cannot be read: Is a directory" in cli.refused("import", "folder", code=2)
    line = cli.refused("--version", "v1", "import", "whole", code=2)
    assert "it is of the category" in line
    with psycopg.connect(admin_url) as connection:
        connection.execute(
            "UPDATE message_store.messages SET type = 'Other'"
            " WHERE message_store.category(stream_name) = %s AND position = 2",
            (category_of_threads,),
        )
    line = cli.refused("import", "whole", code=9)
    assert line.endswith(
        "is there already and differs at position 2: another type "
        "(there a Other, in the file a LlmCallStarted)"
    )


def test_a_thread_that_does_not_verify_is_named_at_its_export_and_can_be_left_out(
    cli: CommandLine, admin_url: str, category_of_threads: str
) -> None:
    sound, wrong = started(cli), started(cli)
    with psycopg.connect(admin_url) as connection:
        connection.execute(
            "UPDATE message_store.messages SET data = jsonb_set(data, '{text}', '\"no\"')"
            " WHERE stream_name = %s AND position = 1",
            (f"{category_of_threads}-{wrong}",),
        )
    ended = cli("export", "--all")
    why = f"thread {wrong}: {category_of_threads}-{wrong}/1 UserMessageAdded: the hash"
    assert ended.code == 1
    assert ended.notes[-2].startswith(f"import will refuse {why}")
    skipping = cli.line("import", "FILE", "--skip-refused")
    assert ended.notes[-1] == f"1 thread of 2 refused; the others: {skipping}"
    Path("threads.jsonl").write_text(ended.out)

    removed(admin_url, category_of_threads)
    skipping = cli.line("import", "threads.jsonl", "--skip-refused")
    line = cli.refused("import", "threads.jsonl", code=1)
    assert line.startswith("error: nothing is imported: ")
    assert line.endswith(f"; the other threads: {skipping}")
    assert cli("list", "--format", "json").json == []

    ended = cli("import", "threads.jsonl", "--skip-refused")
    assert ended.code == 1
    imported, left_out = sorted(ended.out.splitlines())
    assert imported.startswith(f"imported: thread {sound}, ")
    assert left_out.startswith(f"left out: {why}")
    assert "1 thread of 2 left out" in ended.notes
    again = cli("import", "threads.jsonl", "--skip-refused", "--format", "json")
    assert again.code == 1
    refused = {one["threadId"]: one["refused"] for one in again.json}
    assert refused[sound] is None
    assert "the hash does not follow" in refused[wrong]
    assert again.notes[-2] == "nothing was written: all else is there already"
    assert cli("verify", "--all").code == 0


def test_threads_or_all_must_be_asked_for(cli: CommandLine) -> None:
    line = cli.refused("export", code=2)
    assert line == "error: name threads, or say --all"
    assert cli.refused("export", "last", "--all", code=2) == line
    assert cli.refused("export", "nobody", code=3).startswith("error: no thread 'nobody'")


def test_an_export_goes_through_a_pipe(cli: CommandLine) -> None:
    started(cli)
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    exported = subprocess.run(cli.program("export", "--all"), env=environment, capture_output=True)
    assert exported.returncode == 0
    imported = cli("import", "-", stdin=exported.stdout)
    assert (imported.code, imported.out.count("there already")) == (0, 1)
