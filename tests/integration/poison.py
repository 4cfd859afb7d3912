"""What Message DB takes and no client of ours would write."""

import json
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import psycopg

Connection = psycopg.AsyncConnection[Any]

_WRITE = "SELECT message_store.write_message(%s, %s, %s, %s::jsonb, %s::jsonb)"
_FORGE = """
INSERT INTO message_store.messages (stream_name, type, position, data, time)
VALUES (%s, 'UserMessageAdded', %s, '{"text": "forged"}', %s::timestamp)
"""


@dataclass(frozen=True)
class Odd:
    """A message that is written by Message DB's function."""

    data: str | None
    metadata: str | None = None
    type: str = "UserMessageAdded"

    async def write(self, connection: Connection, stream: str) -> None:
        row = (str(uuid4()), stream, self.type, self.data, self.metadata)
        await connection.execute(_WRITE, row)


@dataclass(frozen=True)
class Forged:
    """A row that is put into the table itself, by the database's owner."""

    position: int
    time: str = "now"

    async def write(self, connection: Connection, stream: str) -> None:
        await connection.execute(_FORGE, (stream, self.position, self.time))


@dataclass(frozen=True)
class Fork:
    """A start of a thread that says it was forked from a stream; from its own where it is None."""

    parent: str | None

    async def write(self, connection: Connection, stream: str) -> None:
        data = {
            "threadId": "x",
            "definition": {"name": "a", "systemPrompt": "b", "model": "offline"},
            "forkedFrom": {
                "streamName": self.parent or stream,
                "position": 0,
                "eventId": str(uuid4()),
            },
        }
        await Odd(json.dumps(data), type="SessionStarted").write(connection, stream)


Poison = Odd | Forged | Fork

_CRITICAL = '{"schemaVersion": "9", "localProperties": {"critical": true}}'

HARMLESS: dict[str, Poison] = {
    "no data": Odd(None),
    "a number": Odd("7"),
    "a text": Odd('"text"'),
    "an array": Odd("[[], {}]"),
    "null": Odd("null", "null"),
    "odd metadata": Odd("{}", '["x", {"schemaVersion": []}]'),
    "an unknown type": Odd("{}", type="Unheard Of"),
    "a long number": Odd(f'{{"text": 1{"0" * 5000}}}'),
    "a tiny number": Odd('{"n": 1e-400}'),
    "depth": Odd("[" * 5000 + "]" * 5000),
    "a gap": Forged(1000),
    "a negative position": Forged(-5),
    "the end of time": Forged(2, "infinity"),
    "the beginning of time": Forged(2, "-infinity"),
}
"""In a thread that owes an answer: it is answered all the same."""

DEADLY: dict[str, Poison] = {
    "a newer shape": Odd('{"words": 1}', '{"schemaVersion": "9"}'),
    "a critical event": Odd("{}", _CRITICAL, "Unheard"),
    "a far position": Forged(10**12),
    "the last position": Forged(2**63 - 1),
}
"""In a thread that owes an answer: nothing can go on there."""

ORPHANS: dict[str, Poison] = {
    "circle": Fork(None),
    "orphan": Fork("agent:v0-nobody"),
    "child": Fork("agent"),
}
"""In a stream of its own, by its id: a thread that cannot be read."""

FOREIGN = ("foreign", "two words", "a+b", "n" * 900, "", "a\nb", "\u202e", "position")
"""Ids of streams that nobody has begun as threads, or that can be none."""
