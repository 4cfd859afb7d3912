"""Positions that another client of Message DB has written, and positions that it reads of ours."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from message_db.client import MessageDB
from psycopg.conninfo import make_conninfo

from messagedb_agent.store.message import Message
from messagedb_agent.store.message_db import MessageDbStore
from messagedb_agent.store.message_db_py import MessageDbPyReader
from tests.integration.ledger import Ledger
from tests.unit.consumers.subscribing import Seen, consumed, written

MINE = {"causationMessageStreamName": "other-1"}  # what other clients may say beside


@pytest.fixture
def other(store_url: str) -> Iterator[MessageDB]:
    client = MessageDB.from_url(make_conninfo(store_url, options="-csearch_path=message_store"))
    yield client
    client.connection_pool.closeall()


async def test_both_kinds_of_delivery_go_on_where_message_db_py_has_left_off(
    store_url: str, category: str, ledger: Ledger, other: MessageDB
) -> None:
    async def handle(message: Message, connection: Any) -> None:
        await connection.execute(ledger.insert, ("", str(message.position)))

    stream, data = f"{category}:position-consumer", {"by": "another"}
    async with await MessageDbStore.connect(store_url) as store:
        places = await written(store, category, *"1" * 5)
        for place in places[1:3]:
            note = {"position": place, **data}
            await asyncio.to_thread(other.write, stream, "Recorded", note, MINE)
        seen = Seen()
        await consumed(store, category, seen)
        assert seen.of("1") == [2, 3, 4]
        assert other.read_last_message(stream)["data"] == {"position": places[-1]}

        await asyncio.to_thread(other.write, stream, "Recorded", {"position": places[2]}, MINE)
        await consumed(store, category, handle)
    assert ledger.lines == ["3", "4"]  # behind it: it says that this one is handled


async def test_a_reader_of_message_db_py_goes_on_there_as_a_member_of_a_group(
    store_url: str, category: str, other: MessageDB
) -> None:
    url = make_conninfo(store_url, options="-csearch_path=message_store")
    reader = await MessageDbPyReader.connect(url)
    async with await MessageDbStore.connect(store_url) as store:
        places = await written(store, category, *"1234567" * 2)
        for member in (0, 1):
            stream = f"{category}:position-pair-{member}-of-2"
            await asyncio.to_thread(other.write, stream, "Recorded", {"position": places[6]})
        seen = Seen()
        for member in (0, 1):
            options = {"name": "pair", "size": 2, "member": member, "keeper": store}
            await consumed(reader, category, seen, **options)
        assert sorted(place for place in seen.places if place[1] == 1) == [
            (stream, 1) for stream in "1234567"
        ]
        assert [place for place in seen.places if place[1] == 0] == [("7", 0)]  # at it, once more
    await reader.close()
