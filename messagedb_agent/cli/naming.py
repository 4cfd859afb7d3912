"""What a person calls a state of a thread: the thread's short name and the position in it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from messagedb_agent.errors import NotFound, ValidationError

if TYPE_CHECKING:
    from messagedb_agent import Agent, Engine
    from messagedb_agent.projections.lineage import Lineage

_FEWEST = 6
"""Digits that may be a piece of an id: it is shown by its last six characters."""


def check_one_or_all(thread: str | None, *, take_all: bool) -> None:
    """Refuse a command that names neither a thread nor all, or both.

    Raises:
        ValidationError: it does.
    """
    if thread is not None and take_all:
        raise ValidationError("name a thread or say --all, not both", field="thread")
    if thread is None and not take_all:
        raise ValidationError("name a thread, or say --all", field="thread")


def position_named(name: str) -> int | None:
    """Return the position that a name may be; None for one that can only be an id's."""
    return int(name) if name.isascii() and name.isdigit() and len(name) < 19 else None


def is_named(id: str, name: str) -> bool:
    """Say whether a name is a beginning or an end of an id.

    A few digits are a position: an id that happens to end in them is not meant.
    """
    is_number = name.isascii() and name.isdigit() and len(name) < _FEWEST
    return bool(name) and not is_number and (id.startswith(name) or id.endswith(name))


async def state_names(engine: "Engine", states: "Lineage") -> Mapping[str, str]:
    """Return a name such as `6f9c01/7` for each state of a thread and for its parent, by id.

    `show 6f9c01 --at 7` shows that state.
    """
    short = ShortThreads(engine)
    names = {s.id: await short.name(s.stream.partition("-")[2], s.position) for s in states.states}
    for state in states.states:
        if state.parent_id and state.parent_id not in names:
            names[state.parent_id] = await _elsewhere(engine, short, state.parent_id)
    return names


async def state_at(engine: "Engine", head: "Agent", position: int, *, field: str) -> "Agent":
    """Return the state of a thread at a position.

    Args:
        engine: what reads it.
        head: the thread's newest state.
        position: position in the thread's own stream.
        field: what gives the position.

    Raises:
        ValidationError: no event stands there.
    """
    async for message in engine.messages(head.thread_id, position=position, until=position):
        return await engine.load_agent(message.id)
    raise no_position(head, str(position), field=field)


def no_position(head: "Agent", value: str, *, field: str) -> ValidationError:
    """Return the refusal of what is no position of a thread."""
    return ValidationError(
        f"{value} is no position of this thread; the last is {head.position}", field=field
    )


async def _elsewhere(engine: "Engine", short: "ShortThreads", id: str) -> str:
    """Name a state that is no rest of this thread: a fork may begin in the middle of a turn."""
    try:
        agent = await engine.load_agent(id)
    except NotFound:
        return id
    return await short.name(agent.thread_id, agent.position)


class ShortThreads:
    """Short names of threads, each looked up once."""

    def __init__(self, engine: "Engine") -> None:
        self._engine = engine
        self._known: dict[str, str] = {}

    async def name(self, thread_id: str, position: int) -> str:
        """Name a position in a thread."""
        if thread_id not in self._known:
            self._known[thread_id] = await self._engine.shortest_prefix(thread_id)
        return f"{self._known[thread_id]}/{position}"
