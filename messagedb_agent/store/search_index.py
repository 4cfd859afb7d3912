"""Words of messages in a PostgreSQL, brought up to date before each search.

Message DB's table and schema stay as they are: the index stands in a schema of its own, which the
database's owner makes (`search.sql`), and in which its role may write.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import files
from typing import Any

from psycopg import errors

from messagedb_agent.errors import ConfigurationError
from messagedb_agent.store.administering import installing
from messagedb_agent.store.message import Message
from messagedb_agent.store.pool import Connection
from messagedb_agent.store.report import first_line
from messagedb_agent.store.rows import SELECT_OF_TABLE
from messagedb_agent.store.searchable import (
    ANSWERED,
    CALLED,
    DELETED,
    MAX_RANKED,
    PURPOSE,
    SAID,
    STARTED,
    TYPES,
    Match,
)
from messagedb_agent.store.stream_name import is_thread
from messagedb_agent.store.words import MAX_CHARS, Query, as_any_tsquery, as_tsquery, as_tsvector

REMEDY = "install it with: messagedb-agent db install --search"
_PAGE = 200  # of texts of up to MAX_CHARS characters

_LOCK = """
INSERT INTO messagedb_agent.search_progress_1 (category, global_position) VALUES (%(category)s, 0)
ON CONFLICT DO NOTHING
"""
# Who updates waits here for whoever else does: what is read behind it is done by one.
_PROGRESS = """
SELECT global_position FROM messagedb_agent.search_progress_1
WHERE category = %(category)s FOR UPDATE
"""
_END = """
SELECT coalesce((SELECT global_position FROM messages WHERE category(stream_name) = %(category)s
                 ORDER BY global_position DESC LIMIT 1), 0)
"""
_FORGET = (
    "DELETE FROM messagedb_agent.search_words_1 WHERE category = %(category)s",
    "DELETE FROM messagedb_agent.search_threads_1 WHERE category = %(category)s",
)
_ADVANCE = """
UPDATE messagedb_agent.search_progress_1 SET global_position = %(done)s
WHERE category = %(category)s
"""
# A reply is an answer by the claim that it answers, found by its id, whatever stands there.
_NEWS = """
SELECT m.stream_name, m.position, m.global_position, m.type,
       CASE WHEN jsonb_typeof(m.data->'text') = 'string'
            THEN left(m.data->>'text', %(chars)s) END,
       CASE WHEN m.position = 0 AND jsonb_typeof(m.data->'user') = 'string'
            THEN m.data->>'user' END,
       m.type <> %(answered)s OR EXISTS (
         SELECT FROM messages AS c
         WHERE c.id = CASE WHEN m.data->>'llmCallId' ~ %(uuid)s
                           THEN (m.data->>'llmCallId')::uuid END
           AND c.stream_name = m.stream_name AND c.position < m.position
           AND c.type = %(called)s AND c.data->>'purpose' = %(purpose)s)
FROM messages AS m
WHERE category(m.stream_name) = %(category)s
  AND m.global_position > %(done)s AND m.global_position <= %(end)s
  AND m.type = ANY(%(types)s)
ORDER BY m.global_position
LIMIT %(page)s
"""
_UUID = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
_TAKE_IN = """
INSERT INTO messagedb_agent.search_words_1 (stream_name, position, category, global_position, words)
SELECT stream_name, position, %s, global_position, words::tsvector
FROM unnest(%s::text[], %s::bigint[], %s::bigint[], %s::text[])
  AS new (stream_name, position, global_position, words)
ON CONFLICT (stream_name, position) DO UPDATE
SET global_position = excluded.global_position, words = excluded.words
"""
_KNOW = """
INSERT INTO messagedb_agent.search_threads_1 AS known (stream_name, category, person, is_deleted)
VALUES (%s, %s, %s, %s)
ON CONFLICT (stream_name) DO UPDATE
SET person = coalesce(excluded.person, known.person),
    is_deleted = known.is_deleted OR excluded.is_deleted
"""

# What is ranked is bounded before it is; the messages themselves are fetched for the best alone.
_FIND = """
WITH fitting AS MATERIALIZED (
  SELECT w.stream_name, w.position, w.global_position, w.words
  FROM messagedb_agent.search_words_1 AS w
  LEFT JOIN messagedb_agent.search_threads_1 AS t ON t.stream_name = w.stream_name
  WHERE w.words @@ %(all)s::tsquery AND w.category = %(category)s
    AND t.is_deleted IS NOT TRUE AND (%(user)s::text IS NULL OR t.person = %(user)s)
  ORDER BY w.global_position DESC
  LIMIT %(ranked)s
), ranked AS (
  SELECT stream_name AS stream, position AS place, global_position AS at,
         round(ts_rank('{1,1,1,1}', words, %(any)s::tsquery, 1)::numeric, 4) AS rank
  FROM fitting
  ORDER BY rank DESC, global_position DESC
  LIMIT %(limit)s
)
SELECT_OF_TABLE, rank
FROM ranked JOIN messages
  ON messages.stream_name = ranked.stream AND messages.position = ranked.place
ORDER BY rank DESC, global_position DESC
""".replace("SELECT_OF_TABLE", SELECT_OF_TABLE)


async def install_search(dsn: str) -> None:
    """Make the tables that a search reads, where they are not there, in one transaction.

    Args:
        dsn: libpq URI or connection string of the owner of Message DB.

    Raises:
        StoreUnavailable: the database was not reached.
        ConfigurationError: the role may not make a schema, or does not own the one that is there.
        StoreError: something else is in the way.
    """
    text = (files("messagedb_agent.store") / "search.sql").read_text(encoding="utf-8")
    async with installing(dsn, "the search") as connection:
        await connection.execute(text.encode())


async def take_in(connection: Connection, category: str, *, anew: bool) -> tuple[int, bool]:
    """Take in the next messages of a category, in one transaction.

    Where the store ends before what was taken in, it is another one by now, as after a restore:
    all is taken in anew.

    Returns:
        How many texts were taken in, and whether there are more.

    Raises:
        ConfigurationError: the index is not there, or may not be used.
        psycopg.Error: the server says so.
    """
    named = {"category": category}
    with _told():
        async with connection.transaction():
            await connection.execute(_LOCK, named)
            done = await _number(connection, _PROGRESS, named)
            end = await _number(connection, _END, named)
            if anew or end < done:
                for statement in _FORGET:
                    await connection.execute(statement, named)
                done = 0
            if done == end and not anew:
                return 0, False
            rows = await _news(connection, category, done, end)
            taken = await _taken_in(connection, category, rows)
            has_more = len(rows) == _PAGE
            done = rows[-1][2] if has_more else end
            await connection.execute(_ADVANCE, {**named, "done": done})
            return taken, has_more


async def find(
    connection: Connection, category: str, query: Query, user: str | None, limit: int
) -> list[Match]:
    """Return the messages that fit best, of those that were taken in.

    Raises:
        ConfigurationError: the index is not there, or may not be used.
        psycopg.Error: the server says so.
    """
    sought = {
        "all": as_tsquery(query),
        "any": as_any_tsquery(query),
        "category": category,
        "user": user,
        "limit": max(0, limit),
        "ranked": MAX_RANKED,
    }
    with _told():
        cursor = await connection.execute(_FIND, sought, prepare=False)
        return [Match(Message(*row), float(rank)) for *row, rank in await cursor.fetchall()]


async def _number(connection: Connection, query: str, named: dict[str, Any]) -> int:
    [(number,)] = await (await connection.execute(query, named, prepare=False)).fetchall()
    return int(number)


async def _news(
    connection: Connection, category: str, done: int, end: int
) -> Sequence[tuple[Any, ...]]:
    wanted = {
        "category": category,
        "done": done,
        "end": end,
        "types": list(TYPES),
        "answered": ANSWERED,
        "called": CALLED,
        "purpose": PURPOSE,
        "uuid": _UUID,
        "chars": MAX_CHARS,
        "page": _PAGE,
    }
    return await (await connection.execute(_NEWS, wanted, prepare=False)).fetchall()


async def _taken_in(connection: Connection, category: str, rows: Sequence[tuple[Any, ...]]) -> int:
    columns: tuple[list[Any], ...] = ([], [], [], [])
    for stream, position, at, type, text, user, is_said in rows:
        if not is_thread(category, stream):
            continue
        words = as_tsvector(text) if type in (SAID, ANSWERED) and text and is_said else ""
        if words:
            for column, value in zip(columns, (stream, position, at, words), strict=True):
                column.append(value)
        if (type == STARTED and user) or type == DELETED:
            person = user if type == STARTED else None
            await connection.execute(_KNOW, (stream, category, person, type == DELETED))
    if columns[0]:
        await connection.execute(_TAKE_IN, (category, *columns))
    return len(columns[0])


@contextmanager
def _told() -> Iterator[None]:
    """Say of tables that are not there, or may not be used, how that is mended.

    Raises:
        ConfigurationError: they are not, or may not.
    """
    try:
        yield
    except (errors.UndefinedTable, errors.InvalidSchemaName) as error:
        raise ConfigurationError(
            f"the search has no index in this database; {REMEDY}, as its owner", field="search"
        ) from error
    except errors.InsufficientPrivilege as error:
        raise ConfigurationError(
            f"this role may not use the search's index ({first_line(error)}); it is granted to"
            " message_store",
            field="search",
        ) from error
