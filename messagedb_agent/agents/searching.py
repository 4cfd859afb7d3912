"""Searching what was said in threads."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from messagedb_agent.agents.filed import check_user
from messagedb_agent.errors import ConfigurationError
from messagedb_agent.events.codec import decode
from messagedb_agent.events.recorded import utc_time
from messagedb_agent.events.schema import LlmResponseReceived, UserMessageAdded
from messagedb_agent.store.searchable import Match, Searchable
from messagedb_agent.store.store import Store
from messagedb_agent.store.stream_name import id_of
from messagedb_agent.store.words import Query, first_place, places_of, plain, query_of

_AROUND = 60  # characters of a snippet before what was found, and
_SNIPPET = 200  # in all


@dataclass(frozen=True, slots=True)
class SearchHit:
    """A message that has all that was sought.

    Attributes:
        thread_id: the thread that it stands in; a fork does not have its parent's.
        position: its position there.
        role: whether a user said it, or the model.
        by: who said it: the user, where one is named, or the model.
        said_at: when, UTC, with a zone; to the millisecond.
        snippet: what stands around the first place where something was found, on one line; `…`
            where it is cut.
        rank: how well it fits; more is better.
    """

    thread_id: str
    position: int
    role: Literal["user", "assistant"]
    by: str | None
    said_at: datetime
    snippet: str
    rank: float


async def search(
    store: Store, category: str, text: str, user: str | None, limit: int
) -> tuple[SearchHit, ...]:
    """Return the messages that fit best; see `Engine.search`."""
    query = query_of(text)
    check_user(user)
    found = await searchable(store).search(category, query, user=user, limit=limit)
    hits = (_hit(match, query) for match in found)
    return tuple(hit for hit in hits if hit is not None)


def searchable(store: Store) -> Searchable:
    """Return a store as it is searched.

    Raises:
        ConfigurationError: it cannot be.
    """
    if not isinstance(store, Searchable):
        raise ConfigurationError(
            f"a {type(store).__name__} cannot be searched by words", field="store"
        )
    return store


def _hit(match: Match, query: Query) -> SearchHit | None:
    recorded = decode(match.message).recorded
    match recorded.event:
        case UserMessageAdded(text=text, user=user):
            role: Literal["user", "assistant"] = "user"
            by = user
        case LlmResponseReceived(text=text, model=model):
            role, by = "assistant", model
        case _:  # a foreign message that cannot be read
            return None
    return SearchHit(
        thread_id=id_of(recorded.stream) or "",
        position=recorded.position,
        role=role,
        by=by,
        said_at=utc_time(recorded.time_ms),
        snippet=snippet(text, query),
        rank=match.rank,
    )


def snippet(text: str, query: Query) -> str:
    """Return what stands around the first phrase that is sought, on one line."""
    text = plain(text)
    places = list(places_of(text))
    at = first_place([word for word, _, _ in places], query.phrases[0]) or 0
    found = places[at][1] if places else 0
    start = found - _AROUND if found > _AROUND else 0
    shown = " ".join(text[start : start + _SNIPPET].split())
    before, after = "…" * (start > 0), "…" * (len(text) > start + _SNIPPET)
    return f"{before}{shown}{after}"
