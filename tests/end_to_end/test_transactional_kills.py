"""A process with a transactional tool is killed at named points; what it wrote stands once."""

import asyncio
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli import CommandLine, finished
from tests.integration.cutting_proxy import Moment, cutting_proxy
from tests.integration.ledger import Ledger, a_ledger
from tests.waiting import until

TOOLS = """
import os
from psycopg import sql
from messagedb_agent import ToolContext, tool

INSERT = sql.SQL("INSERT INTO {} (key, line) VALUES (%s, %s)")

@tool(transactional=True)
async def pay(line: str, context: ToolContext) -> str:
    "Pay."
    insert = INSERT.format(sql.Identifier(os.environ["TEST_LEDGER"]))
    await context.connection.execute(insert, (context.call_id, line))
    return f"paid {line} in attempt {context.attempt}"
"""
START = ("start", 'call pay {"line": "a"}', "--tools", "paying_tools")


@pytest.fixture
def ledger(admin_url: str, cli: CommandLine, tmp_path: Path) -> Iterator[Ledger]:
    (tmp_path / "paying_tools.py").write_text(TOOLS)
    with a_ledger(admin_url) as ledger:
        cli.set(TEST_LEDGER=ledger.name)
        yield ledger


@pytest.mark.parametrize(
    ("words", "moment", "attempt"),
    [
        (b"INSERT INTO", "after", 2),
        (b"acquire_lock(", "after", 2),  # which it holds when it dies
        (b"EXISTS (SELECT FROM messages", "after", 2),
        (b"COMMIT", "before", 2),
        (b"COMMIT", "after", 1),
    ],
)
async def test_a_process_that_is_killed_has_written_once_or_not_at_all(
    cli: CommandLine,
    store_url: str,
    ledger: Ledger,
    words: bytes,
    moment: Moment,
    attempt: int,
) -> None:
    async with cutting_proxy(store_url) as proxy:
        process = cli.process(*START, environment={"MESSAGE_DB_URL": proxy.url})

        async def kill() -> None:
            os.kill(process.pid, signal.SIGKILL)

        proxy.between = kill
        proxy.cut(words, moment=moment)
        ended = await asyncio.to_thread(finished, process)
        assert (ended.code, proxy.cuts) == (-signal.SIGKILL, 1)
    assert ledger.lines == (["a"] if attempt == 1 else [])

    ended = await asyncio.to_thread(cli, "continue", "last", "--tools", "paying_tools")
    assert (ended.code, ended.out) == (0, f"pay: paid a in attempt {attempt}\n")
    assert ledger.lines == ["a"]
    assert ledger.transactions[0][0] == ledger.transactions[0][1]
    verified = await asyncio.to_thread(cli, "verify", "last")
    assert verified.code == 0


async def test_what_a_frozen_process_holds_is_given_up_by_the_server(
    cli: CommandLine, store_url: str, ledger: Ledger, category: str
) -> None:
    """It may stop with the category's lock in its hands; others wait for it, and not for ever."""
    async with cutting_proxy(store_url) as proxy:
        process = cli.process(*START, environment={"MESSAGE_DB_URL": proxy.url})
        frozen = asyncio.Event()

        async def freeze() -> None:
            os.kill(process.pid, signal.SIGSTOP)
            frozen.set()
            await asyncio.Event().wait()

        proxy.between = freeze
        proxy.cut(b"EXISTS (SELECT FROM messages", moment="after")
        await frozen.wait()
        try:
            other = await asyncio.to_thread(finished, cli.process("start", "What is 42 * 7?"))
            assert (other.code, other.out) == (0, "42 * 7 = 294.\n")
            assert ledger.lines == []
        finally:
            process.kill()
            process.communicate()

    async def is_left() -> bool:
        """Its lock ends with its session, soon after it."""
        listed = await asyncio.to_thread(cli, "list", "--format", "json")
        return [one["status"] for one in json.loads(listed.out)].count("interrupted") == 1

    await until(is_left)
