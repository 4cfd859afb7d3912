"""Appends that are too large for one statement: several, in one transaction."""

from collections.abc import AsyncIterator
from typing import Literal

import pytest

from messagedb_agent.errors import DuplicateMessage, WrongExpectedVersion
from messagedb_agent.store import append
from messagedb_agent.store.message import Appended, NewMessage
from messagedb_agent.store.message_db import MessageDbStore
from tests.contract.messages import ids_of, new
from tests.integration.cutting_proxy import CuttingProxy, cutting_proxy


@pytest.fixture(autouse=True)
def _small_statements(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(append, "_MOST_CHARS", 400)  # two or three of these messages


@pytest.fixture
async def proxy(store_url: str) -> AsyncIterator[CuttingProxy]:
    async with cutting_proxy(store_url) as proxy:
        yield proxy


@pytest.fixture
async def store(proxy: CuttingProxy) -> AsyncIterator[MessageDbStore]:
    async with await MessageDbStore.connect(proxy.url, prepare_threshold=None) as store:
        yield store


def many(count: int = 10) -> list[NewMessage]:
    return [new() for _ in range(count)]


@pytest.mark.parametrize("expected", [-1, None])
@pytest.mark.parametrize("word", [b"", b"COMMIT", b"write_message(message"])
@pytest.mark.parametrize("moment", ["before", "after"])
async def test_it_stands_once_whatever_statement_was_cut_off(
    store: MessageDbStore,
    proxy: CuttingProxy,
    category: str,
    word: bytes,
    moment: Literal["before", "after"],
    expected: int | None,
) -> None:
    messages = many()
    if word:
        proxy.cut(word, moment=moment)
    appended = await store.append(f"{category}-1", *messages, expected_version=expected)
    found = [message async for message in store.read(f"{category}-1")]
    assert [message.id for message in found] == [message.id for message in messages]
    assert appended == Appended(9, tuple(message.global_position for message in found))
    assert proxy.cuts == bool(word)
    assert store.connections_in_use == 0


async def test_where_its_last_message_cannot_stand_none_does(
    store: MessageDbStore, category: str
) -> None:
    taken, messages = new(), many()
    await store.append(f"{category}-2", taken)
    with pytest.raises(DuplicateMessage):
        await store.append(f"{category}-1", *messages, taken, expected_version=-1)
    assert await store.stream_version(f"{category}-1") == -1
    await store.append(f"{category}-1", new())
    with pytest.raises(WrongExpectedVersion):
        await store.append(f"{category}-1", *messages, expected_version=-1)
    assert len(await ids_of(store.read(f"{category}-1"))) == 1
    await store.append(f"{category}-1", *messages, expected_version=0)
    with pytest.raises(WrongExpectedVersion):  # what stands begins as ours does, and is not all
        await store.append(f"{category}-1", *messages, *many(3), expected_version=0)
