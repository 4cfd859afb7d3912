"""Names by Message DB's own functions, and in databases that sort by a language."""

from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from messagedb_agent.store.install import install
from messagedb_agent.store.message import NewMessage
from messagedb_agent.store.message_db import MessageDbStore
from messagedb_agent.store.stream_name import (
    cardinal_id_of,
    category_of,
    id_of,
    is_category,
    thread_category,
    thread_stream,
)

NAMES = ["my-agent", "a:b", "a+b", "agent:v0", "", " ", "a\n", "x" * 201, "x" * 8000, "../", "%2d"]
NAMES += ["a\uff0db", "🤖-🤖", "\u202ea-b", "position", "command", "x-", "-x", "-", "--", "a--b"]
NAMES += ["a-b+c", "a-+c", "a-b+c+d-e", "A-B", "a-6F9C", "a:b+c-d-e", "'; DROP TABLE messages;--"]
NAMES += [
    thread_category("agent", "v0"),
    thread_stream("agent", "v0", str(uuid4())),
    "agent:v0-root-1+child-2",
    "agent:v0+position-worker-0-of-4",
]


async def test_names_are_taken_apart_as_message_db_takes_them_apart(store_url: str) -> None:
    url = make_conninfo(store_url, options="-csearch_path=message_store")
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        for name in NAMES:
            [row] = await (
                await connection.execute(
                    "SELECT category(%(n)s), id(%(n)s), cardinal_id(%(n)s), is_category(%(n)s)",
                    {"n": name},
                )
            ).fetchall()
            assert row == (category_of(name), id_of(name), cardinal_id_of(name), is_category(name))


@pytest.mark.parametrize("locale", ["en-US", "sv-SE"])
async def test_prefixes_are_found_where_the_database_sorts_by_a_language(
    admin_url: str, locale: str
) -> None:
    database = f"test_{uuid4().hex}"
    async with await psycopg.AsyncConnection.connect(admin_url, autocommit=True) as admin:
        name = sql.Identifier(database)
        create = sql.SQL(
            "CREATE DATABASE {} TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE {} ENCODING utf8"
        )
        try:
            await admin.execute(create.format(name, sql.Literal(locale)))
        except psycopg.errors.FeatureNotSupported:
            pytest.skip("this PostgreSQL is built without ICU")
        try:
            await _find(make_conninfo(admin_url, dbname=database))
        finally:
            await admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


async def _find(url: str) -> None:
    await install(url)
    ids = ["6f9c1", "6F9C2", "6f9c3", "6f-9c", "6f.9", "6f9", "7a", "z", "~", "6f9c~"]
    categories = ["agent:v0", "Agent:v0", "agentV0", "agent", "agents:v0"]
    names = [f"{category}-{id}" for category in categories for id in ids]
    async with await MessageDbStore.connect(url) as store:
        for name in names:
            await store.append(name, NewMessage(str(uuid4()), "Written", "{}"))
        for prefix in {name[:length] for name in names for length in range(1, len(name) + 1)}:
            found = await store.streams_with_prefix(prefix, limit=99)
            assert found == sorted(name for name in names if name.startswith(prefix))
