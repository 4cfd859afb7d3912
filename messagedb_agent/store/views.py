"""Puts views of threads into a database, in a schema of their own, beside Message DB's."""

from importlib.resources import files

from messagedb_agent.store.administering import installing


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
    async with installing(dsn, "the views") as connection:
        await connection.execute(text.encode())
