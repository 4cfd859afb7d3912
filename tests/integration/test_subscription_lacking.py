"""A handler that lacks a table, a column or a right: no message is blamed, and none is lost."""

from typing import Any
from uuid import uuid4

import psycopg
import pytest

from messagedb_agent.errors import ConfigurationError
from messagedb_agent.store.message import Message
from messagedb_agent.store.message_db import MessageDbStore
from tests.integration.ledger import Ledger
from tests.unit.consumers.subscribing import consumed, parking, written


async def done(admin_url: str, statement: str) -> None:
    async with await psycopg.AsyncConnection.connect(admin_url, autocommit=True) as connection:
        await connection.execute(statement.encode())


class Inserting:
    """Writes a line for each message, by a statement that may lack what it names."""

    def __init__(self, ledger: Ledger, statement: str = "") -> None:
        self.insert = ledger.insert
        self.statement = statement.encode()

    async def __call__(self, message: Message, connection: Any) -> None:
        line = f"{message.stream_name.partition('-')[2]}/{message.position}"
        if self.statement and line != "1/0":
            await connection.execute(self.statement)
        await connection.execute(self.insert, ("", line))


@pytest.mark.parametrize(
    ("statement", "lacks"),
    [
        ("INSERT INTO nowhere VALUES (1)", 'relation "nowhere" does not exist'),
        ("UPDATE messages SET colour = 'red'", 'column "colour" of relation "messages"'),
        ("SELECT 1 FROM nowhere.to_be", 'relation "nowhere.to_be" does not exist'),
        ("CREATE TABLE nowhere.to_be (a int)", 'schema "nowhere" does not exist'),
        ("SELECT 1 FROM pg_catalog.pg_authid", "permission denied for table pg_authid"),
    ],
)
async def test_it_ends_with_what_is_lacking_parks_nothing_and_goes_on_once_it_is_there(
    store_url: str, category: str, ledger: Ledger, statement: str, lacks: str
) -> None:
    async with await MessageDbStore.connect(store_url) as store:
        await written(store, category, "1", "2", "3", "2")
        with pytest.raises(ConfigurationError, match=lacks) as ended:
            await consumed(store, category, Inserting(ledger, statement))
        assert ended.value.field == "handler"
        assert str(ended.value).endswith(f"the next run goes on with {category}-2/0")
        assert ledger.lines == ["1/0"]
        assert not (await parking(store, category)).parked
        await consumed(store, category, Inserting(ledger))
    assert ledger.lines == ["1/0", "2/0", "3/0", "2/1"]


async def test_a_thread_that_was_replayed_is_not_parked_again_for_what_is_lacking(
    store_url: str, category: str, ledger: Ledger
) -> None:
    async with await MessageDbStore.connect(store_url) as store:
        await written(store, category, "1", "2", "2")
        await consumed(store, category, Inserting(ledger, "SELECT 1/0"))
        aside = await parking(store, category)
        await aside.replay(aside.parked[0])
        with pytest.raises(ConfigurationError, match="nowhere"):
            await consumed(store, category, Inserting(ledger, "TABLE nowhere"))
        assert not (await parking(store, category)).parked
        await consumed(store, category, Inserting(ledger))
    assert ledger.lines == ["1/0", "2/0", "2/1"]


async def test_a_row_that_a_policy_refuses_is_the_fault_of_its_message(
    store_url: str, admin_url: str, category: str, ledger: Ledger
) -> None:
    policy = f"policy_{uuid4().hex}"
    await done(
        admin_url,
        f"ALTER TABLE {ledger.name} ENABLE ROW LEVEL SECURITY;"
        f"CREATE POLICY {policy} ON {ledger.name} TO message_store WITH CHECK (line <> '2/0')",
    )
    async with await MessageDbStore.connect(store_url) as store:
        await written(store, category, "1", "2", "3")
        await consumed(store, category, Inserting(ledger))
        (parked,) = (await parking(store, category)).parked
    assert "row-level security" in parked.reason
    assert ledger.lines == ["1/0", "3/0"]
