"""What others wrote into the log commands nobody's terminal, also behind a pipe."""

import json
import unicodedata

import pytest

from tests.cli import CommandLine
from tests.end_to_end.test_cli_sessions import started
from tests.end_to_end.test_cli_viewing import write

FORGED = "red \x1b[31m\x9b31m \u202eback\r\x07"


def _is_obeyed(char: str) -> bool:
    return char not in "\n\t" and unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp")


@pytest.mark.parametrize(
    "command",
    [
        ["show"],
        ["show", "--full"],
        ["show", "--as", "conversation"],
        ["show", "--as", "events"],
        ["show", "--as", "events", "--full"],
        ["show", "--as", "state"],
        ["verify"],
    ],
)
def test_what_is_shown_of_a_thread_is_harmless_in_a_pipe(
    cli: CommandLine, store_url: str, category: str, command: list[str]
) -> None:
    thread = started(cli)
    stream = f"{category}:v0-{thread}"
    write(store_url, stream, "UserMessageAdded", json.dumps({"text": FORGED}))
    write(store_url, stream, f"Forged{FORGED}\nverified: all", None)
    name, *options = command
    shown = cli(name, thread, *options).out
    assert [char for char in shown if _is_obeyed(char)] == []
    assert "red \\x1b[31m" in shown or "--as state" in " ".join(command)
    assert "verified: all" not in shown.splitlines()


def test_what_is_listed_is_harmless_in_a_pipe_and_exact_as_json(
    cli: CommandLine, store_url: str, category: str
) -> None:
    write(store_url, f"{category}:v0-1", "UserMessageAdded", json.dumps({"text": FORGED}))
    aside = {"streamName": f"{category}:v0-1", "reason": FORGED}
    write(store_url, f"{category}:v0+parked-workers", "ThreadParked", json.dumps(aside))
    for command in (["list"], ["consume", "--parked", "list"]):
        shown = cli(*command).out
        assert [char for char in shown if _is_obeyed(char)] == []
        assert "red \\x1b[31m\\x9b31m \\u202eback" in shown
    [parked] = cli("consume", "--parked", "list", "--format", "json").json
    assert parked["reason"] == FORGED
