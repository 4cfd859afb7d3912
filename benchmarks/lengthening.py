"""Turns put behind a thread without being run: copies of its last one under other ids."""

from collections.abc import Sequence
from uuid import uuid4

import psycopg

from benchmarks.database import Bench
from messagedb_agent.store.message import Message

_COPY = """
COPY message_store.messages (id, stream_name, type, position, data, metadata) FROM STDIN
"""
_BETWEEN = "\x1e"  # in no JSON text


def add_turns(bench: Bench, turn: Sequence[Message], count: int) -> None:
    """Put copies of a turn behind it.

    Args:
        bench: where the thread is kept.
        turn: the thread's newest messages. Their hashes are copied along, and so are wrong.
        count: how many copies; none where it is not above 0.
    """
    texts = _BETWEEN.join(message.data or "{}" for message in turn)
    with psycopg.connect(bench.admin_url) as connection, connection.cursor() as cursor:
        with cursor.copy(_COPY) as copy:
            for number in range(1, count + 1):
                ids = {message.id: str(uuid4()) for message in turn}
                for message, data in zip(turn, _renamed(texts, ids), strict=True):
                    position = message.position + number * len(turn)
                    copy.write_row(
                        (
                            ids[message.id],
                            message.stream_name,
                            message.type,
                            position,
                            data,
                            message.metadata,
                        )
                    )
        connection.commit()
        connection.autocommit = True
        connection.execute("VACUUM ANALYZE message_store.messages")


def _renamed(texts: str, ids: dict[str, str]) -> list[str]:
    """Return the messages' data with ids replaced, also where they stand without dashes."""
    for old, new in ids.items():
        texts = texts.replace(old, new).replace(old.replace("-", ""), new.replace("-", ""))
    return texts.split(_BETWEEN)
