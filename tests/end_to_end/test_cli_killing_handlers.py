"""A handler that ends its process at one message, with a connection or without."""

from pathlib import Path

import psycopg
import pytest

from messagedb_agent.cli.exits import ExitCode
from tests.cli import CommandLine, finished
from tests.integration.ledger import Ledger, a_ledger

HANDLERS = """
import os
import time
from pathlib import Path

def line(message):
    return f"{message.stream_name.rpartition('-')[2]}/{message.position}"

def die_at(message):
    if line(message) == "bad/1":
        os._exit(77)

def once_or_more(message):
    die_at(message)
    with Path("handled.txt").open("a") as file:
        file.write(line(message) + "\\n")

async def blocks(message):
    if line(message) == "bad/1":
        time.sleep(1000)
    with Path("handled.txt").open("a") as file:
        file.write(line(message) + "\\n")

async def once(message, connection):
    await connection.execute(os.environ["INSERT"], ("", line(message)))
    die_at(message)
"""


@pytest.mark.parametrize(
    ("handler", "code"), [("once_or_more", 77), ("once", 77), ("blocks", ExitCode.INTERNAL)]
)
def test_a_message_that_ends_each_process_is_parked_and_the_others_are_handled(
    cli: CommandLine, tmp_path: Path, store_url: str, admin_url: str, category: str, handler: str,
    code: int,
) -> None:  # fmt: skip
    (tmp_path / "my_handlers.py").write_text(HANDLERS)
    orders = f"{category}Orders"
    with psycopg.connect(store_url) as connection:
        for stream in ("bad", "good", "bad", "good", "bad"):
            connection.execute(
                "SELECT write_message(gen_random_uuid()::text, %s, 'Written', '{}')",
                (f"{orders}-{stream}",),
            )
    words = (
        "consume",
        f"my_handlers:{handler}",
        "--of",
        orders,
        "--once",
        "--tries",
        "2",
        "--timeout",
        "1",
    )
    with a_ledger(admin_url) as ledger:
        environment = {"INSERT": _insert(ledger, store_url)}
        codes = [finished(cli.process(*words, environment=environment)).code for _ in range(3)]
        assert codes == [code, code, 0]
        lines = ledger.lines
    if handler == "once":
        assert lines == ["bad/0", "good/0", "good/1"]
    else:
        told = (tmp_path / "handled.txt").read_text().splitlines()
        assert set(told) == {"bad/0", "good/0", "good/1"}
    listed = cli("consume", "--parked", "list", "--group", "consumer", "--of", orders)
    assert "2 processes died, the last ones when it was handled" in listed.out


def _insert(ledger: Ledger, url: str) -> str:
    with psycopg.connect(url) as connection:
        return ledger.insert.as_string(connection)
