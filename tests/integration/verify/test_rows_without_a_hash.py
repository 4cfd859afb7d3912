"""Rows of other writers are named and not condemned; a row of ours has its hash."""

from messagedb_agent.engine.findings import ForeignRow
from messagedb_agent.engine.verify import verify
from messagedb_agent.store.store import Store
from tests.contract.messages import new
from tests.integration.verify.threads import (
    CHANGE,
    REFUSED_HASH,
    REQUESTS,
    TURN,
    Forge,
    found,
    journal,
    talk,
    turn,
)


async def test_rows_of_other_writers_are_named_and_not_condemned(
    store: Store, category: str
) -> None:
    stream = await talk(store, category)
    said = new("UserMessageAdded", '{"text": "more"}')
    await store.append(stream, said, new("Paid", '{"amount": 1.50}'))
    await turn(store, journal(store, stream))
    result = await verify(store, stream)
    assert result.foreign == (
        ForeignRow(stream, 8, "UserMessageAdded"),
        ForeignRow(stream, 9, "Paid"),
    )
    assert (result.finding, result.requests) == (None, REQUESTS * 2)
    assert result.events == len(TURN) * 2


async def test_a_changed_row_of_another_writer_is_found_by_the_next_hash(
    store: Store, forge: Forge, category: str
) -> None:
    stream = await talk(store, category)
    said = new("UserMessageAdded", '{"text": "more"}')
    await store.append(stream, said)
    await turn(store, journal(store, stream))
    await forge(
        """UPDATE message_store.messages SET data = '{"text": "less"}'
           WHERE stream_name = %(stream)s AND position = 8""",
        stream,
    )
    finding = await found(store, stream)
    assert finding.position == 9
    assert finding.what == f"{REFUSED_HASH}, or a row of another writer before it, from 8 on"


async def test_rows_of_other_writers_before_the_last_sound_hash_are_not_suspected(
    store: Store, forge: Forge, category: str
) -> None:
    stream = await talk(store, category)
    await store.append(stream, new("UserMessageAdded", '{"text": "more"}'))
    await turn(store, journal(store, stream))
    await forge(CHANGE, stream, 12)
    finding = await found(store, stream)
    assert (finding.position, finding.what) == (12, REFUSED_HASH)


async def test_a_row_of_ours_that_lost_its_hash_is_found(
    store: Store, forge: Forge, category: str
) -> None:
    stream = await talk(store, category)
    bare = """UPDATE message_store.messages SET metadata = metadata #- '{localProperties,hash}'
              WHERE stream_name = %(stream)s AND position = %(position)s"""
    await forge(bare, stream, 5)
    result = await verify(store, stream)
    assert result.finding is not None
    assert (result.finding.position, result.finding.what) == (5, "its hash is missing")


async def test_a_row_that_lost_all_that_says_it_is_ours_is_covered_by_the_next(
    store: Store, forge: Forge, category: str
) -> None:
    stream = await talk(store, category)
    bare = """UPDATE message_store.messages SET metadata = metadata - 'localProperties'
              WHERE stream_name = %(stream)s AND position = %(position)s"""
    await forge(bare, stream, 5)
    assert (await found(store, stream)).position == 6
