"""`verify` of what stands beside threads: users' memory and named definitions."""

from pathlib import Path

import psycopg
import pytest

from tests.cli import CommandLine

CHANGED = (
    'UPDATE message_store.messages SET data = data || \'{"by": "eve"}\''
    " WHERE stream_name = %s AND position = 0"
)


def forge(admin_url: str, stream: str) -> None:
    with psycopg.connect(admin_url) as connection:
        connection.execute(CHANGED, (stream,))


@pytest.fixture
def streams(cli: CommandLine, category: str) -> tuple[str, str]:
    """Note something of two users, save a definition, and return a stream of each kind."""
    for words in (("ada", "set", "city", "Paris"), ("bob", "set", "city", "Rome")):
        assert cli("memory", *words).code == 0
    assert cli("definitions", "save", "support", "--template", "assistant").code == 0
    return f"{category}User-ada", f"{category}Definition-support"


@pytest.mark.usefixtures("streams")
def test_all_is_verified_beside_threads_too(cli: CommandLine) -> None:
    ended = cli("verify", "--all")
    assert (ended.code, ended.out) == (
        0,
        "verified: 0 threads, 0 events, 0 model requests, memory of 2 users, 1 definition\n",
    )
    beside = cli("verify", "--all", "--format", "json").json["beside"]
    assert beside == {"users": 2, "definitions": 1, "events": 3, "wrong": 0, "named": []}


def test_what_is_wrong_beside_threads_is_named(
    cli: CommandLine, admin_url: str, streams: tuple[str, str]
) -> None:
    user, definition = streams
    forge(admin_url, user)
    forge(admin_url, definition)
    ended = cli("verify", "--all")
    assert ended.code == 1
    *findings, last = ended.out.splitlines()
    of_definition, of_user = sorted(findings)
    assert of_definition.startswith(f"wrong at {definition}/0 DefinitionSaved: the hash does not")
    assert of_user.startswith(f"wrong at {user}/0 FactRemembered: the hash does not follow")
    assert last == (
        "not verified: 0 of 0 threads, 0 events, 0 model requests,"
        " memory of 2 users (1 wrong), 1 definition (1 wrong)"
    )
    found = cli("verify", "--all", "--format", "json").json
    assert (found["wrong"], found["beside"]["wrong"]) == (0, 2)
    assert [one["streamName"] for one in found["beside"]["named"]] == [definition, user]
    of_one = cli("verify", "--user", "ada", "--format", "json").json
    assert of_one == found["beside"]["named"][1]


def test_one_of_them_is_verified_alone(
    cli: CommandLine, admin_url: str, streams: tuple[str, str]
) -> None:
    user, definition = streams
    ended = cli("verify", "--user", "ada")
    assert (ended.code, ended.out) == (0, f"verified: {user}, 1 event\n")
    ended = cli("verify", "--definition", "support")
    assert (ended.code, ended.out) == (0, f"verified: {definition}, 1 event\n")
    forge(admin_url, user)
    ended = cli("verify", "--user", "ada")
    assert ended.code == 1
    assert ended.out.splitlines()[1] == f"not verified: {user}, 0 events"
    assert ended.notes == [f"look at it: {cli.line('memory', 'ada', '--as', 'events')}"]
    assert cli("verify", "--definition", "support").code == 0


def test_what_is_not_there_is_not_verified(cli: CommandLine) -> None:
    assert "no user 'nobody'" in cli.refused("verify", "--user", "nobody", code=3)
    assert "no definition 'none'" in cli.refused("verify", "--definition", "none", code=3)
    assert "is empty" in cli.refused("verify", "--user", "", code=2)
    assert "is not 1 to 100" in cli.refused("verify", "--definition", "", code=2)
    both = cli.refused("verify", "--user", "a", "--definition", "b", code=2)
    assert both == "error: name a user or a definition, not both"
    for words in (("last", "--user", "a"), ("--all", "--definition", "b")):
        line = cli.refused("verify", *words, code=2)
        assert line == "error: --user and --definition stand alone, without threads"


def test_what_was_cut_or_made_anew_beside_threads_is_found_with_an_anchor(
    cli: CommandLine, admin_url: str, streams: tuple[str, str], category: str
) -> None:
    user, definition = streams
    ended = cli("anchor", "heads.jsonl")
    told = "anchored: 0 threads, memory of 2 users, 1 definition in 'heads.jsonl', not signed"
    assert ended.code == 0
    assert ended.notes[-2].startswith(told)
    assert cli("memory", "ada", "set", "city", "Oslo").code == 0
    assert cli("memory", "eve", "set", "city", "Bern").code == 0
    ended = cli("verify", "--anchor", "heads.jsonl")
    assert ended.code == 0
    assert "memory of 3 users, 1 definition; 3 anchored 20" in ended.out
    assert ended.out.endswith("Z, 1 not in it\n")
    assert cli("verify", "--user", "ada", "--anchor", "heads.jsonl").code == 0
    ended = cli("verify", "--user", "eve", "--anchor", "heads.jsonl")
    assert (ended.code, ended.out) == (3, "")
    assert f"{category}User-eve is not in the anchor of 20" in ended.notes[-1]

    with psycopg.connect(admin_url) as connection:
        for stream in (user, definition):
            connection.execute(
                "DELETE FROM message_store.messages WHERE stream_name = %s", (stream,)
            )
    assert cli("memory", "ada", "set", "city", "Rome").code == 0  # its chain is sound, and another
    assert cli("verify", "--all").code == 0
    ended = cli("verify", "--all", "--anchor", "heads.jsonl")
    assert ended.code == 1
    *findings, last = ended.out.splitlines()
    of_definition, of_user = sorted(findings)
    assert of_definition.startswith(f"wrong at {definition}/0: the definition is gone: it was")
    assert of_user.startswith(f"wrong at {user}/0 FactRemembered: the chain up to here is another")
    assert "memory of 3 users (1 wrong), 1 definition (1 wrong); 3 anchored" in last
    ended = cli("verify", "--definition", "support", "--anchor", "heads.jsonl")
    assert (ended.code, "the definition is gone" in ended.out) == (1, True)


def test_what_does_not_verify_is_not_anchored(
    cli: CommandLine, admin_url: str, streams: tuple[str, str]
) -> None:
    user, definition = streams
    forge(admin_url, user)
    ended = cli("anchor", "heads.jsonl")
    assert ended.code == 1
    assert ended.out.startswith(f"wrong at {user}/0 ")
    assert "left out: 0 threads, memory of 1 user that cannot be verified" in ended.notes
    text = Path("heads.jsonl").read_text()
    assert (user in text, definition in text) == (False, True)
