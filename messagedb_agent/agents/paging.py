"""Threads page by page, the newest first, as they stood when the first page was read.

A thread that moves on meanwhile keeps its place among the pages: none is given twice, and none is
missed. What was begun since is on no page.
"""

import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar, overload

from messagedb_agent.agents.filed import DELETED, deleted
from messagedb_agent.agents.glance import Catalogue
from messagedb_agent.errors import IntegrityError, ValidationError
from messagedb_agent.events.recorded import is_whole
from messagedb_agent.events.schema import AgentRedefined, SessionStarted
from messagedb_agent.store.store import Beginning, StreamHead
from messagedb_agent.store.stream_name import is_thread

A = TypeVar("A", covariant=True)

MAX_PAGE = 1_000
"""Most agents of one page."""

MAX_NAMED = 10_000
"""Most threads that are looked at for a name: those begun, or redefined, so last."""

_CURSOR = re.compile(r"([0-9]{1,18})-([0-9]{1,18})", re.ASCII)
_SPARE = 200  # a foreign writer's streams may stand between
_AT_ONCE = 10_000


@dataclass(frozen=True)
class AgentPage(Sequence[A]):
    """Some agents, the newest first.

    Attributes:
        agents: the agents.
        after: where the next page begins, for `after`; None where there is none.
        unreadable: threads that stand here and cannot be folded, by their ids, with the reason.
    """

    agents: tuple[A, ...] = ()
    after: str | None = None
    unreadable: Mapping[str, IntegrityError] = field(default_factory=dict)

    @overload
    def __getitem__(self, index: int) -> A: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[A, ...]: ...
    def __getitem__(self, index: int | slice) -> A | tuple[A, ...]:
        return self.agents[index]

    def __len__(self) -> int:
        return len(self.agents)


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place among pages.

    Attributes:
        as_of: global position up to which messages are taken into account.
        before: threads whose last message by then has a global position below this come next.
    """

    as_of: int
    before: int

    @classmethod
    def read(cls, text: object) -> "Cursor":
        """Read what a page gave.

        Raises:
            ValidationError: no page gave it.
        """
        found = _CURSOR.fullmatch(text) if isinstance(text, str) else None
        if found is None or int(found[2]) > int(found[1]):
            raise ValidationError(f"after: no page has given {text!r}", field="after")
        return cls(int(found[1]), int(found[2]))

    def at(self, head: StreamHead) -> str:
        """Return the place right behind a thread, as text."""
        return f"{self.as_of}-{head.global_position}"


def check_limit(limit: object) -> None:
    """Refuse what is no size of a page.

    Raises:
        ValidationError: it is no number from 1 to `MAX_PAGE`.
    """
    if not is_whole(limit) or not 1 <= limit <= MAX_PAGE:
        raise ValidationError(f"limit: it is no number from 1 to {MAX_PAGE}", field="limit")


async def first_place(store: Catalogue, category: str) -> Cursor | None:
    """Return the place before all threads that there are; None where there are none."""
    for head in await store.newest_streams(category, limit=1):
        return Cursor(head.global_position, head.global_position + 1)
    return None


async def newest_first(
    store: Catalogue, category: str, place: Cursor, size: int
) -> AsyncGenerator[StreamHead, None]:
    """Yield the threads behind a place; deleted ones are left out."""
    before = place.before
    while heads := await store.newest_streams(
        category, limit=size + _SPARE, before=before, as_of=place.as_of
    ):
        async for head in _not_deleted(store, category, heads):
            yield head
        before = heads[-1].global_position


async def named_first(
    store: Catalogue, category: str, place: Cursor, size: int, name: str
) -> AsyncGenerator[StreamHead, None]:
    """Yield the threads behind a place whose agent was ever called so; deleted ones are left out.

    The server goes through all messages of the category, twice.
    """
    path, streams = ("definition", "name"), set[str]()
    for saying in (
        Beginning(SessionStarted.__name__, path, (name,), is_first=False),
        Beginning(AgentRedefined.__name__, path, (name,), is_first=False),
    ):
        streams.update(await store.begun_with(category, saying, limit=MAX_NAMED))
    heads = await store.heads_of(streams, as_of=place.as_of)
    behind = [head for head in heads if head.global_position < place.before]
    for start in range(0, len(behind), size):
        async for head in _not_deleted(store, category, behind[start : start + size]):
            yield head


async def count_threads(store: Catalogue, category: str) -> int:
    """Return how many threads there are, without those that are deleted.

    The server steps through their names, and goes through the category once.
    """
    names = await store.streams_with_prefix(f"{category}-", limit=2**31)
    return sum(is_thread(category, name) for name in {*names} - await _all_deleted(store, category))


async def _not_deleted(
    store: Catalogue, category: str, heads: Sequence[StreamHead]
) -> AsyncIterator[StreamHead]:
    threads = [head for head in heads if is_thread(category, head.stream_name)]
    gone = await deleted(store, category, [head.stream_name for head in threads])
    for head in threads:
        if head.stream_name not in gone:
            yield head


async def _all_deleted(store: Catalogue, category: str) -> frozenset[str]:
    found, before = set[str](), None
    while rows := await store.unanswered(category, DELETED, limit=_AT_ONCE, before=before):
        found.update(row.stream_name for row in rows)
        before = rows[-1].global_position
    return frozenset(found)
