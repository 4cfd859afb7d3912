"""Puts views of threads into a database, in a schema of their own, beside Message DB's."""

from importlib.resources import files

from messagedb_agent.store.administering import connect_to, told_as_owner
from messagedb_agent.store.install import INSTALL_LOCK


async def install_views(dsn: str) -> None:
    """Install the views, or put newer ones in their place, in one transaction.

    Args:
        dsn: libpq URI or connection string of the owner of Message DB.

    Raises:
        StoreUnavailable: the database was not reached.
        ConfigurationError: the role may not make a schema, or does not own the one that is there.
        StoreError: something else is in the way, such as a view of other columns.
    """
    text = (files("messagedb_agent.store") / "views.sql").read_text(encoding="utf-8")
    async with await connect_to(dsn) as connection:
        with told_as_owner("installing the views", work="install the views"):
            async with connection.transaction():
                await connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", INSTALL_LOCK)
                await connection.execute("SET LOCAL client_min_messages = warning")
                await connection.execute(text.encode())
