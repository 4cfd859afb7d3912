"""A new data folder, and the database in it."""

import asyncio
import os
import shutil
import subprocess
from pathlib import Path

import psycopg
from psycopg import AsyncConnection

from messagedb_agent.errors import StoreUnavailable
from messagedb_agent.store.embedded.account import Account, identity
from messagedb_agent.store.embedded.paths import Places, own_folder
from messagedb_agent.store.embedded.postmaster import environment
from messagedb_agent.store.embedded.values import url_of
from messagedb_agent.store.install import install
from messagedb_agent.store.search_index import install_search

# Nobody but the server's account and root gets through the folder to the socket, so a name is
# enough there; there is no line for any network.
_HBA = "local all all trust\n"


def major_version(data: Path) -> int | None:
    """Return the major version of the PostgreSQL that made the data; None where there are none."""
    try:
        return int((data / "PG_VERSION").read_text().strip())
    except (FileNotFoundError, NotADirectoryError):
        return None


async def make(programs: Path, places: Places, *, fsync: bool) -> None:
    """Make the data folder, whole or not at all.

    Raises:
        StoreUnavailable: `initdb` failed.
    """
    draft = places.root / "data.new"
    shutil.rmtree(draft, ignore_errors=True)
    own_folder(draft, places.account)
    done = await asyncio.to_thread(_initdb, programs, draft, places.account, fsync)
    if done.returncode != 0:
        shutil.rmtree(draft, ignore_errors=True)
        raise StoreUnavailable(f"initdb failed in {places.root}: {_tail(done.stderr)}")
    draft.rename(places.data)


def _initdb(
    programs: Path, data: Path, account: Account | None, fsync: bool
) -> "subprocess.CompletedProcess[str]":
    options = ["--username=postgres", "--auth-local=trust", "--auth-host=reject"]
    options += ["--encoding=UTF8", "--no-locale", "--wal-segsize=4"]
    if not fsync:
        options.append("--no-sync")
    return subprocess.run(
        [str(programs / "initdb"), "-D", str(data), *options],
        check=False,  # its words go into the error
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        cwd="/",
        env=environment(),
        umask=0o077,
        **identity(account),
    )


def write_hba(places: Places) -> None:
    """Write who may connect; anew at each start, so that an older server's rule does not stay."""
    draft = places.hba.with_suffix(".new")
    draft.unlink(missing_ok=True)
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "w") as file:
        file.write(_HBA)
    if places.account:
        os.chown(draft, -1, places.account.gid)
        draft.chmod(0o640)
    draft.replace(places.hba)


async def prepare(places: Places) -> None:
    """Make the database and install Message DB, and what a search reads, where it is not there.

    Raises:
        StoreError: it failed; nothing half done stays.
    """
    admin = url_of(places.run, role="postgres", database="postgres")
    try:
        async with await AsyncConnection.connect(admin, autocommit=True) as connection:
            cursor = await connection.execute(
                "SELECT FROM pg_database WHERE datname = 'message_store'"
            )
            if await cursor.fetchone() is None:
                await connection.execute("CREATE DATABASE message_store")
    except psycopg.Error as error:
        raise StoreUnavailable(f"the embedded server does not answer: {error}") from error
    await install(url_of(places.run, role="postgres"))
    await install_search(url_of(places.run, role="postgres"))
    await _let_the_owner_find_the_functions(places)


async def _let_the_owner_find_the_functions(places: Places) -> None:
    async with await AsyncConnection.connect(
        url_of(places.run, role="postgres"), autocommit=True
    ) as connection:
        await connection.execute(
            "ALTER ROLE postgres IN DATABASE message_store SET search_path = message_store, public"
        )


def _tail(text: str) -> str:
    return " | ".join(text.strip().splitlines()[-3:])
