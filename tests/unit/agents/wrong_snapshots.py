"""Snapshots that must not be used: what is wrong with each, as a change of what is read."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from messagedb_agent.engine.history import Segment
from messagedb_agent.engine.snapshot import TYPE, Page, data_of, snapshot_in
from messagedb_agent.events.chain import hash_text
from messagedb_agent.store.message import Message

Change = Callable[[Message], Message | None]


def forged(**fields: Any) -> Change:
    """Return what changes every snapshot that is read, and seals it anew."""

    def changed(message: Message) -> Message | None:
        if "+snapshot" not in message.stream_name or message.type != TYPE:
            return message
        return replace(message, data=data_of(replace(snapshot_in(message), **fields)))

    return changed


def in_snapshot(**fields: Any) -> Change:
    return lambda m: replace(m, **fields) if "+snapshot" in m.stream_name else m


def digits_changed(message: Message) -> Message | None:
    if "+snapshot" not in message.stream_name:
        return message
    return replace(message, data=(message.data or "").replace('"events": ', '"events": 1'))


def with_an_endless_number(message: Message) -> Message | None:
    data = (message.data or "").replace('"events": ', f'"events": {10**30}')
    return replace(message, data=data) if "+snapshot" in message.stream_name else message


NO_PAGE = Page(0, b"x", hash_text(hashlib.sha256(b"x").digest()))


WRONG: dict[str, Change] = {
    "no JSON": in_snapshot(data='{"entityData": '),
    "NULL": in_snapshot(data=None),
    "of another shape": in_snapshot(data='{"entityData": {"balance": 11}, "entityVersion": 3}'),
    "no object": in_snapshot(data="[1]"),
    "of another type": in_snapshot(type="Noted"),
    "with an endless number": with_an_endless_number,
    "with a page of nothing": forged(pages={"entries": (NO_PAGE,), "states": ()}),
    "changed": digits_changed,
    "of other code": forged(code="older"),
    "of another thread": forged(stream="agent:v0-other"),
    "a fork's": forged(past=(Segment("agent:v0-other", 3),)),
    "behind the end": forged(position=10_000),
    "of another position": forged(position=3),
    "of another event": forged(row="A" * 43),
    "of another chain": forged(hash="A" * 43),
    "without its page": forged(rest=Page(1, None, "A" * 43, (50, 1))),
    "with too many pages": forged(pages={"entries": (Page(1, None, "", (0, 10**9)),)}),
    "with a forged page": forged(rest=Page(1, b"x", "A" * 43)),
    "with what is no page": forged(rest=Page(1, b"x", hash_text(hashlib.sha256(b"x").digest()))),
    "without pages": forged(pages={}),
}
