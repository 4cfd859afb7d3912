"""A search through messages in memory, one by one: what the index of a database finds."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice

from messagedb_agent.store.contents import values_of
from messagedb_agent.store.message import Message
from messagedb_agent.store.searchable import (
    ANSWERED,
    CALLED,
    DELETED,
    MAX_RANKED,
    PURPOSE,
    SAID,
    STARTED,
    Match,
)
from messagedb_agent.store.stream_name import is_thread
from messagedb_agent.store.words import Query, has_all, rank, words_of


def scan(
    category: str,
    messages: Sequence[Message],
    streams: Mapping[str, Sequence[Message]],
    by_id: Callable[[str], Message | None],
    query: Query,
    user: str | None,
) -> list[Match]:
    """Return the messages of a category that have all that is sought, the best first.

    Args:
        category: such as `agent:v0`.
        messages: its messages, in the order of the store.
        streams: the messages of each stream, in order.
        by_id: finds a message by its id.
        query: what is sought.
        user: only threads of this user; None for all.
    """
    meant = {
        stream
        for stream in {message.stream_name for message in messages}
        if is_thread(category, stream) and _is_meant(streams[stream], user)
    }
    fitting = (
        (message, words)
        for message in reversed(messages)
        if message.stream_name in meant
        and (words := list(_words(message, by_id)))
        and has_all(words, query)
    )
    found = [Match(m, rank(words, query)) for m, words in islice(fitting, MAX_RANKED)]
    return sorted(found, key=lambda match: (-match.rank, -match.message.global_position))


def _is_meant(rows: Sequence[Message], user: str | None) -> bool:
    if any(row.type == DELETED for row in rows):
        return False
    first = rows[0]
    return user is None or (first.type == STARTED and values_of(first).get("user") == user)


def _words(message: Message, by_id: Callable[[str], Message | None]) -> Iterator[str]:
    if message.type not in (SAID, ANSWERED):
        return iter(())
    told = values_of(message)
    text = told.get("text")
    if not isinstance(text, str) or (message.type == ANSWERED and not _answers(message, by_id)):
        return iter(())
    return words_of(text)


def _answers(reply: Message, by_id: Callable[[str], Message | None]) -> bool:
    """Say whether a reply is one to a call for an answer."""
    id = values_of(reply).get("llmCallId")
    claim = by_id(id) if isinstance(id, str) else None
    return (
        claim is not None
        and claim.stream_name == reply.stream_name
        and claim.position < reply.position
        and claim.type == CALLED
        and values_of(claim).get("purpose") == PURPOSE
    )
