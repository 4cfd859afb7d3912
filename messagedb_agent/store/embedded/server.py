"""The one door to the embedded server: find it or start it, look at it, end it."""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import AsyncConnection

from messagedb_agent.errors import AgentError, Refused, StoreUnavailable
from messagedb_agent.store.embedded import binaries, locks, postmaster, starting, watcher
from messagedb_agent.store.embedded.account import server_account
from messagedb_agent.store.embedded.obstacles import find_obstacle
from messagedb_agent.store.embedded.paths import Places, places, require_no_newline
from messagedb_agent.store.embedded.running import is_alive, running, touch
from messagedb_agent.store.embedded.values import (
    EmbeddedServer,
    EmbeddedSettings,
    EmbeddedStatus,
    url_of,
)

_STOP_TIMEOUT_S = 30.0
_LOOKS = 10  # at clients, before they keep a server from being stopped
_BETWEEN_LOOKS_S = 0.1

_CLIENTS = """
SELECT count(*) FROM pg_stat_activity
WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND application_name <> %s
"""


async def start(settings: EmbeddedSettings, *, _fsync: bool = True) -> EmbeddedServer:
    """Return the server of a folder, which runs when this returns; start it if need be.

    Finding one takes well under a millisecond. A server given out this way is not ended for
    `idle_s` seconds, connected to or not; the latest call's `idle_s` is the one in force. Who
    cannot connect all the same (it was killed, or ended by hand) calls again.

    Args:
        settings: which server.
        _fsync: False only for throw-away stores of tests.

    Raises:
        StoreUnavailable: it cannot be started; the message holds the end of its log.
        ConfigurationError: there is no PostgreSQL, no account to run it, or no Message DB SQL.
    """
    require_no_newline(settings.home)
    where = places(settings.home, server_account())
    with _file_errors_told(where):
        if server := _found(where, settings):
            return server
        await starting.bring_up(where, settings, fsync=_fsync)
        if server := running(where):
            return server
    raise StoreUnavailable(f"the embedded server has ended again; its log is {where.log}")


def status(settings: EmbeddedSettings) -> EmbeddedStatus:
    """Return what is known of the server of a folder; starts and makes nothing.

    Raises:
        StoreUnavailable: the folder may not be looked into.
    """
    where = places(settings.home, server_account())
    with _file_errors_told(where):
        return EmbeddedStatus(
            server=running(where),
            is_watched=locks.is_held(where.watcher_lock),
            data=where.data,
            log=where.log,
        )


def data_folder(settings: EmbeddedSettings) -> Path:
    """Return PostgreSQL's data folder, whether it is there or not.

    Raises:
        ConfigurationError: we are root, and there is no account to run the server.
    """
    return places(settings.home, server_account()).data


def obstacle(settings: EmbeddedSettings) -> AgentError | None:
    """Return what would keep the server of a folder from starting; None where nothing is seen.

    It is for a server that does not run. Nothing is started, and nothing is left behind.
    """
    try:
        where = places(settings.home, server_account())
        with _file_errors_told(where):
            return find_obstacle(where, settings)
    except AgentError as error:
        return error


async def stop(settings: EmbeddedSettings, *, force: bool = False) -> bool:
    """End the server of a folder at once.

    Args:
        settings: which server.
        force: also where clients are connected; what they have not committed is rolled back.

    Returns:
        Whether there was one to end.

    Raises:
        Refused: clients are connected (`force` not given); the message says how many.
        StoreUnavailable: it does not end.
    """
    where = places(settings.home, server_account())
    with _file_errors_told(where):
        if not is_alive(where):
            return False
        async with locks.exclusive(where.lock, timeout_s=starting.LOCK_TIMEOUT_S):
            if not force and (clients := await _clients_that_stay(where)):
                raise Refused(
                    f"{clients} other client{'s are' if clients > 1 else ' is'} connected to the "
                    "embedded server; --force ends it all the same"
                )
            # PostgreSQL's fast shutdown, and its immediate one.
            for way in (signal.SIGINT, signal.SIGQUIT) if force else (signal.SIGINT,):
                if file := postmaster.read_pid_file(where.data):
                    postmaster.send_signal(file.pid, way, where.account)
                if await locks.until(lambda: not is_alive(where), timeout_s=_STOP_TIMEOUT_S):
                    return True
    raise StoreUnavailable(f"the embedded server does not end; its log is {where.log}")


def psql(settings: EmbeddedSettings) -> Path | None:
    """Return the `psql` that comes with the server's PostgreSQL; None where it has none."""
    path = binaries.find(settings.postgres_bin) / "psql"
    return path if os.access(path, os.X_OK) else None


@contextmanager
def _file_errors_told(where: Places) -> Iterator[None]:
    """Turn what the file system refuses into one line that says what to do."""
    try:
        yield
    except OSError as error:
        raise StoreUnavailable(
            f"the embedded server cannot use the folder {where.root}: {error.strerror} "
            f"({error.filename}); set MESSAGEDB_AGENT_HOME to a folder that can be written"
        ) from error


def _found(where: Places, settings: EmbeddedSettings) -> EmbeddedServer | None:
    """Return the server if it can be used as it is, and keep it from ending just now."""
    with locks.try_shared(where.lock) as lock:
        if lock is None or not where.prepared.exists() or not locks.is_held(where.watcher_lock):
            return None
        if server := running(where):
            touch(lock, settings.idle_s)
            return server
    return None


async def _clients_that_stay(where: Places) -> int:
    """Return how many clients are connected, but for those that are just leaving.

    The server ends the session of a client that has closed it, or ended, a moment later.
    """
    for _ in range(_LOOKS):
        if not (clients := await _clients(where)):
            break
        await asyncio.sleep(_BETWEEN_LOOKS_S)
    return clients


async def _clients(where: Places) -> int:
    """Return how many clients are connected; none where the server takes no connections."""
    server = running(where)
    if server is None:
        return 0
    url = url_of(server.socket_dir, role="postgres", database="postgres")
    try:
        async with await AsyncConnection.connect(url, autocommit=True) as connection:
            cursor = await connection.execute(_CLIENTS, (watcher.APPLICATION,))
            row = await cursor.fetchone()
    except psycopg.Error as error:
        raise StoreUnavailable(
            f"the embedded server does not say who is connected ({error}); --force ends it"
        ) from error
    return int(row[0]) if row else 0
