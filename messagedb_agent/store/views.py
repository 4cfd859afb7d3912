"""Puts views of threads into a database, in a schema of their own, beside Message DB's."""

from importlib.resources import files

import psycopg
from psycopg import errors

from messagedb_agent.errors import ConfigurationError, StoreError, StoreUnavailable
from messagedb_agent.store.install import INSTALL_LOCK, connect_to
from messagedb_agent.store.report import first_line


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
        try:
            async with connection.transaction():
                await connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", INSTALL_LOCK)
                await connection.execute("SET LOCAL client_min_messages = warning")
                await connection.execute(text.encode())
        except errors.InsufficientPrivilege as error:
            raise ConfigurationError(
                f"this role may not install the views ({first_line(error)}); "
                "use the URL of the database's owner",
                field="MESSAGE_DB_URL",
            ) from error
        except psycopg.OperationalError as error:
            raise StoreUnavailable(first_line(error)) from error
        except psycopg.Error as error:
            raise StoreError(f"installing the views failed: {first_line(error)}") from error
