"""Appends to a Message DB: the statement, and what stands where its answer was lost."""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import Any

import orjson
import psycopg

from messagedb_agent.errors import WrongExpectedVersion
from messagedb_agent.store.direct import DirectConnection
from messagedb_agent.store.message import Appended, NewMessage
from messagedb_agent.store.pool import Connection
from messagedb_agent.store.server_errors import (
    duplicate,
    is_about_statement,
    is_duplicate_id,
    taken_id,
    wrong_version,
)

# The messages go as one JSON array: half the cost of text arrays, whose elements are escaped one
# by one. The join is a nested loop by construction: each row is written before its own global
# position is asked for, and rows are written in order. The sequence's current value is this
# session's own, whatever writers of other categories do meanwhile.
_APPEND = """
SELECT written.position, currval('message_store.messages_global_position_seq')
FROM (SELECT message
      FROM jsonb_array_elements(%(messages)s::jsonb) WITH ORDINALITY AS t(message, ordinal)
      ORDER BY ordinal) AS new
CROSS JOIN LATERAL
     (SELECT write_message(message->>'id', message->>'stream', message->>'type',
                           message->'data', message->'metadata',
                           (message->>'expected')::bigint) AS position
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


_MOST_CHARS = 32 * 1024 * 1024
"""Characters of messages in one statement, at the most: jsonb has 256 MB for an array."""


class NotTogether(Exception):
    """One of several appends cannot be written; none was.

    Args:
        index: which of them is in conflict, or stands already; None where the server refuses
            something and does not say in which.
    """

    def __init__(self, index: int | None) -> None:
        super().__init__("an append" if index is None else f"append {index}")
        self.index = index


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
        self.count = len(messages)
        self.stream = stream
        self._ids = [message.id for message in messages]
        self._expected = expected_version
        texts = [*_json(stream, expected_version, messages)]
        self.json = ",".join(texts)
        self._parts = [texts] if len(self.json) <= _MOST_CHARS else [*_parts(texts)]

    def has(self, id: str | None) -> bool:
        """Say whether one of the messages has this id."""
        return id in self._ids

    def expects(self, version: int) -> bool:
        """Say whether one of the messages is to stand right behind a position."""
        return self._expected is not None and 0 <= version - self._expected < self.count

    async def write(self, connection: Connection) -> Appended:
        """Write, or find that an attempt whose answer was lost had written.

        Raises:
            WrongExpectedVersion: the stream has moved on, and not by these messages.
            DuplicateMessage: an id is taken, and not by all of these in this stream.
            psycopg.Error: anything else.
        """
        try:
            if len(self._parts) == 1:
                return _appended(await self._written(connection))
            async with connection.transaction():
                return _appended(await self._written(connection))
        except psycopg.Error as error:
            wrong = wrong_version(error)
            if wrong is None and not is_duplicate_id(error):
                raise
            standing = await self._standing(connection)
            if len(standing) == self.count:
                return _appended(standing)
            if wrong is None or self._expected is None:
                raise duplicate(error, self.stream) from error
            raise WrongExpectedVersion(self.stream, self._expected, wrong.actual) from error

    async def write_once(self, connection: Connection) -> Appended:
        """Write in a transaction that is open; a failure is the end of that.

        Raises:
            WrongExpectedVersion: the stream has moved on.
            DuplicateMessage: an id is taken.
            psycopg.Error: anything else.
        """
        try:
            return _appended(await self._written(connection))
        except psycopg.Error as error:
            if (wrong := wrong_version(error)) is not None and self._expected is not None:
                raise WrongExpectedVersion(self.stream, self._expected, wrong.actual) from error
            if is_duplicate_id(error):
                raise duplicate(error, self.stream) from error
            raise

    async def _written(self, connection: Connection) -> list[tuple[Any, ...]]:
        if len(self._parts) == 1:
            return await _rows(connection, _APPEND, {"messages": f"[{self.json}]"})
        written: list[tuple[Any, ...]] = []
        for texts in self._parts:
            written += await _rows(connection, _APPEND, {"messages": f"[{','.join(texts)}]"})
        return written

    async def _standing(self, connection: Connection) -> list[tuple[Any, ...]]:
        """Return where our messages stand, as far as they do."""
        standing: list[tuple[Any, ...]] = []
        expected = self._expected
        for texts in self._parts:
            place = {"stream": self.stream, "expected": expected}
            messages = {"messages": f"[{','.join(texts)}]"}
            standing += await _rows(connection, _STANDING, {**messages, **place})
            expected = None if expected is None else expected + len(texts)
        return standing


async def write_together(connection: Connection, appends: Sequence[Append]) -> list[Appended]:
    """Write several appends in one statement, all or none.

    Raises:
        NotTogether: one of them cannot be written, or stands already.
        psycopg.Error: what would keep each of them from being written.
    """
    messages = ",".join(append.json for append in appends)
    try:
        rows = await _rows(connection, _APPEND, {"messages": f"[{messages}]"})
    except psycopg.Error as error:
        index = _in_conflict(error, appends)
        if index is None and not is_about_statement(error):
            raise
        raise NotTogether(index) from error
    ends = [*accumulate(append.count for append in appends)]
    return [_appended(rows[end - a.count : end]) for a, end in zip(appends, ends, strict=True)]


def _in_conflict(error: psycopg.Error, appends: Sequence[Append]) -> int | None:
    wrong, taken = wrong_version(error), taken_id(error) if is_duplicate_id(error) else None
    for index, append in enumerate(appends):
        is_late = wrong and append.stream == wrong.stream and append.expects(wrong.expected)
        if is_late or append.has(taken):
            return index
    return None


async def _rows(
    connection: Connection, statement: str, parameters: Mapping[str, Any]
) -> list[tuple[Any, ...]]:
    if isinstance(connection, DirectConnection) and len(parameters) == 1:
        return await connection.ask(statement, *parameters.values())
    return await (await connection.execute(statement, parameters)).fetchall()


def _json(stream: str, expected: int | None, messages: Sequence[NewMessage]) -> Iterator[str]:
    """Yield checked messages as JSON; a key that is absent is stored as SQL NULL."""
    name = orjson.dumps(stream).decode()
    for offset, message in enumerate(messages):
        place = f',"expected":{expected + offset}' if expected is not None else ""
        data = f',"data":{message.data}' if message.data is not None else ""
        metadata = f',"metadata":{message.metadata}' if message.metadata is not None else ""
        type = _quoted(message.type)
        yield f'{{"id":"{message.id}","stream":{name},"type":{type}{place}{data}{metadata}}}'


def _parts(texts: Sequence[str]) -> Iterator[list[str]]:
    """Cut messages, as JSON, into parts that a statement each can hold."""
    part, size = list[str](), 0
    for text in texts:
        if part and size + len(text) > _MOST_CHARS:
            yield part
            part, size = [], 0
        part.append(text)
        size += len(text) + 1
    yield part


@lru_cache
def _quoted(type: str) -> str:
    return orjson.dumps(type).decode()


def _appended(rows: list[tuple[Any, ...]]) -> Appended:
    return Appended(position=rows[-1][0], global_positions=tuple([row[1] for row in rows]))
