"""`memory`: what is known of users is noted, shown and forgotten by command."""

import asyncio
import json

import pytest

from messagedb_agent import connect
from messagedb_agent.cli.exits import ExitCode
from tests.cli import CommandLine


def test_facts_are_noted_shown_and_forgotten(cli: CommandLine) -> None:
    assert cli("memory", "ada", "set", "city", "Paris").out == "Paris\n"
    cli("memory", "ada", "set", "age", "36", "--json", "--under", "person", "--by", "bob")
    assert cli("memory", "ada", "get", "age").out == "36\n"
    head, *rows = cli("memory", "ada").out.splitlines()
    assert head.split() == ["key", "value", "under", "taught", "by"]
    assert [row.split() for row in rows] == [["city", "Paris"], ["age", "36", "person"]]
    shown = cli("memory", "ada", "--under", "person", "--format", "json").json
    assert (shown["user"], shown["position"]) == ("ada", 1)
    (fact,) = shown["facts"]
    assert fact | {"time": None} == {
        "key": "age",
        "value": 36,
        "category": "person",
        "taughtBy": None,
        "by": "bob",
        "position": 1,
        "time": None,
    }
    forgotten = cli("memory", "ada", "forget", "city")
    assert cli.line("memory", "ada", "--as", "events") in forgotten.err
    assert (
        cli("memory", "ada", "--at", "1", "--format", "json").json["facts"][0]["value"] == "Paris"
    )
    events = cli("memory", "ada", "--as", "events", "--format", "json").json
    assert [event["type"] for event in events] == ["FactRemembered"] * 2 + ["FactForgotten"]
    assert "city forgotten" in cli("memory", "ada", "--as", "events").out
    assert '"key": "age", "value": 36' in cli("memory", "ada", "--as", "prompt").out
    assert cli("memory").out == "ada\n"


def test_nobody_and_nothing_are_told_as_such(cli: CommandLine) -> None:
    assert cli.line("memory", "ada", "set", "city", "Paris") in cli("memory").err
    assert cli("memory", "--format", "json").json == {"users": []}
    ended = cli("memory", "ada")
    assert (ended.code, ended.out, ended.notes[-1]) == (0, "", "nothing is known")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("ada", "get", "city"), ExitCode.NOT_FOUND, "no fact 'city'"),
        (("ada", "forget", "city"), ExitCode.NOT_FOUND, "no fact 'city'"),
        (("", "set", "city", "Paris"), ExitCode.USAGE, "user"),
        (("ada", "set", " ", "Paris"), ExitCode.USAGE, "key is empty"),
        (("ada", "set", "city"), ExitCode.USAGE, "set KEY VALUE"),
        (("ada", "forget", "city", "Paris"), ExitCode.USAGE, "forget KEY"),
        (("ada", "set", "city", "{1}", "--json"), ExitCode.USAGE, "no JSON"),
        (("ada", "set", "city", "NaN", "--json"), ExitCode.USAGE, "no JSON"),
        (("ada", "set", "city", "x" * 17_000), ExitCode.USAGE, "16384 bytes"),
        (("ada", "set", "city", "Paris", "--at", "1"), ExitCode.USAGE, "--at"),
        (("ada", "get", "city", "--as", "prompt"), ExitCode.USAGE, "--as"),
        (("ada", "get", "city", "--under", "home"), ExitCode.USAGE, "--under"),
        (("ada", "--json"), ExitCode.USAGE, "--json"),
        (("--as", "events"), ExitCode.USAGE, "USER is missing"),
        (("ada", "--extract", "last"), ExitCode.USAGE, "stands alone"),
        (("--extract", "last"), ExitCode.NOT_FOUND, "no threads yet"),
    ],
)
def test_what_cannot_be_meant_is_refused_and_nothing_written(
    cli: CommandLine, words: tuple[str, ...], code: int, said: str
) -> None:
    assert said in cli.refused("memory", *words, code=code)
    assert json.loads(cli("memory", "--format", "json").out) == {"users": []}


async def _said(store_url: str, category: str) -> str:
    async with connect(store_url, category=category) as engine:
        return (await engine.start("My name is Ada.", user="ada")).thread_id


def test_facts_are_found_by_command_and_by_a_consumer(
    cli: CommandLine, store_url: str, category: str
) -> None:
    thread = asyncio.run(_said(store_url, category))
    (fact,) = cli("memory", "--extract", thread, "--format", "json").json
    assert (fact["key"], fact["value"]) == ("name", "Ada")
    assert fact["streamName"] == f"{category}User-ada"
    assert fact["taughtBy"] == {"streamName": f"{category}:v0-{thread}", "position": 1}
    assert cli("memory", "--extract", "last", "--format", "json").json == []
    assert cli("verify", thread, "--format", "json").json
    asyncio.run(_said(store_url, category))
    handler = "messagedb_agent.consumers.extracting:extract"
    ended = cli("consume", handler, "--once")
    assert ended.code == 0
    events = cli("memory", "ada", "--as", "events", "--format", "json").json
    assert [event["type"] for event in events] == ["FactRemembered", *["FactsExtracted"] * 2]


@pytest.mark.parametrize("detached", [(), ("--detach",)], ids=["at once", "detached"])
def test_a_thread_begins_with_what_is_known_of_its_user(
    cli: CommandLine, detached: tuple[str, ...]
) -> None:
    cli("memory", "ada", "set", "city", "Paris")
    known = cli("memory", "ada", "--as", "prompt").out.strip()
    assert cli("start", "--user", "ada", "--memory", *detached, "Hello!").code == 0
    started = cli("show", "last", "--as", "events", "--format", "json").json[0]["data"]
    assert started["user"] == "ada"
    assert started["definition"]["memory"] is True
    assert started["definition"]["recalled"]["text"] == known
    if not detached:
        claim = cli("explain", "last", "2", "--format", "json").json
        assert claim["systemPrompt"].endswith(known)
        assert claim["recalled"]["position"] == 0
        assert "what was known of the user at" in cli("explain", "last", "2").out


def test_a_memory_of_nobody_is_refused(cli: CommandLine) -> None:
    assert "--user" in cli.refused("start", "--memory", "Hello!", code=ExitCode.USAGE)
    assert "--user is empty" in cli.refused("start", "--user", " ", "Hi", code=ExitCode.USAGE)


def test_a_fact_has_nothing_in_it_that_a_terminal_would_obey(cli: CommandLine) -> None:
    cli("memory", "ada", "set", "city", "\x1b[2JParis\nRome")
    assert "\x1b" not in cli("memory", "ada").out + cli("memory", "ada", "--as", "events").out
    assert cli("memory", "ada", "get", "city").out == "\x1b[2JParis\nRome\n"
