"""Working on a database as its owner: connecting to it, and what its server says against it."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import psycopg
from psycopg import AsyncConnection, errors

from messagedb_agent.errors import ConfigurationError, StoreError, StoreUnavailable
from messagedb_agent.store.report import first_line

_INSTALL_LOCK = (0x6D646261, 1)  # "mdba"; Message DB's own locks use the one-number key space


async def connect_to(dsn: str) -> AsyncConnection[object]:
    """Connect as whoever owns the database.

    Raises:
        StoreUnavailable: the database was not reached, or does not exist.
        ConfigurationError: the URL is none.
    """
    try:
        return await AsyncConnection[object].connect(dsn, autocommit=True, connect_timeout=10)
    except psycopg.OperationalError as error:
        raise StoreUnavailable(f"cannot connect to the database: {first_line(error)}") from error
    except psycopg.ProgrammingError as error:  # its text would repeat a mistyped password
        raise ConfigurationError(
            "the database URL cannot be understood", field="MESSAGE_DB_URL"
        ) from error


@contextmanager
def told_as_owner(doing: str, *, work: str, why: str = "") -> Iterator[None]:
    """Turn what a server says against an owner's work into errors of ours.

    Args:
        doing: what is done, such as `installing the views`.
        work: what another role may not do, such as `install the views`.
        why: why it may not, with what leads over to the remedy.

    Raises:
        ConfigurationError: the role may not do it.
        StoreUnavailable: the connection was lost.
        StoreError: something else is in the way.
    """
    try:
        yield
    except errors.InsufficientPrivilege as error:
        raise ConfigurationError(
            f"this role may not {work} ({first_line(error)}); {why}use the URL of the database's"
            " owner",
            field="MESSAGE_DB_URL",
        ) from error
    except psycopg.OperationalError as error:
        raise StoreUnavailable(first_line(error)) from error
    except psycopg.Error as error:
        raise StoreError(f"{doing} failed: {first_line(error)}") from error


@asynccontextmanager
async def installing(dsn: str, what: str) -> AsyncIterator[AsyncConnection[object]]:
    """Give the owner's connection, in a transaction in which no other installation is under way.

    Args:
        dsn: libpq URI or connection string of the database's owner.
        what: what is installed, such as `the views`.

    Raises:
        ConfigurationError: the URL is none, or the role may not install it.
        StoreUnavailable: the database was not reached, or the connection was lost.
        StoreError: something else is in the way.
    """
    async with await connect_to(dsn) as connection:
        with told_as_owner(f"installing {what}", work=f"install {what}"):
            async with connection.transaction():
                await connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", _INSTALL_LOCK)
                await connection.execute("SET LOCAL client_min_messages = warning")
                yield connection
