"""A thread that is as it was written is left alone."""

from uuid import uuid4

from messagedb_agent.engine.verify import verify
from messagedb_agent.events.chain import GENESIS, row_hash
from messagedb_agent.events.codec import Envelope, seal
from messagedb_agent.events.metadata import Cause, Travelling
from messagedb_agent.events.schema import SessionTitled, UserMessageAdded
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.store.message import NewMessage
from messagedb_agent.store.store import Store
from tests.integration.verify.threads import REQUESTS, TURN, rows_of, talk, write


async def test_a_thread_that_nobody_touched_is_sound(store: Store, category: str) -> None:
    stream = await talk(store, category, turns=2)
    assert tuple(row.type for row in await rows_of(store, stream)) == TURN + TURN[1:]
    result = await verify(store, stream)
    assert (result.finding, result.foreign) == (None, ())
    assert (result.events, result.requests) == (len(TURN) * 2 - 1, REQUESTS * 2)


async def test_a_thread_in_the_middle_of_a_turn_is_sound(store: Store, category: str) -> None:
    stream = await talk(store, category)
    await write(store, stream, UserMessageAdded(text="more"))
    assert (await verify(store, stream)).finding is None


async def test_a_stream_without_rows_has_nothing_wrong_with_it(store: Store, category: str) -> None:
    result = await verify(store, f"{category}-nobody")
    assert (result.events, result.finding) == (0, None)


async def test_causes_before_their_effects_and_in_other_streams_are_sound(category: str) -> None:
    store = MemoryStore()
    stream = await talk(store, category)
    title = SessionTitled(title="Rivers")
    await write(store, stream, title, cause=Cause(stream, 7))
    await write(store, stream, title, cause=Cause("agent:command-1", 99))
    assert (await verify(store, stream)).finding is None


async def test_long_threads_are_read_over_many_pages(store: Store, category: str) -> None:
    stream = await talk(store, category)
    title = SessionTitled(title="Rivers")
    batch = []
    last = GENESIS
    async for row in store.read(stream):
        last = row_hash(last, row)
    for position in range(8, 1_500):
        envelope = Envelope(None, Travelling(), 0, "writer")
        sealed = seal(str(uuid4()), stream, position, title, envelope, last)
        last = sealed.hash
        batch.append(NewMessage(sealed.id, sealed.type, sealed.data, sealed.metadata))
    await store.append(stream, *batch, expected_version=7)
    result = await verify(store, stream)
    assert (result.events, result.finding) == (1_500, None)
