"""One append to a Message DB: the statement, and what stands where its answer was lost."""

from collections.abc import Sequence
from typing import Any

import orjson
import psycopg

from messagedb_agent.errors import WrongExpectedVersion
from messagedb_agent.store.message import Appended, NewMessage
from messagedb_agent.store.pool import Connection
from messagedb_agent.store.server_errors import actual_version, duplicate, is_duplicate_id

# The messages go as one JSON array: half the cost of text arrays, whose elements are escaped one
# by one. The join is a nested loop by construction: each row is written before its own global
# position is asked for, and rows are written in order. The sequence's current value is this
# session's own, whatever writers of other categories do meanwhile.
_APPEND = """
SELECT written.position, currval('message_store.messages_global_position_seq')
FROM (SELECT message, ordinal
      FROM jsonb_array_elements(%(messages)s::jsonb) WITH ORDINALITY AS t(message, ordinal)
      ORDER BY ordinal) AS new
CROSS JOIN LATERAL
     (SELECT write_message(message->>'id', %(stream)s, message->>'type',
                           message->'data', message->'metadata',
                           %(expected)s::bigint + ordinal - 1) AS position
      OFFSET 0) AS written
"""

# Our messages as they stand in the stream, in our order, from the place where they must begin.
# The server compares: its jsonb is equal where every key is and every number, in full.
_STANDING = """
SELECT s.position, s.global_position
FROM jsonb_array_elements(%(messages)s::jsonb) WITH ORDINALITY AS new(message, ordinal)
JOIN messages AS s
  ON s.stream_name = %(stream)s
 AND s.position = ordinal + COALESCE(%(expected)s::bigint, (
       SELECT first.position - 1 FROM messages AS first
       WHERE first.id = (%(messages)s::jsonb->0->>'id')::uuid
         AND first.stream_name = %(stream)s))
 AND s.id = (message->>'id')::uuid
 AND s.type = message->>'type'
 AND s.data IS NOT DISTINCT FROM message->'data'
 AND s.metadata IS NOT DISTINCT FROM message->'metadata'
ORDER BY ordinal
"""


class Append:
    """Messages on their way into one stream; may be written any number of times.

    Args:
        stream: full stream name, checked.
        messages: one or more, checked.
        expected_version: position that the writer has seen last; None for any.
    """

    def __init__(
        self, stream: str, messages: Sequence[NewMessage], expected_version: int | None
    ) -> None:
        self._stream = stream
        self._count = len(messages)
        self._expected = expected_version
        self._parameters = {
            "stream": stream,
            "expected": expected_version,
            "messages": "[" + ",".join(map(_json, messages)) + "]",
        }

    async def write(self, connection: Connection) -> Appended:
        """Write, or find that an attempt whose answer was lost had written.

        Raises:
            WrongExpectedVersion: the stream has moved on, and not by these messages.
            DuplicateMessage: an id is taken, and not by all of these in this stream.
            psycopg.Error: anything else.
        """
        try:
            return _appended(await self._rows(connection, _APPEND))
        except psycopg.Error as error:
            actual = actual_version(error)
            if actual is None and not is_duplicate_id(error):
                raise
            standing = await self._rows(connection, _STANDING)
            if len(standing) == self._count:
                return _appended(standing)
            if actual is None or self._expected is None:
                raise duplicate(error, self._stream) from error
            raise WrongExpectedVersion(self._stream, self._expected, actual) from error

    async def _rows(self, connection: Connection, statement: str) -> list[tuple[Any, ...]]:
        return await (await connection.execute(statement, self._parameters)).fetchall()


def _json(message: NewMessage) -> str:
    """Return a checked message as JSON; a key that is absent is stored as SQL NULL."""
    data = f',"data":{message.data}' if message.data is not None else ""
    metadata = f',"metadata":{message.metadata}' if message.metadata is not None else ""
    type = orjson.dumps(message.type).decode()
    return f'{{"id":"{message.id}","type":{type}{data}{metadata}}}'


def _appended(rows: list[tuple[Any, ...]]) -> Appended:
    return Appended(position=rows[-1][0], global_positions=tuple(row[1] for row in rows))
