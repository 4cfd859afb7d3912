"""The stores that the contracts are tried on."""

from collections.abc import AsyncIterator

import pytest
from psycopg.conninfo import make_conninfo

from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.store.message_db import MessageDbStore
from messagedb_agent.store.message_db_py import MessageDbPyReader
from messagedb_agent.store.store import Reader, Store


@pytest.fixture(params=["message_db", "memory"])
async def store(request: pytest.FixtureRequest, store_url: str) -> AsyncIterator[Store]:
    """Every whole store, one after the other."""
    if request.param == "memory":
        yield MemoryStore()
    else:
        async with await MessageDbStore.connect(store_url) as store:
            yield store


@pytest.fixture(params=["message_db", "memory", "message_db_py"])
async def reader_and_writer(
    request: pytest.FixtureRequest, store_url: str
) -> AsyncIterator[tuple[Reader, Store]]:
    """Every reader, with a store that writes where it reads."""
    if request.param == "memory":
        memory = MemoryStore()
        yield memory, memory
        return
    async with await MessageDbStore.connect(store_url) as store:
        if request.param == "message_db":
            yield store, store
            return
        reader = await MessageDbPyReader.connect(
            make_conninfo(store_url, options="-csearch_path=message_store")
        )
        yield reader, store
        await reader.close()


@pytest.fixture
def reader(reader_and_writer: tuple[Reader, Store]) -> Reader:
    return reader_and_writer[0]


@pytest.fixture
def writer(reader_and_writer: tuple[Reader, Store]) -> Store:
    return reader_and_writer[1]
