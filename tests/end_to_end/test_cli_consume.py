"""`consume HANDLER`: a function of a person's own, from the command line."""

import json
import signal
from pathlib import Path

import psycopg
import pytest

from tests.cli import CommandLine, finished
from tests.end_to_end.test_cli_sessions import started
from tests.integration.ledger import Ledger, a_ledger
from tests.waiting import until_now

HANDLERS = """
import os
from pathlib import Path

def told(message):
    with Path("told.txt").open("a") as file:
        file.write(f"{message.position} {message.type}\\n")

def printed(message):
    print(message.type)

async def failing(message):
    if message.type == "LlmCallStarted":
        raise ValueError("no calls\\x1b[2J")

async def written(message, connection):
    await connection.execute(os.environ["INSERT"], (message.id, message.type))
"""


@pytest.fixture(autouse=True)
def _handlers(tmp_path: Path) -> None:
    (tmp_path / "my_handlers.py").write_text(HANDLERS)


def test_a_function_is_given_the_messages_and_the_next_run_goes_on(
    cli: CommandLine, tmp_path: Path
) -> None:
    started(cli)
    ended = cli("consume", "my_handlers:told", "--once", "--group", "teller")
    assert (ended.code, ended.out) == (0, "")
    told = tmp_path / "told.txt"
    assert told.read_text().splitlines()[:2] == ["0 SessionStarted", "1 UserMessageAdded"]
    count = len(told.read_text().splitlines())
    assert cli("consume", "my_handlers:told", "--once", "--group", "teller").code == 0
    assert len(told.read_text().splitlines()) == count + 1  # the last one again


def test_standard_output_is_the_handlers(cli: CommandLine) -> None:
    started(cli)
    process = cli.process("consume", "my_handlers:printed", "--once", "--types", "SessionStarted")
    ended = finished(process)
    assert (ended.code, ended.out) == (0, "SessionStarted\n")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--types", "SessionStarted,UserMessageAdded"), []),
        (
            ("--types", "UserMesageAdded,sessionStarted,SessionStarted"),
            [
                "no event of a thread has the type 'UserMesageAdded'; is it UserMessageAdded?",
                "no event of a thread has the type 'sessionStarted'; is it SessionStarted?",
            ],
        ),
        (
            ("--types", "OrderPlaced"),
            [
                "no event of a thread has the type 'OrderPlaced'; "
                "only another writer's messages have it"
            ],
        ),
        (("--types", "OrderPlaced", "--of", "orders"), []),
    ],
)
def test_a_type_that_no_event_has_is_named_with_the_one_that_may_be_meant(
    cli: CommandLine, words: tuple[str, ...], told: list[str]
) -> None:
    ended = cli("consume", "my_handlers:told", "--once", *words)
    assert ended.code == 0
    assert [note for note in ended.notes if note.startswith("no event")] == told


def test_what_keeps_failing_is_parked_listed_and_goes_on_where_it_is_replayed_or_dropped(
    cli: CommandLine, tmp_path: Path
) -> None:
    thread = started(cli)
    mine = ("--group", "mine")
    ended = cli("consume", "my_handlers:failing", "--once", *mine, "--tries", "1")
    see = cli.line("consume", "--parked", "list", *mine)
    assert (ended.code, ended.notes[-1]) == (0, f"1 parked; see: {see}")
    listed = cli("consume", "--parked", "list", *mine, "--format", "json").json
    assert [(one["threadId"], one["position"]) for one in listed] == [(thread, 2)]
    shown = cli("consume", "--parked", "list", *mine).out
    assert "ValueError: no calls\\x1b[2J" in shown
    assert cli("consume", "--parked", "drop", thread[:8], *mine).code == 0
    assert cli("consume", "my_handlers:told", "--once", *mine).code == 0
    lines = (tmp_path / "told.txt").read_text().splitlines()
    assert lines[0].startswith("3 "), "behind what was dropped"
    assert cli("consume", "--parked", "list", *mine, "--format", "json").json == []


def test_a_handler_with_a_connection_writes_once(
    cli: CommandLine, store_url: str, admin_url: str
) -> None:
    started(cli)
    with a_ledger(admin_url) as ledger:
        cli.set(INSERT=_insert(ledger, store_url))
        for _ in range(2):
            assert cli("consume", "my_handlers:written", "--once").code == 0
        assert ledger.lines[:2] == ["SessionStarted", "UserMessageAdded"]
        assert ledger.lines.count("SessionStarted") == 1


def _insert(ledger: Ledger, url: str) -> str:
    with psycopg.connect(url) as connection:
        return ledger.insert.as_string(connection)


def test_sigterm_lets_it_end_in_order(cli: CommandLine, tmp_path: Path) -> None:
    started(cli)
    process = cli.process("consume", "my_handlers:told")
    told = tmp_path / "told.txt"
    until_now(lambda: told.exists() and len(told.read_text().splitlines()) == 8)
    process.send_signal(signal.SIGTERM)
    ended = finished(process)
    assert (ended.code, ended.out) == (0, "")
    last = [json.loads(line) for line in ended.err.splitlines() if line.startswith("{")][-1]
    assert (last["event"], last["lag"]) == ("stopped", 0)
    assert "stopping: what is under way has 30 s" in ended.err


def test_any_category_can_be_consumed(cli: CommandLine, store_url: str, category: str) -> None:
    with psycopg.connect(store_url) as connection:
        connection.execute(
            "SELECT write_message(gen_random_uuid()::text, %s, 'OrderPlaced', '[1]')",
            (f"{category}Orders-7",),
        )
    words = ("--of", f"{category}Orders", "--once", "--from", "1")
    ended = finished(cli.process("consume", "my_handlers:printed", *words))
    assert ended.out == "OrderPlaced\n"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ((), 2),
        (("my_handlers",), 4),
        (("my_handlers:nothing",), 4),
        (("nowhere:told",), 4),
        (("my_handlers:HANDLERS",), 4),
        (("os:getcwd",), 4),
        (("my_handlers:told", "--from", "later"), 2),
        (("my_handlers:told", "--from", "0"), 2),
        (("my_handlers:told", "--from", "9" * 30), 2),
        (("my_handlers:told", "--types", "A,,B"), 2),
        (("my_handlers:told", "--group", "a-b"), 2),
        (("my_handlers:told", "--group-size", "2", "--member", "2"), 2),
        (("my_handlers:told", "--of", "orders-7"), 2),
        (("my_handlers:told", "--correlation", "orders-7"), 2),
    ],
)
def test_what_cannot_be_consumed_is_refused_in_one_line(
    cli: CommandLine, words: tuple[str, ...], code: int
) -> None:
    cli.refused("consume", *words, "--once", code=code)
