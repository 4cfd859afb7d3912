"""Whether what was done to a stream is named, and how rows are put into the table."""

from collections.abc import Awaitable, Callable, Sequence

import psycopg

from messagedb_agent.engine.findings import Verification
from messagedb_agent.events.anchor import Head
from messagedb_agent.events.metadata import read_metadata
from messagedb_agent.store.message import Message
from messagedb_agent.store.store import Reader
from tests.integration.verify.tampering import Change

Verify = Callable[[Reader, str, Head | None], Awaitable[Verification]]
"""Verifies a stream, which may have had a head."""


def is_named(change: Change, found: Verification) -> bool:
    """Say whether a change was found, where it is, or stands among the rows that are named.

    A row that says nothing of a hash is found by the next row that does; behind the last such row
    it is named, and an anchor finds it.
    """
    if found.finding is None:
        return any(row.position >= change.first for row in found.foreign)
    behind = [row for row in change.rows if row.position >= change.first]
    hashed = [row.position for row in behind if read_metadata(row.metadata).hash is not None]
    last = hashed[0] if hashed else behind[-1].position
    return change.first <= found.finding.position <= last


async def check(
    verify: Verify, reader: Reader, change: Change, rows: Sequence[Message], head: Head
) -> None:
    """Fail where a change is not named, with the head that was kept or without."""
    stream = rows[0].stream_name
    found, anchored = await verify(reader, stream, None), await verify(reader, stream, head)
    assert change.is_cut or is_named(change, found), (change, found)
    assert change.is_longer or anchored.finding is not None, (change, anchored)
    assert not change.is_longer or is_named(change, anchored), (change, anchored)


async def put(
    connection: psycopg.AsyncConnection[tuple[object, ...]], stream: str, rows: Sequence[Message]
) -> None:
    """Let a stream have these rows and no others."""
    await connection.execute("DELETE FROM message_store.messages WHERE stream_name = %s", (stream,))
    async with connection.cursor() as cursor:
        await cursor.executemany(
            "INSERT INTO message_store.messages (id, stream_name, type, position, data, metadata)"
            " VALUES (%s, %s, %s, %s, %s, %s)",
            [(r.id, stream, r.type, r.position, r.data, r.metadata) for r in rows],
        )
