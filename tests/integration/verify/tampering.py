"""What somebody who may do anything to the table does to a stream: one random change at a time."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any
from uuid import UUID

from messagedb_agent.definitions.saved import SAVED
from messagedb_agent.events.codec import EVENT_TYPES
from messagedb_agent.events.memory import MEMORY_TYPES
from messagedb_agent.store.message import Message

Rows = Sequence[Message]


@dataclass(frozen=True)
class Change:
    """A thread that was tampered with.

    Attributes:
        kind: what was done.
        rows: the rows afterwards, in the order of their positions.
        first: position of the first row that is another than before.
        is_cut: the rows are a beginning of what they were, which no chain shows by itself.
        is_longer: what was there is all there, with something behind it.
    """

    kind: str
    rows: tuple[Message, ...]
    first: int
    is_cut: bool = False
    is_longer: bool = False


def tampered(rows: Rows, others: Rows, random: Random) -> Change:
    """Return a thread after one random change.

    Args:
        rows: the thread as it was written.
        others: rows of other threads.
        random: decides what is changed, and how.
    """
    while True:
        kind = random.choice(tuple(_KINDS))
        after = tuple(sorted(_KINDS[kind](rows, others, random), key=lambda row: row.position))
        if (first := _first_change(rows, after)) is not None:
            cut = len(after) < len(rows) and first == len(after)
            return Change(kind, after, first, cut, first == len(rows))


def _first_change(rows: Rows, after: Rows) -> int | None:
    """Return where rows begin to say something else; None where they say the same.

    NULL and {} are the same to the chain, and to whoever reads events.
    """
    for index, (row, other) in enumerate(zip(rows, after, strict=False)):
        if _says(row) != _says(other):
            return index
    return min(len(rows), len(after)) if len(rows) != len(after) else None


def _says(row: Message) -> object:
    """Return what nobody may change; said here once more, and not by the code that is tried."""
    metadata = _parsed(row.metadata)
    if isinstance(metadata, dict):
        metadata.pop("causationMessageGlobalPosition", None)  # which the server gives
    return row.id, row.type, row.position, _parsed(row.data), metadata


def _parsed(text: str | None) -> Any:
    return json.loads(text or "{}", parse_float=_digits, parse_int=_digits)


def _digits(text: str) -> tuple[str]:
    return (text,)  # equal to no text and to no truth value


def _at(rows: Rows, random: Random, change: Callable[[Message], Message]) -> Rows:
    index = random.randrange(len(rows))
    return [*rows[:index], change(rows[index]), *rows[index + 1 :]]


def _id(rows: Rows, others: Rows, random: Random) -> Rows:
    some = random.choice(rows).id
    return _at(rows, random, lambda row: replace(row, id=random.choice((_uuid(random), some))))


def _type(rows: Rows, others: Rows, random: Random) -> Rows:
    types = (*EVENT_TYPES, *MEMORY_TYPES, SAVED, "Paid", random.choice(rows).type.lower())
    return _at(rows, random, lambda row: replace(row, type=random.choice(types)))


def _data(rows: Rows, others: Rows, random: Random) -> Rows:
    return _at(rows, random, lambda row: replace(row, data=_another(row.data, random)))


def _metadata(rows: Rows, others: Rows, random: Random) -> Rows:
    return _at(rows, random, lambda row: replace(row, metadata=_another(row.metadata, random)))


def _position(rows: Rows, others: Rows, random: Random) -> Rows:
    beyond = len(rows) + random.randrange(3)
    return _at(rows, random, lambda row: replace(row, position=beyond))


def _dropped(rows: Rows, others: Rows, random: Random) -> Rows:
    index = random.randrange(len(rows))
    return [*rows[:index], *rows[index + 1 :]]


def _dropped_and_closed(rows: Rows, others: Rows, random: Random) -> Rows:
    return _numbered(_dropped(rows, others, random))


def _cut(rows: Rows, others: Rows, random: Random) -> Rows:
    return rows[: random.randrange(len(rows))]


def _swapped(rows: Rows, others: Rows, random: Random) -> Rows:
    one, other = random.choice(rows).position, random.choice(rows).position
    places = {one: other, other: one}
    return [replace(row, position=places.get(row.position, row.position)) for row in rows]


def _inserted(rows: Rows, others: Rows, random: Random) -> Rows:
    index = random.randrange(len(rows) + 1)
    like = random.choice(rows)
    metadata = random.choice((None, "{}", like.metadata))
    made = replace(like, id=_uuid(random), data='{"text": "forged"}', metadata=metadata)
    return _numbered([*rows[:index], made, *rows[index:]])


def _copied(rows: Rows, others: Rows, random: Random) -> Rows:
    index, copied = random.randrange(len(rows) + 1), random.choice(others)
    id = random.choice((copied.id, _uuid(random)))
    copy = replace(copied, id=id, stream_name=rows[0].stream_name)
    behind = index + random.choice((0, 1))  # beside a row, or in the place of one
    return _numbered([*rows[:index], copy, *rows[behind:]])


def _numbered(rows: Rows) -> Rows:
    return [replace(row, position=position) for position, row in enumerate(rows)]


def _another(text: str | None, random: Random) -> str | None:
    """Return JSON with one thing changed: a value, a key, or all of it."""
    if text is None or random.random() < 0.1:
        return random.choice((None, "{}", '{"more": 1}'))
    value = json.loads(text)
    _change(value, random)
    return json.dumps(value)


def _change(value: Any, random: Random) -> None:
    """Change something in an object, at some depth."""
    inner = [item for item in _items(value) if isinstance(item, dict | list) and item]
    if inner and random.random() < 0.6:
        _change(random.choice(inner), random)
    elif isinstance(value, list):
        value[random.randrange(len(value))] = random.choice((0, "", None, [], {"a": 1}))
    elif not value or random.random() < 0.2:
        value["more"] = random.choice((1, "x", None, {}))
    else:
        key = random.choice(tuple(value))
        match value.pop(key):
            case str(text) if random.random() < 0.7:
                value[key] = text[:-1] if text else "x"
            case int(number) if random.random() < 0.7:
                value[key] = number + 1
            case kept if random.random() < 0.3:
                value[f"{key}s"] = kept
            case _:
                pass


def _items(value: Any) -> Sequence[Any]:
    return tuple(value.values()) if isinstance(value, dict) else tuple(value)


def _uuid(random: Random) -> str:
    return str(UUID(int=random.getrandbits(128), version=4))


_KINDS: Mapping[str, Callable[[Rows, Rows, Random], Rows]] = {
    "id": _id,
    "type": _type,
    "data": _data,
    "metadata": _metadata,
    "position": _position,
    "dropped": _dropped,
    "dropped, the gap closed": _dropped_and_closed,
    "cut": _cut,
    "swapped": _swapped,
    "inserted": _inserted,
    "copied from another thread": _copied,
}
