"""A throw-away server that writes as durably as one that is kept."""

import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from messagedb_agent.store.embedded import EmbeddedSettings, start, stop
from messagedb_agent.store.install import install

IDLE_S = 600.0


@dataclass(frozen=True, slots=True)
class Bench:
    """A private server.

    Attributes:
        home: its folder, for `MESSAGEDB_AGENT_HOME`.
        url: URL of its Message DB, as the role `message_store`.
        admin_url: URL of the same, as the owner.
        version: PostgreSQL's version.
        fsync: its settings `fsync` and `synchronous_commit`, such as `on, on`.
    """

    home: Path
    url: str
    admin_url: str
    version: str
    fsync: str


@asynccontextmanager
async def private_server() -> AsyncIterator[Bench]:
    """Start a server in a new folder; end it and remove the folder afterwards."""
    home = _new_folder()
    settings = EmbeddedSettings(home, idle_s=IDLE_S)
    try:
        server = await start(settings)
        with psycopg.connect(server.admin_url) as connection:
            version = _setting(connection, "server_version")
            fsync = ", ".join(_setting(connection, s) for s in ("fsync", "synchronous_commit"))
        yield Bench(home, server.url, server.admin_url, version, fsync)
    finally:
        await stop(settings, force=True)
        shutil.rmtree(home, ignore_errors=True)


@asynccontextmanager
async def empty_home() -> AsyncIterator[Path]:
    """Make a folder without a server; end the one that comes to be in it, and remove it."""
    home = _new_folder()
    try:
        yield home
    finally:
        await stop(EmbeddedSettings(home, idle_s=IDLE_S), force=True)
        shutil.rmtree(home, ignore_errors=True)


async def second_database(bench: Bench, name: str) -> str:
    """Make another Message DB on the same server, and return its URL."""
    with psycopg.connect(bench.admin_url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    await install(_in_database(bench.admin_url, name))
    return _in_database(bench.url, name)


def size_bytes(url: str) -> int:
    """Return the bytes of all messages with their indexes."""
    with psycopg.connect(url) as connection:
        return int(_one(connection, "SELECT pg_total_relation_size('message_store.messages')"))


def _new_folder() -> Path:
    home = Path(tempfile.mkdtemp(prefix="mdba-bench-"))
    home.chmod(0o711)  # as root, the account that runs the server has to get through it
    return home


def _setting(connection: psycopg.Connection, name: str) -> str:
    return _one(connection, "SELECT current_setting(%s)", name)


def _one(connection: psycopg.Connection, query: str, *values: str) -> str:
    row = connection.execute(query.encode(), values).fetchone()
    if row is None:
        raise LookupError(query)
    return str(row[0])


def _in_database(url: str, name: str) -> str:
    return url.replace("/message_store?", f"/{name}?", 1)
