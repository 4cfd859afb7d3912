"""The engine's own appends, noted, and made once more by bare statements."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any
from uuid import uuid4

import psycopg

from messagedb_agent.store.message import Appended, NewMessage
from messagedb_agent.store.message_db import MessageDbStore
from messagedb_agent.store.stream_name import category_of

MOST_TOGETHER = 100
"""Appends of different streams in one statement, as the store makes them."""

# What a store writes with, and nothing of the store: one statement, so one commit.
_WRITE = """
SELECT write_message(message->>'id', message->>'stream', message->>'type',
                     message->'data', message->'metadata', (message->>'expected')::bigint)
FROM jsonb_array_elements(%s::jsonb) WITH ORDINALITY AS new(message, ordinal)
ORDER BY ordinal
"""


@dataclass(frozen=True, slots=True)
class Append:
    """An append as the engine made it."""

    messages: tuple[NewMessage, ...]
    expected_version: int


class NotingStore(MessageDbStore):
    """Writes what it is told to, and notes it, but for what is kept beside threads."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._appends: list[Append] = []

    async def append(
        self, stream: str, *messages: NewMessage, expected_version: int | None = None
    ) -> Appended:
        if expected_version is not None and "+" not in category_of(stream):
            self._appends.append(Append(messages, expected_version))
        return await super().append(stream, *messages, expected_version=expected_version)

    def take(self) -> list[Append]:
        """Return what was written since the last call."""
        taken, self._appends = self._appends, []
        return taken


class BareWriter:
    """Makes appends by one prepared statement for each commit.

    Args:
        connection: to another database of the same server.
    """

    def __init__(self, connection: psycopg.Connection) -> None:
        connection.execute("SET search_path TO message_store, public")
        self._connection = connection
        self._stream = new_stream()
        self._version = -1

    def write(self, appends: Iterable[Sequence[NewMessage]]) -> float:
        """Write messages to one stream, each append a commit; return the milliseconds it took."""
        commits = []
        for messages in appends:
            commits.append(_as_array([self._stream], messages, self._version))
            self._version += len(messages)
        return self._commit(commits)

    def write_together(self, streams: Sequence[str], append: Append) -> float:
        """Write an append to many streams at once, and return the milliseconds it took."""
        batches = (
            streams[begin : begin + MOST_TOGETHER]
            for begin in range(0, len(streams), MOST_TOGETHER)
        )
        return self._commit(
            [_as_array(batch, append.messages, append.expected_version) for batch in batches]
        )

    def _commit(self, commits: Sequence[str]) -> float:
        began = perf_counter()
        for messages in commits:
            self._connection.execute(_WRITE, (messages,)).fetchall()
        return (perf_counter() - began) * 1000


def new_stream() -> str:
    """Return the name of a stream where nothing stands."""
    return f"agent:v0-{uuid4()}"


def _as_array(streams: Iterable[str], messages: Sequence[NewMessage], version: int) -> str:
    """Return messages for streams that all stand at a version, as one JSON array.

    The same as the engine's but for their ids, which are unique.
    """
    rows = (
        f'{{"id":"{uuid4()}","stream":"{stream}","type":"{m.type}","expected":{expected},'
        f'"data":{m.data},"metadata":{m.metadata}}}'
        for stream in streams
        for expected, m in enumerate(messages, version)
    )
    return f"[{','.join(rows)}]"
