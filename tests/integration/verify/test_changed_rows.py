"""Rows that were changed, dropped, moved or added by hand are found where they stand."""

from dataclasses import replace

import pytest

from messagedb_agent.engine.findings import Finding
from messagedb_agent.engine.verify import verify
from messagedb_agent.events.codec import decode
from messagedb_agent.store.store import Store
from tests.integration.verify.threads import (
    CHANGE,
    DROP,
    REFUSED_HASH,
    TURN,
    Forge,
    Forgeable,
    found,
    rows_of,
    talk,
)


@pytest.mark.parametrize("position", range(len(TURN)))
async def test_changed_data_are_found_where_they_stand(
    store: Store, forge: Forge, category: str, position: int
) -> None:
    stream = await talk(store, category)
    await forge(CHANGE, stream, position)
    result = await verify(store, stream)
    assert result.events == position
    assert result.finding is not None
    assert (result.finding.stream, result.finding.position) == (stream, position)
    assert (result.finding.type, result.finding.what) == (TURN[position], REFUSED_HASH)
    row = (await rows_of(store, stream))[position]
    assert result.finding.recorded == decode(row).metadata.hash
    assert result.finding.computed != result.finding.recorded


@pytest.mark.parametrize(
    "change",
    [
        "metadata = jsonb_set(metadata, '{localProperties,writer}', '\"me\"')",
        "metadata = jsonb_set(metadata, '{localProperties,occurredAt}', '1')",
        "metadata = metadata - 'causationMessagePosition'",
        "metadata = jsonb_set(metadata, '{properties}', '{\"a\": 1}')",
        "type = 'ToolExecutionFailed'",
        "id = gen_random_uuid()",
    ],
)
async def test_changed_metadata_type_and_id_are_found_where_they_stand(
    store: Store, forge: Forge, category: str, change: str
) -> None:
    stream = await talk(store, category)
    await forge(
        f"""UPDATE message_store.messages SET {change}
            WHERE stream_name = %(stream)s AND position = 5""",  # noqa: S608  # from above
        stream,
    )
    finding = await found(store, stream)
    assert (finding.position, finding.what) == (5, REFUSED_HASH)


async def test_a_dropped_row_is_found_by_the_gap_it_leaves(
    store: Store, forge: Forge, category: str
) -> None:
    stream = await talk(store, category)
    await forge(DROP, stream, 4)
    assert await found(store, stream) == Finding(
        stream, 5, TURN[5], "row 4 is missing", recorded="5", computed="4"
    )


async def test_a_dropped_first_row_is_found(store: Store, forge: Forge, category: str) -> None:
    stream = await talk(store, category)
    await forge(DROP, stream, 0)
    assert (await found(store, stream)).what == "row 0 is missing"


async def test_a_dropped_row_is_found_when_the_gap_is_closed(
    store: Store, forge: Forge, category: str
) -> None:
    stream = await talk(store, category)
    await forge(
        """DELETE FROM message_store.messages WHERE stream_name = %(stream)s AND position = 4;
           UPDATE message_store.messages SET position = position + 1000
           WHERE stream_name = %(stream)s AND position > 4;
           UPDATE message_store.messages SET position = position - 1001
           WHERE stream_name = %(stream)s AND position > 1000""",
        stream,
    )
    finding = await found(store, stream)
    assert (finding.position, finding.type, finding.what) == (4, TURN[5], REFUSED_HASH)


async def test_swapped_rows_are_found_at_the_first_of_them(
    store: Store, forge: Forge, category: str
) -> None:
    stream = await talk(store, category)
    await forge(
        """UPDATE message_store.messages SET position = 1003
           WHERE stream_name = %(stream)s AND position = 3;
           UPDATE message_store.messages SET position = 3
           WHERE stream_name = %(stream)s AND position = 5;
           UPDATE message_store.messages SET position = 5
           WHERE stream_name = %(stream)s AND position = 1003""",
        stream,
    )
    finding = await found(store, stream)
    assert (finding.position, finding.type, finding.what) == (3, TURN[5], REFUSED_HASH)


async def test_a_copied_row_is_found_where_the_copy_stands(
    store: Store, forge: Forge, category: str
) -> None:
    stream = await talk(store, category)
    await forge(
        """INSERT INTO message_store.messages (id, stream_name, type, position, data, metadata)
           SELECT gen_random_uuid(), stream_name, type, 8, data, metadata
           FROM message_store.messages WHERE stream_name = %(stream)s AND position = 1""",
        stream,
    )
    result = await verify(store, stream)
    assert result.events == len(TURN)
    assert result.finding is not None
    assert (result.finding.position, result.finding.what) == (8, REFUSED_HASH)


async def test_the_same_id_twice_is_found(category: str) -> None:
    store = Forgeable()
    stream = await talk(store, category)
    rows = await rows_of(store, stream)
    store.forged[stream] = [*rows[:6], replace(rows[6], id=rows[2].id), rows[7]]
    finding = await found(store, stream)
    assert (finding.position, finding.what) == (6, "the id of an earlier row")
    assert finding.recorded == rows[2].id


async def test_the_same_row_twice_is_found(category: str) -> None:
    store = Forgeable()
    stream = await talk(store, category)
    rows = await rows_of(store, stream)
    store.forged[stream] = [*rows[:4], rows[3], *rows[4:]]
    finding = await found(store, stream)
    assert (finding.position, finding.what) == (3, "comes twice")


async def test_a_stream_that_ends_before_its_head_is_found(category: str) -> None:
    store = Forgeable()
    stream = await talk(store, category)
    store.forged[stream] = (await rows_of(store, stream))[:-1]
    assert (await found(store, stream)).what == "row 7 is missing"
