"""The lock of a category, in the hands of somebody else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
from psycopg.conninfo import make_conninfo


@asynccontextmanager
async def held(url: str, stream: str) -> AsyncIterator[int]:
    """Hold the lock of a stream's category; give the process id of the session that does."""
    path = make_conninfo(url, options="-csearch_path=message_store")
    async with await psycopg.AsyncConnection.connect(path) as connection:
        await connection.execute("SELECT acquire_lock(%s)", (stream,))
        yield connection.info.backend_pid


def has_waiting(url: str, holder: int) -> bool:
    """Say whether a session waits for a lock that another one holds."""
    query = "SELECT count(*) FROM pg_locks WHERE NOT granted AND %s = ANY(pg_blocking_pids(pid))"
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(query, (holder,)).fetchone()
        return bool(row and row[0])
