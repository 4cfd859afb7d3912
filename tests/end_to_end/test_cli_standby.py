"""Two processes of one name: when the one that works is killed, the other one takes over."""

import signal
from pathlib import Path

import psycopg
from psycopg import sql

from tests.cli import CommandLine, finished
from tests.integration.ledger import Ledger, a_ledger
from tests.waiting import until_now

HANDLERS = """
import os

async def written(message, connection):
    await connection.execute(os.environ["INSERT"], (str(os.getpid()), str(message.position)))
"""


def test_a_process_that_stands_by_takes_over_from_one_that_is_killed_and_does_nothing_twice(
    cli: CommandLine, tmp_path: Path, store_url: str, admin_url: str, category: str
) -> None:
    (tmp_path / "my_handlers.py").write_text(HANDLERS)
    words = ("consume", "my_handlers:written", "--of", f"{category}Orders")
    with a_ledger(admin_url) as ledger:
        environment = {"INSERT": _insert(ledger, store_url)}
        first = cli.process(*words, environment=environment)
        try:
            _write(store_url, f"{category}Orders-1", 3)
            until_now(lambda: len(ledger.lines) == 3)
            second = cli.process(*words, environment=environment)
            try:
                until_now(lambda: b"standing by until it ends" in second.stderr.readline())
                refused = finished(cli.process(*words, "--no-wait", environment=environment))
                assert refused.code == 9
                assert "another process has" in refused.err
                first.kill()
                _write(store_url, f"{category}Orders-1", 3)
                until_now(lambda: len(ledger.lines) >= 6)
                second.send_signal(signal.SIGTERM)
                assert finished(second).code == 0
            finally:
                second.kill()
        finally:
            first.kill()
            finished(first)
        assert ledger.lines == [str(n) for n in range(6)]
        workers = ledger._rows(sql.SQL("SELECT DISTINCT key FROM {}").format(ledger._table))
        assert {int(pid) for (pid,) in workers} == {first.pid, second.pid}


def _write(url: str, stream: str, count: int) -> None:
    with psycopg.connect(url) as connection:
        for _ in range(count):
            connection.execute(
                "SELECT write_message(gen_random_uuid()::text, %s, 'Written', '{}')", (stream,)
            )


def _insert(ledger: Ledger, url: str) -> str:
    with psycopg.connect(url) as connection:
        return ledger.insert.as_string(connection)
