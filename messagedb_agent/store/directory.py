"""Finding streams without reading their messages: what Message DB has no function for."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from itertools import groupby
from typing import Any, TypeAlias

import orjson

from messagedb_agent.store.message import Message
from messagedb_agent.store.rows import SELECT_OF_TABLE
from messagedb_agent.store.store import Beginning, Holding, Question, StreamHead, TypeRows

Fetch: TypeAlias = Callable[[str, dict[str, Any]], Awaitable[Sequence[tuple[Any, ...]]]]

# One page of the category's index, walked backwards: the highest row of each stream in it is
# that stream's last, unless the index on (stream, position) knows a later one. Asked once for
# each stream of the page and not for each row, as one busy thread may fill whole pages.
_NEWEST = """
WITH page AS MATERIALIZED (
  SELECT stream_name, position, global_position FROM messages
  WHERE category(stream_name) = %(category)s AND global_position < %(before)s
  ORDER BY global_position DESC
  LIMIT %(rows)s
), heads AS MATERIALIZED (
  SELECT stream_name, max(position) AS position, max(global_position) AS global_position
  FROM page GROUP BY stream_name
  ORDER BY max(global_position) DESC
)
SELECT page_end.rows, page_end.lowest, head.stream_name, head.position, head.global_position
FROM (SELECT count(*) AS rows, min(global_position) AS lowest FROM page) AS page_end
LEFT JOIN (
  SELECT * FROM heads
  WHERE (SELECT later.position FROM messages AS later
         WHERE later.stream_name = heads.stream_name AND later.position > heads.position
         LIMIT 1) IS NULL
  LIMIT %(limit)s  -- inside, so that no more streams are asked for than are wanted
) AS head ON true
ORDER BY head.global_position DESC
"""
# The same, as the streams stood at a global position: what came later is left out of account.
_NEWEST_AS_OF = _NEWEST.replace(
    """(SELECT later.position FROM messages AS later
         WHERE later.stream_name = heads.stream_name AND later.position > heads.position
         LIMIT 1) IS NULL""",
    """COALESCE((SELECT later.global_position FROM messages AS later
         WHERE later.stream_name = heads.stream_name AND later.position > heads.position
         ORDER BY later.position LIMIT 1) > %(as_of)s, true)""",
)
_ROWS_PER_STREAM = 20  # a first guess; a page that finds too few streams is followed by a larger
_MAX_ROWS = 20_000

# Hops from name to name in the index on (stream, position), and so costs what it returns.
# Where the database sorts by a language, other names stand between those with the prefix (as
# `Agent` between two `agent`); they are passed over.
_WITH_PREFIX = """
WITH RECURSIVE names(name) AS (
  (SELECT stream_name FROM messages
   WHERE stream_name >= %(prefix)s
   ORDER BY stream_name LIMIT 1)
  UNION ALL
  SELECT (SELECT stream_name FROM messages
          WHERE stream_name > names.name
          ORDER BY stream_name LIMIT 1)
  FROM names
  WHERE lower(left(names.name, length(%(prefix)s))) <= lower(%(prefix)s)
)
SELECT name FROM names WHERE starts_with(name, %(prefix)s) LIMIT %(limit)s
"""

_NEIGHBOURS = """
SELECT (SELECT stream_name FROM messages
        WHERE stream_name < %(stream)s ORDER BY stream_name DESC LIMIT 1),
       (SELECT stream_name FROM messages
        WHERE stream_name > %(stream)s ORDER BY stream_name LIMIT 1)
"""

# All rows of the stream are gone through. Of a type that is not asked for, data stay as they lie:
# where they are long, as a tool's results are, unpacking them costs more than all else.
_TYPES = """
SELECT type, count(*), min(position), max(position),
       count(*) FILTER (WHERE CASE WHEN type = %(texts_of)s THEN
         jsonb_typeof(data->'text') = 'string'
         AND btrim(data->>'text', E' \\t\\n\\r') <> '' END)
FROM messages
WHERE stream_name = %(stream)s AND position <= %(until)s
GROUP BY type
"""

# A step into the index on (stream, position) for each stream.
_HEADS = """
SELECT head.stream_name, head.position, head.global_position
FROM unnest(%(streams)s::text[]) AS named(stream)
CROSS JOIN LATERAL (
  SELECT stream_name, position, global_position FROM messages
  WHERE stream_name = named.stream AND global_position <= %(as_of)s
  ORDER BY position DESC LIMIT 1
) AS head
ORDER BY head.global_position DESC
"""

# The index on (stream, position) is stepped into for each stream.
_BEGINNINGS = """
SELECT first.* FROM unnest(%(streams)s::text[]) AS named(stream)
CROSS JOIN LATERAL (
  SELECT_OF_TABLE FROM messages
  WHERE stream_name = named.stream
  ORDER BY position LIMIT %(rows)s
) AS first
ORDER BY first.stream_name, first.position
""".replace("SELECT_OF_TABLE", SELECT_OF_TABLE)

# The category's index is walked backwards, until there are enough. What would answer is asked
# for by the stream's index, for each question alone: as a join it might read all messages.
_WITHOUT_ANSWER = """
  AND global_position < %(before)s
  AND type = %(type)s
  AND (%(holding)s::jsonb IS NULL OR data @> %(holding)s::jsonb)
  AND (SELECT answer.position FROM messages AS answer
       WHERE answer.stream_name = asked.stream_name AND answer.position > asked.position
         AND (answer.type = ANY(%(ends)s)
                AND (%(ends_holding)s::jsonb IS NULL OR answer.data @> %(ends_holding)s::jsonb)
              OR answer.type = ANY(%(answers)s)
                 AND answer.data->%(key)s::text = asked.data->%(key)s::text)
       LIMIT 1) IS NULL
ORDER BY global_position DESC
LIMIT %(limit)s
"""
_ASKED = f"{SELECT_OF_TABLE} FROM messages AS asked WHERE"
_UNANSWERED = f"{_ASKED} category(stream_name) = %(category)s {_WITHOUT_ANSWER}"
# The index on (stream, position) is to be used, not the category's.
_UNANSWERED_IN = (
    f"{_ASKED} stream_name = ANY(%(streams)s) AND category(stream_name) || '' = %(category)s "
    + _WITHOUT_ANSWER
)

# All rows of the category are gone through in its index; those of other types and places cost no
# more than that. What a first message says is unpacked for first messages alone.
_BEGUN_WITH = """
SELECT stream_name FROM messages
WHERE category(stream_name) = %(category)s
  AND CASE WHEN position = 0 AND type = %(type)s
      THEN jsonb_typeof(data #> %(path)s) = 'string' AND data #>> %(path)s = ANY(%(texts)s) END
ORDER BY global_position DESC
LIMIT %(limit)s
"""
# The same of any message; a stream that says it often is named once.
_SAID = _BEGUN_WITH.replace("position = 0 AND ", "").replace(
    "ORDER BY global_position", "GROUP BY stream_name ORDER BY max(global_position)"
)

_MAX_POSITION = 2**63 - 1


async def newest_streams(
    fetch: Fetch, category: str, limit: int, before: int | None, as_of: int | None = None
) -> list[StreamHead]:
    """Return the streams of a category by their last message, newest first.

    Where `as_of` does not say up to where, a stream that is written to between two pages may be
    missed, or named with its older place.
    """
    found: list[StreamHead] = []
    lowest = min(
        _MAX_POSITION if before is None else before, _MAX_POSITION if as_of is None else as_of + 1
    )
    query, told = (_NEWEST, {}) if as_of is None else (_NEWEST_AS_OF, {"as_of": as_of})
    size = min(max(100, limit * _ROWS_PER_STREAM), _MAX_ROWS)
    while len(found) < limit:
        page = await fetch(
            query,
            {"category": category, "before": lowest, "rows": size, "limit": limit - len(found)}
            | told,
        )
        found += [StreamHead(*head) for _, _, *head in page if head[0] is not None]
        rows, lowest = page[0][:2]
        if rows < size:
            break
        size = min(size * 4, _MAX_ROWS)
    return found


async def streams_with_prefix(fetch: Fetch, prefix: str, limit: int) -> list[str]:
    """Return the names of streams that begin with `prefix`, in order, at most `limit`."""
    found = await fetch(_WITH_PREFIX, {"prefix": prefix, "limit": limit})
    return sorted(name for (name,) in found)


async def neighbours(fetch: Fetch, stream: str) -> tuple[str | None, str | None]:
    """Return the names of the streams just before and just after `stream` in name order."""
    [(before, after)] = await fetch(_NEIGHBOURS, {"stream": stream})
    return before, after


async def types(
    fetch: Fetch, stream: str, until: int | None, texts_of: str | None
) -> Mapping[str, TypeRows]:
    """Return what stands in a stream up to a position, by type."""
    last = _MAX_POSITION if until is None else until
    found = await fetch(_TYPES, {"stream": stream, "until": last, "texts_of": texts_of})
    return {type: TypeRows(*rows) for type, *rows in found}


async def heads_of(
    fetch: Fetch, streams: Collection[str], as_of: int | None = None
) -> list[StreamHead]:
    """Return those of some streams that have messages, by their last one, newest first."""
    asked = {"streams": [*{*streams}], "as_of": _MAX_POSITION if as_of is None else as_of}
    found = await fetch(_HEADS, asked) if streams else ()
    return [StreamHead(*head) for head in found]


async def beginnings(
    fetch: Fetch, streams: Collection[str], rows: int
) -> dict[str, Sequence[Message]]:
    """Return the first messages of some streams, in order, by the streams that have any."""
    asked = {"streams": [*{*streams}], "rows": max(0, rows)}
    found = [Message(*row) for row in (await fetch(_BEGINNINGS, asked) if streams else ())]
    return {name: [*some] for name, some in groupby(found, key=lambda row: row.stream_name)}


async def unanswered(
    fetch: Fetch,
    category: str,
    question: Question,
    limit: int,
    before: int | None,
    streams: Collection[str] | None,
) -> list[Message]:
    """Return the messages of a category that no later one of their stream answers."""
    found = await fetch(
        _UNANSWERED if streams is None else _UNANSWERED_IN,
        {
            "category": category,
            "streams": None if streams is None else list(streams),
            "holding": _as_json(question.holding),
            "ends_holding": _as_json(question.ends_holding),
            "before": _MAX_POSITION if before is None else before,
            "type": question.type,
            "key": question.key,
            "answers": list(question.answers),
            "ends": list(question.ends),
            "limit": max(0, limit),
        },
    )
    return [Message(*row) for row in found]


def _as_json(holding: Holding | None) -> str | None:
    return None if holding is None else orjson.dumps({holding.key: [holding.text]}).decode()


async def begun_with(fetch: Fetch, category: str, beginning: Beginning, limit: int) -> list[str]:
    """Return the names of the streams of a category that begin so, the newest first."""
    found = await fetch(
        _BEGUN_WITH if beginning.is_first else _SAID,
        {
            "category": category,
            "type": beginning.type,
            "path": list(beginning.path),
            "texts": list(beginning.texts),
            "limit": max(0, limit),
        },
    )
    return [name for (name,) in found]
