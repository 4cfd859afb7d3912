"""Whether a thread's log is what was written: positions, hashes, ids, causes, steps, requests.

Rows are read again from the first, a fork's ancestors' before its own, and everything that can be
computed is computed again; no model and no tool is called. The first row that does not
follow is the finding, and nothing after it is looked at.

Requests of a projection that this code does not know are named, too, and not condemned.

Rows of other writers carry no hash. They are named and not condemned: nobody said what they must
be, and the next row with a hash covers them. What a chain cannot show: a tail that was cut
off or, behind the last hash, changed; a chain that was made anew as a whole. That takes a head
kept elsewhere (`events/anchor.py`). Another `time` or global position, and the global position of a
cause, are covered by nothing: the server gives them, and gives others where a thread is imported.
"""

from dataclasses import dataclass

from messagedb_agent.agent.counting import counts
from messagedb_agent.agent.following import step_instead
from messagedb_agent.engine.history import Segment, read_events, segments
from messagedb_agent.errors import IntegrityError, RefusedName
from messagedb_agent.events.anchor import Head
from messagedb_agent.events.chain import GENESIS, hash_text, row_hash
from messagedb_agent.events.codec import Decoded, decode
from messagedb_agent.events.outcomes import answered
from messagedb_agent.events.recorded import UnknownEvent
from messagedb_agent.events.schema import SCHEMA_VERSION, LlmCallStarted, SessionStarted
from messagedb_agent.projections.conversation import Conversation, conversation
from messagedb_agent.projections.requests import REQUESTS
from messagedb_agent.store.message import Message
from messagedb_agent.store.store import Reader


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
    """

    events: int
    requests: int
    foreign: tuple[ForeignRow, ...]
    finding: Finding | None
    unchecked: tuple[UncheckedRequest, ...] = ()
    head: Head | None = None


async def verify(reader: Reader, stream: str, anchored: Head | None = None) -> Verification:
    """Check all that stands in a thread, up to its present end.

    A stream without any rows has nothing wrong with it, if none was anchored.

    Args:
        reader: where the thread is kept.
        stream: full name of the thread's stream.
        anchored: a head that the thread had earlier, and must have gone on from; None where none
            is known.

    Raises:
        RefusedName: `stream` is a category.
        StoreUnavailable: the store was not reached.
    """
    version = await reader.stream_version(stream)
    try:
        parts = await segments(reader, stream, version)
    except (IntegrityError, RefusedName) as error:
        return Verification(0, 0, (), Finding(stream, 0, "", str(error)))
    check = _Check(reader, stream, anchored)
    for part in parts:
        if finding := await check.segment(part):
            return check.result(finding)
    return check.result(_cut(anchored, version))


def _cut(anchored: Head | None, version: int) -> Finding | None:
    """Say whether a thread ends before what was once its head."""
    if anchored is None or anchored.position <= version:
        return None
    what = f"the thread is cut: it was anchored at {anchored.position}, and ends at {version}"
    if version < 0:
        what = f"the thread is gone: it was anchored at {anchored.position}"
    return Finding(anchored.stream, version + 1, "", what, recorded=anchored.hash)


class _Check:
    """A walk over the rows of a history, in order."""

    def __init__(self, reader: Reader, stream: str, anchored: Head | None) -> None:
        self._reader = reader
        self._stream = stream
        self._anchored = anchored
        self._hash = GENESIS
        self._ids: set[str] = set()
        self._shown = conversation.initial
        self._last: Message | None = None
        self._unproven: int | None = None  # first of the rows since the last hash
        self._events = 0
        self._requests = 0
        self._foreign: list[ForeignRow] = []
        self._unchecked: list[UncheckedRequest] = []
        self._closed_by_others: set[str | None] = set()  # what foreign rows are outcomes of

    def result(self, finding: Finding | None) -> Verification:
        foreign, unchecked = tuple(self._foreign), tuple(self._unchecked)
        return Verification(self._events, self._requests, foreign, finding, unchecked, self._head())

    def _head(self) -> Head | None:
        if self._last is None or self._last.stream_name != self._stream:
            return None
        return Head(self._stream, self._last.position, hash_text(self._hash))

    async def segment(self, part: Segment) -> Finding | None:
        """Check the rows of one stream, on from what was checked before it."""
        expected, self._unproven = 0, None
        async for row in self._reader.read(part.stream, until=part.until):
            if row.position != expected:
                what = f"row {expected} is missing" if row.position > expected else "comes twice"
                return _finding(row, what, str(row.position), str(expected))
            if finding := await self._row(row):
                return finding
            expected += 1
        if part.until is not None and expected <= part.until:
            return Finding(part.stream, expected, "", f"row {expected} is missing")
        return None

    async def _row(self, row: Message) -> Finding | None:
        decoded = decode(row)
        computed = row_hash(self._hash, row)
        if row.id in self._ids:
            return _finding(row, "the id of an earlier row", row.id)
        if decoded.metadata.hash is None and decoded.metadata.writer is not None:
            return _finding(row, "its hash is missing", None, hash_text(computed))
        if decoded.metadata.hash is None:
            self._foreign.append(ForeignRow(row.stream_name, row.position, row.type))
            self._closed_by_others.add(answered(decoded.recorded.event))
            if self._unproven is None:
                self._unproven = row.position
        elif finding := (
            self._chain(row, decoded.metadata.hash, hash_text(computed))
            or self._written(row, decoded)
            or await self._request(row, decoded)
        ):
            return finding
        else:
            self._unproven = None
        if finding := self._of_anchor(row, hash_text(computed)):
            return finding
        self._hash, self._last = computed, row
        self._ids.add(row.id)
        self._shown = conversation.evolve(self._shown, decoded.recorded)
        self._events += 1
        return None

    def _chain(self, row: Message, recorded: str, computed: str) -> Finding | None:
        if recorded == computed:
            return None
        what = "the hash does not follow: this row is not as it was written"
        if self._unproven is not None:
            what += f", or a row of another writer before it, from {self._unproven} on"
        return _finding(row, what, recorded, computed)

    def _of_anchor(self, row: Message, computed: str) -> Finding | None:
        """Compare the chain with the head that was kept elsewhere."""
        anchored = self._anchored
        if anchored is None or (row.stream_name, row.position) != (self._stream, anchored.position):
            return None
        if anchored.hash == computed:
            return None
        what = "the chain up to here is another than the one that was anchored"
        return _finding(row, what, anchored.hash, computed)

    def _written(self, row: Message, decoded: Decoded) -> Finding | None:
        """Check what a row of ours says by itself."""
        event, cause = decoded.recorded.event, decoded.metadata.cause
        if isinstance(event, UnknownEvent):
            return _finding(row, f"the event cannot be read: {event.reason}")
        if cause and cause.stream == row.stream_name and not 0 <= cause.position < row.position:
            return _finding(row, "its cause is not before it", str(cause.position))
        key = answered(event)
        if (
            key is not None
            and key not in self._closed_by_others  # which its performer could not know of
            and not counts(self._shown.state, decoded.recorded)
        ):
            return _finding(row, "the outcome of a call that was not open", key)
        is_newer = decoded.metadata.schema_version > SCHEMA_VERSION  # by rules of its own
        step = None if is_newer else step_instead(self._shown.state, decoded.recorded)
        if step is not None:
            return _finding(row, "another step than the one that follows here", row.type, str(step))
        if isinstance(event, SessionStarted) and event.forked_from and row.position == 0:
            recorded, last = event.forked_from.event_id, self._last
            if last is None or recorded != last.id:
                what = "the event it was forked from is another"
                return _finding(row, what, recorded, last.id if last else None)
        return None

    async def _request(self, row: Message, decoded: Decoded) -> Finding | None:
        """Fold a model request again, as it was folded before the call."""
        event = decoded.recorded.event
        if not isinstance(event, LlmCallStarted):
            return None
        if not counts(self._shown.state, decoded.recorded):
            return None
        name, version = event.projection_name, event.projection_version
        if (fold_request := REQUESTS.get((name, version))) is None:
            self._unchecked.append(UncheckedRequest(row.stream_name, row.position, name, version))
            return None
        if event.context_position >= row.position:
            what = "its request was folded from what comes later"
            return _finding(row, what, str(event.context_position))
        shown = await self._shown_at(row, event.context_position)
        if shown.definition is None:
            return _finding(row, "its request was folded before the thread began")
        computed = fold_request(shown).digest
        if computed != event.request_digest:
            what = "the request is another than the one recorded"
            return _finding(row, what, event.request_digest, computed)
        self._requests += 1
        return None

    async def _shown_at(self, row: Message, position: int) -> Conversation:
        """Return the conversation after a position, which is nearly always the one before."""
        if position == row.position - 1:
            return self._shown
        shown = conversation.initial
        async for recorded in read_events(self._reader, row.stream_name, until=position):
            shown = conversation.evolve(shown, recorded)
        return shown


def _finding(
    row: Message, what: str, recorded: str | None = None, computed: str | None = None
) -> Finding:
    return Finding(row.stream_name, row.position, row.type, what, recorded, computed)
