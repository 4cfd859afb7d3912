"""Removes what is derived from threads and can be made again: their snapshots."""

from collections.abc import Collection

import psycopg
from psycopg import errors

from messagedb_agent.errors import ConfigurationError, StoreError, StoreUnavailable
from messagedb_agent.store.install import connect_to
from messagedb_agent.store.report import first_line
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
    async with await connect_to(dsn) as connection:
        try:
            await connection.execute("SET search_path = message_store, public")
            deleted = await connection.execute(_DROP, named)
        except errors.InsufficientPrivilege as error:
            raise ConfigurationError(
                f"this role may not delete ({first_line(error)}); Message DB lets its role read and"
                " append alone: use the URL of the database's owner",
                field="MESSAGE_DB_URL",
            ) from error
        except psycopg.OperationalError as error:
            raise StoreUnavailable(first_line(error)) from error
        except psycopg.Error as error:
            raise StoreError(f"dropping snapshots failed: {first_line(error)}") from error
        return deleted.rowcount
