"""What verifying finds in a thread, or in what stands beside threads."""

from dataclasses import dataclass

from messagedb_agent.events.anchor import Head
from messagedb_agent.store.message import Message


@dataclass(frozen=True, slots=True)
class Finding:
    """The first row that does not follow from those before it.

    Attributes:
        stream: full name of the stream it stands in; it may be a fork's ancestor.
        position: the row's position.
        type: the row's type; empty where a whole stream cannot be read.
        what: what is wrong, in one line.
        recorded: what the row says; None where that is no one value.
        computed: what it should say; likewise.
    """

    stream: str
    position: int
    type: str
    what: str
    recorded: str | None = None
    computed: str | None = None


@dataclass(frozen=True, slots=True)
class ForeignRow:
    """A row without a hash: another writer's."""

    stream: str
    position: int
    type: str


@dataclass(frozen=True, slots=True)
class UncheckedRequest:
    """A model request that this code cannot fold again: it knows no such projection.

    Attributes:
        stream: full name of the stream its claim stands in.
        position: the claim's position.
        projection: name of the projection that the request was folded by.
        version: version of that projection.
    """

    stream: str
    position: int
    projection: str
    version: int


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found.

    Attributes:
        events: rows that follow, a fork's ancestors' included.
        requests: model requests folded again and found the same.
        foreign: rows of other writers among them, in order.
        finding: the first row that does not follow; None where all do.
        unchecked: model requests of projections that are not known here, in order; their digests
            were not looked at, all else about their rows was.
        head: the last row of the thread's own stream that follows; None where there is none.
        snapshots: snapshots that are what the events fold to.
        other_snapshots: snapshots of other code, which were not looked at; they are not used.
        definitions: recorded revisions of named definitions that are what was saved.
        absent_definitions: place of each recorded revision that this store does not have, as where
            the thread was imported alone; all else about their rows was looked at.
        memories: recorded texts of what is known of a user that are what its stream says.
        absent_memories: place that each further one was taken from, and that could not be compared:
            this store does not have the event, or the thread does not say which it was.
        absent_sources: of a user's memory: streams of messages that taught it, and that this store
            does not have; empty for threads.
    """

    events: int
    requests: int
    foreign: tuple[ForeignRow, ...]
    finding: Finding | None
    unchecked: tuple[UncheckedRequest, ...] = ()
    head: Head | None = None
    snapshots: int = 0
    other_snapshots: int = 0
    definitions: int = 0
    absent_definitions: tuple[str, ...] = ()
    memories: int = 0
    absent_memories: tuple[str, ...] = ()
    absent_sources: tuple[str, ...] = ()


def finding_at(
    row: Message, what: str, recorded: str | None = None, computed: str | None = None
) -> Finding:
    """Return what is wrong with a row."""
    return Finding(row.stream_name, row.position, row.type, what, recorded, computed)
