"""Removes what is derived from threads and can be made again: their snapshots."""

from collections.abc import Collection

from messagedb_agent.store.administering import connect_to, told_as_owner
from messagedb_agent.store.stream_name import beside

_DROP = """
DELETE FROM message_store.messages
WHERE message_store.category(stream_name) = %(category)s
  AND (%(ids)s::text[] IS NULL OR message_store.cardinal_id(stream_name) = ANY(%(ids)s))
"""


async def drop_snapshots(dsn: str, category: str, thread_ids: Collection[str] | None) -> int:
    """Delete the snapshots of threads, and their pages, in one statement.

    Message DB's own role may not delete: its rights are to read and to append.

    Args:
        dsn: libpq URI or connection string of a role that may, such as Message DB's owner.
        category: category of the threads, such as `agent:v0`.
        thread_ids: ids of the threads; None for all there are.

    Returns:
        How many messages were deleted.

    Raises:
        ConfigurationError: the URL is none, or the role may not delete.
        StoreUnavailable: the database was not reached.
    """
    named = {
        "category": beside(category, "snapshot", "").removesuffix("-"),
        "ids": None if thread_ids is None else list(thread_ids),
    }
    told = told_as_owner(
        "dropping snapshots", work="delete", why="Message DB lets its role read and append alone: "
    )
    async with await connect_to(dsn) as connection:
        with told:
            await connection.execute("SET search_path = message_store, public")
            deleted = await connection.execute(_DROP, named)
        return deleted.rowcount
