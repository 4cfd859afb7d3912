"""`anchor` and `verify --anchor`: what a chain cannot show by itself."""

from pathlib import Path

import psycopg
import pytest

from tests.cli import CommandLine
from tests.end_to_end.test_cli_sessions import started

KEY = "a key of many characters"
CUT = "DELETE FROM message_store.messages WHERE stream_name = %s AND position > %s"


def cut(admin_url: str, stream: str, position: int) -> None:
    with psycopg.connect(admin_url) as connection:
        connection.execute(CUT, (stream, position))


def test_cut_and_missing_threads_are_found_with_an_anchor(
    cli: CommandLine, admin_url: str, category: str
) -> None:
    cli.set(ANCHOR_KEY=KEY)
    whole, short, gone = (started(cli) for _ in range(3))
    ended = cli("anchor", "heads.jsonl")
    assert (ended.code, ended.out) == (0, "")
    assert ended.notes[-2] == "anchored: 3 threads in 'heads.jsonl', signed"
    assert ended.notes[-1].endswith(cli.line("verify", "--all", "--anchor", "heads.jsonl"))
    started(cli)
    anchored = ("verify", "--anchor", "heads.jsonl")
    ended = cli(*anchored, "--all")
    assert cli(*anchored).out == ended.out  # no thread named: all of them
    assert ended.code == 0
    assert ended.out.startswith("verified: 4 threads, 32 events, 8 model requests; 3 anchored 20")
    assert ended.out.endswith("Z, 1 not in it\n")

    cut(admin_url, f"{category}:v0-{short}", 5)
    cut(admin_url, f"{category}:v0-{gone}", -1)
    assert cli("verify", "--all").code == 0
    ended = cli(*anchored, "--all")
    assert ended.code == 1
    *findings, summary = ended.out.splitlines()
    assert len(findings) == 2
    assert f"wrong at {category}:v0-{short}/6: the thread is cut: it was anchored at 7" in ended.out
    assert f"wrong at {category}:v0-{gone}/0: the thread is gone: it was anchored" in ended.out
    assert summary.startswith("not verified: 2 of 4 threads, ")
    found = cli(*anchored, "--all", "--format", "json").json
    assert found["wrong"] == 2
    assert (found["anchor"]["isSigned"], found["anchor"]["heads"]) == (True, 3)

    assert cli(*anchored, whole).code == 0
    assert cli(*anchored, short[:12]).code == 1
    assert "the thread is gone" in cli(*anchored, gone).out
    assert cli("verify", gone).code == 3


def test_a_thread_that_is_not_in_the_anchor_is_said_to_be(cli: CommandLine) -> None:
    cli("anchor", "heads.jsonl")
    thread = started(cli)
    ended = cli("verify", thread, "--anchor", "heads.jsonl")
    assert (ended.code, ended.out) == (3, "")
    assert ended.notes[-1].startswith(f"error: thread {thread} is not in the anchor of 20")


def test_without_a_key_an_anchor_is_unsigned_and_says_so(cli: CommandLine) -> None:
    started(cli)
    ended = cli("anchor", "heads.jsonl")
    assert (
        ended.notes[-2]
        == "anchored: 1 thread in 'heads.jsonl', not signed, as ANCHOR_KEY is not set"
    )
    ended = cli("verify", "--all", "--anchor", "heads.jsonl")
    assert ended.code == 0
    assert ended.notes[-1].startswith("the anchor is not signed: ")
    cli.set(ANCHOR_KEY=KEY)
    line = cli.refused("verify", "--all", "--anchor", "heads.jsonl", code=1)
    assert "is not signed, though ANCHOR_KEY is set" in line


def test_an_anchor_is_checked_before_anything_else(cli: CommandLine, tmp_path: Path) -> None:
    started(cli)
    cli.set(ANCHOR_KEY=KEY)
    cli("anchor", "heads.jsonl")
    text = Path("heads.jsonl").read_text()
    Path("cut.jsonl").write_text(text[:-10])
    Path("forged.jsonl").write_text(text.replace('"position":7', '"position":5'))
    asked = ("verify", "--all", "--anchor")
    assert "is cut off" in cli.refused(*asked, "cut.jsonl", code=2)
    assert "was changed since it was made" in cli.refused(*asked, "forged.jsonl", code=1)
    assert "cannot be read: No such file" in cli.refused(*asked, "none.jsonl", code=2)
    other = cli.refused("--version", "v1", *asked, "heads.jsonl", code=2)
    assert "it is of the category" in other
    cli.set(ANCHOR_KEY=KEY[::-1])
    assert "was not signed with this" in cli.refused(*asked, "heads.jsonl", code=1)
    cli.set(ANCHOR_KEY="")
    assert "set ANCHOR_KEY" in cli.refused(*asked, "heads.jsonl", code=4)
    cli.set(ANCHOR_KEY="short")
    line = cli.refused(*asked, "heads.jsonl", code=4)
    assert line == (
        "error: ANCHOR_KEY is wrong: it has fewer than 16 characters (from environment)"
    )


def test_a_thread_that_does_not_verify_is_not_anchored(
    cli: CommandLine, admin_url: str, category: str
) -> None:
    wrong, sound = started(cli), started(cli)
    stream = f"{category}:v0-{wrong}"
    with psycopg.connect(admin_url) as connection:
        connection.execute(
            "UPDATE message_store.messages SET type = 'Paid' WHERE stream_name = %s"
            " AND position = 3",
            (stream,),
        )
    ended = cli("anchor", "heads.jsonl")
    assert ended.code == 1
    assert ended.out.startswith(f"wrong at {stream}/3 Paid: ")
    assert "left out: 1 thread that cannot be verified" in ended.notes
    text = Path("heads.jsonl").read_text()
    assert sound in text
    assert wrong not in text


def test_an_anchor_is_never_written_over_and_never_half(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("kept.jsonl").write_text("kept")
    assert "is there already" in cli.refused("anchor", "kept.jsonl", code=2)
    assert Path("kept.jsonl").read_text() == "kept"
    line = cli.refused("anchor", "no/such/folder", code=11)
    assert line.endswith("cannot be written: No such file or directory")
    cli.set(MESSAGE_DB_URL="postgresql://127.0.0.1:1/nobody")
    cli.refused("anchor", "new.jsonl", code=5)
    assert not Path("new.jsonl").exists()


def test_the_key_is_never_shown(cli: CommandLine) -> None:
    cli.set(ANCHOR_KEY=KEY, LOG_LEVEL="DEBUG")
    started(cli)
    for command in (["config"], ["anchor", "a"], ["verify", "--all", "--anchor", "a"]):
        ended = cli(*command)
        assert ended.code == 0
        assert KEY not in ended.out + ended.err
