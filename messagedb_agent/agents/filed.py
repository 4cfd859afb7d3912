"""How threads are filed: by user, by tag, put away or not; found without reading them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from messagedb_agent.agent.evolution import evolve
from messagedb_agent.agent.state import State
from messagedb_agent.agent.tagging import checked_tags
from messagedb_agent.errors import ValidationError
from messagedb_agent.events.codec import clean_text, decode
from messagedb_agent.events.schema import (
    SessionArchived,
    SessionDeleted,
    SessionStarted,
    SessionTagged,
    SessionUnarchived,
)
from messagedb_agent.projections.summary import Summary
from messagedb_agent.store.message import Message
from messagedb_agent.store.store import Beginning, Directory, Holding, Question, TypeRows
from messagedb_agent.store.stream_name import category_of

MAX_FOUND = 10_000
"""Most threads that are found by what they are filed under: those begun, or filed so, last."""

_MOST_EVENTS = 1_000  # about the tags of one thread, or about its archiving, that are looked at
_FILING = (SessionTagged, SessionArchived, SessionUnarchived)
_ARCHIVED = Question(SessionArchived.__name__, ends=(SessionUnarchived.__name__,))


DELETED = Question(SessionDeleted.__name__, ends=(SessionStarted.__name__,))
"""What says that a thread is deleted; a start behind it begins another in its stream."""


@dataclass(frozen=True, slots=True)
class Filing:
    """Which threads are meant.

    Attributes:
        user: those of this user, as the first event of a thread says; None for anybody's.
        tag: those that have this tag; None for any.
        archived: those that are archived; else those that are not.
    """

    user: str | None = None
    tag: str | None = None
    archived: bool = False

    def __post_init__(self) -> None:
        if self.tag is not None:
            checked_tags((), (self.tag,), ())
        check_user(self.user)

    def fits(self, seen: Summary) -> bool:
        """Say whether a thread is meant; a deleted one never is."""
        return (
            not seen.state.deleted
            and seen.state.archived == self.archived
            and (self.user is None or seen.user == self.user)
            and (self.tag is None or self.tag in seen.state.tags)
        )


def check_user(user: str | None) -> None:
    """Refuse what no user of a thread is called; None is anybody.

    Raises:
        ValidationError: it is blank, or holds what no event can.
    """
    if user is not None and (not user.strip() or clean_text(user) != user):
        raise ValidationError(f"no user is called {user!r}", field="user")


async def candidates(store: Directory, category: str, filing: Filing) -> frozenset[str] | None:
    """Return streams among which all threads are that are meant; None where that is any.

    The server goes through the category once for each thing that is asked for.
    """
    sets: list[frozenset[str]] = []
    if filing.user is not None:
        begun = Beginning(SessionStarted.__name__, ("user",), (filing.user,))
        sets.append(frozenset(await store.begun_with(category, begun, limit=MAX_FOUND)))
    if filing.tag is not None:
        sets.append(await _asked(store, category, _tagged(filing.tag)))
    if filing.archived:
        sets.append(await _asked(store, category, _ARCHIVED))
    return frozenset.intersection(*sets) if sets else None


async def archived(store: Directory, category: str, streams: Collection[str]) -> frozenset[str]:
    """Return those of some streams that are archived; the server goes through their rows."""
    return await _asked(store, category, _ARCHIVED, streams) if streams else frozenset()


async def deleted(store: Directory, category: str, streams: Collection[str]) -> frozenset[str]:
    """Return those of some streams that are deleted; the server goes through their rows."""
    return await _asked(store, category, DELETED, streams) if streams else frozenset()


async def filed(store: Directory, stream: str, until: int, types: Mapping[str, TypeRows]) -> State:
    """Return a state that has the tags of a thread, knows whether it is archived, and no more.

    Args:
        store: where the thread is kept.
        stream: its own stream: a fork begins without tags.
        until: position of the last event to look at.
        types: what stands in the stream up to there, by type.
    """
    category, rows = category_of(stream), list[Message]()
    for type in (kind.__name__ for kind in _FILING if kind.__name__ in types):
        asked = Question(type)  # which nothing answers
        rows += await store.unanswered(category, asked, limit=_MOST_EVENTS, streams=(stream,))
    state = State()
    for row in sorted(rows, key=lambda row: row.position):
        if row.position <= until:
            state = evolve(state, decode(row).recorded)
    return state


def _tagged(tag: str) -> Question:
    name = SessionTagged.__name__
    return Question(
        name, ends=(name,), holding=Holding("added", tag), ends_holding=Holding("removed", tag)
    )


async def _asked(
    store: Directory, category: str, question: Question, streams: Collection[str] | None = None
) -> frozenset[str]:
    rows = await store.unanswered(category, question, limit=MAX_FOUND, streams=streams)
    return frozenset(row.stream_name for row in rows)
