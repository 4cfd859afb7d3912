"""What the tests of verifying share."""

from collections.abc import AsyncIterator

import psycopg
import pytest

from messagedb_agent.store.message_db import MessageDbStore
from tests.integration.verify.threads import Forge


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[MessageDbStore]:
    async with await MessageDbStore.connect(store_url) as store:
        yield store


@pytest.fixture
def forge(admin_url: str) -> Forge:
    async def change(statements: str, stream: str, position: int = 0) -> None:
        async with await psycopg.AsyncConnection.connect(admin_url) as connection:
            for statement in statements.split(";"):
                where = {"stream": stream, "position": position}
                await connection.execute(statement.encode(), where)

    return change
