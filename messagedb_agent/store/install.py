"""Puts Message DB into a database.

What is there already is never altered: no table, type or index is dropped or made twice, and a
store of another version is refused. Nothing here runs unless it is asked for by name.
"""

from psycopg import AsyncConnection, errors

from messagedb_agent.errors import NotMessageDb, UnsupportedMessageDb
from messagedb_agent.store.administering import installing
from messagedb_agent.store.report import (
    NEEDED_VERSION,
    REMEDY,
    StoreReport,
    check,
    look,
    serves,
    version_of,
)
from messagedb_agent.store.sql import SqlFile, sql_files

__all__ = ["REMEDY", "StoreReport", "check", "install"]


async def install(dsn: str) -> None:
    """Install Message DB into the database that `dsn` names, in one transaction.

    A complete installation is left as it is, whoever made it. What is missing from an
    incomplete one is added, and nothing that is there is dropped.

    Args:
        dsn: libpq URI or connection string of a role that may create schemas and roles there.

    Raises:
        StoreUnavailable: the database was not reached, or does not exist.
        ConfigurationError: the role may not install, or this package carries no SQL.
        UnsupportedMessageDb: another version is installed.
        NotMessageDb: a table of that name is there, and is not Message DB's.
    """
    async with installing(dsn, "Message DB") as connection:
        await _install(connection)


async def _install(connection: AsyncConnection[object]) -> None:
    found = await look(connection)
    if found.has_another_table():
        raise NotMessageDb(found.database, found.missing(), "choose another database")
    version = await version_of(connection, found)
    if version is not None and not serves(version):
        raise UnsupportedMessageDb(version, NEEDED_VERSION)
    if not found.missing():
        return
    for file in sql_files():
        if found.lacks(file):
            await _run(connection, file)
    if missing := (await look(connection)).missing():
        raise NotMessageDb(found.database, missing, "the SQL that was installed lacks it")


async def _run(connection: AsyncConnection[object], file: SqlFile) -> None:
    """Run one file; an extension that cannot be had is left out.

    pgcrypto is only asked for `gen_random_uuid`, which is part of PostgreSQL since version 13.
    """
    if not file.name.startswith("extensions/"):
        await connection.execute(file.text.encode())
        return
    try:
        async with connection.transaction():
            await connection.execute(file.text.encode())
    except (errors.FeatureNotSupported, errors.UndefinedFile, errors.InsufficientPrivilege):
        pass
