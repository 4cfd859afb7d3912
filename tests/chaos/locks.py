"""Who holds which locks, and whose sessions are ended, as the server's owner sees it."""

from collections.abc import Collection, Iterable

import psycopg

from messagedb_agent.store.ownership import lock_keys

_HELD = """
SELECT lock.classid::bigint, lock.objid::bigint
FROM pg_locks AS lock JOIN pg_stat_activity AS session USING (pid)
WHERE lock.locktype = 'advisory' AND lock.objsubid = 2 AND lock.granted
  AND session.application_name = %s
"""
_END = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = %s"
_END_OWNER = f"""{_END} AND EXISTS (
  SELECT FROM pg_locks AS lock WHERE lock.pid = pg_stat_activity.pid
  AND lock.locktype = 'advisory' AND lock.objsubid = 2 AND lock.mode = 'ExclusiveLock')
"""


async def owned(admin_url: str, name: str, streams: Iterable[str]) -> Collection[str]:
    """Return those of some streams that the sessions of an application own."""
    async with await psycopg.AsyncConnection.connect(admin_url) as connection:
        rows = set(await (await connection.execute(_HELD, (name,))).fetchall())
    return [stream for stream in streams if _unsigned(stream) in rows]


async def end_sessions(admin_url: str, name: str, *, all_of_them: bool) -> None:
    """End the sessions of an application: all, or that which owns streams; they are gone then."""
    query = _END if all_of_them else _END_OWNER
    async with await psycopg.AsyncConnection.connect(admin_url, autocommit=True) as connection:
        await connection.execute(query, (name,))


def _unsigned(stream: str) -> tuple[int, int]:
    high, low = lock_keys(stream)
    return high & 0xFFFFFFFF, low & 0xFFFFFFFF
