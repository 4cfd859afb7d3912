"""What the search keeps in a database: beside Message DB, by several processes, made anew."""

import asyncio
import json
from collections.abc import Iterator
from urllib.parse import urlsplit

import psycopg
import pytest

from messagedb_agent.store.message_db import MessageDbStore
from messagedb_agent.store.search_index import install_search
from messagedb_agent.store.words import query_of
from tests.contract.messages import new
from tests.scratch_database import scratch_database
from tests.store_url import StoreUrls

CATEGORY = "agent:v0"
RED = query_of("red")
SHAPE = """
SELECT c.relname, c.relkind::text, c.relacl::text, pg_get_indexdef(i.indexrelid)
FROM pg_class c LEFT JOIN pg_index i ON i.indexrelid = c.oid
WHERE c.relnamespace = 'message_store'::regnamespace
UNION ALL
SELECT t.tgname, 'trigger', NULL, NULL FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
WHERE c.relnamespace = 'message_store'::regnamespace
UNION ALL
SELECT p.proname, 'function', p.proacl::text, pg_get_functiondef(p.oid)
FROM pg_proc p WHERE p.pronamespace = 'message_store'::regnamespace
ORDER BY 1, 2, 4
"""


@pytest.fixture
def databases(store_urls: StoreUrls) -> Iterator[tuple[str, str]]:
    """URLs, of message_store and of the owner, of a database that is not ours."""
    if store_urls.admin_url is None:
        pytest.skip("TEST_STORE is a URL, where no other database can be made")
    with scratch_database(store_urls) as url:
        yield url, urlsplit(store_urls.admin_url)._replace(path=urlsplit(url).path).geturl()


async def told(store: MessageDbStore, count: int) -> None:
    texts = (json.dumps({"text": f"red {n}"}) for n in range(count))
    await store.append(f"{CATEGORY}-a", *(new("UserMessageAdded", text) for text in texts))


async def found(store: MessageDbStore) -> list[int]:
    matches = await store.search(CATEGORY, RED, limit=1000)
    return sorted(match.message.position for match in matches)


def shape(url: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(SHAPE).fetchall()


async def test_what_the_search_needs_stands_beside_message_db_which_stays_as_it_is(
    databases: tuple[str, str],
) -> None:
    url, owner = databases
    before = shape(owner)
    await install_search(owner)
    await install_search(owner)
    assert shape(owner) == before
    async with await MessageDbStore.connect(url) as store:
        await told(store, 3)
        assert await found(store) == [0, 1, 2]
    assert shape(owner) == before


async def test_processes_that_search_at_once_take_everything_in_once(
    databases: tuple[str, str],
) -> None:
    url, owner = databases
    await install_search(owner)
    async with (
        await MessageDbStore.connect(url) as one,
        await MessageDbStore.connect(url) as other,
    ):
        await told(one, 450)
        stores = (one, other, one, other)
        taken = await asyncio.gather(*(store.index(CATEGORY) for store in stores))
        assert sum(taken) == 450
        assert await found(one) == await found(other) == list(range(450))


async def test_who_is_cancelled_while_it_takes_in_leaves_nothing_half_done(
    databases: tuple[str, str],
) -> None:
    url, owner = databases
    await install_search(owner)
    async with await MessageDbStore.connect(url) as store:
        await told(store, 900)
        for pause in range(8):
            task = asyncio.create_task(store.index(CATEGORY))
            await asyncio.sleep(0.003 * pause)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        assert await found(store) == list(range(900))
        assert store.connections_in_use == 0


async def test_an_index_of_another_store_is_made_anew(databases: tuple[str, str]) -> None:
    """As after a restore: the store ends before what was taken in."""
    url, owner = databases
    await install_search(owner)
    async with await MessageDbStore.connect(url) as store:
        await told(store, 3)
        assert await found(store) == [0, 1, 2]
        with psycopg.connect(owner) as connection:
            connection.execute("SET search_path = message_store")
            connection.execute("DELETE FROM messages WHERE position > 0")
            connection.execute("ALTER SEQUENCE messages_global_position_seq RESTART 2")
        await store.append(f"{CATEGORY}-a", new("UserMessageAdded", '{"text": "blue"}'))
        (blue,) = await store.search(CATEGORY, query_of("blue"), limit=9)
        assert (blue.message.position, blue.message.global_position) == (1, 2)
        assert await found(store) == [0]
