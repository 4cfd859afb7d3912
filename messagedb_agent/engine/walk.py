"""A walk over a history, row by row: each is held against all that stands before it."""

from copy import copy

from messagedb_agent.agent.counting import counts
from messagedb_agent.agent.following import step_instead
from messagedb_agent.engine.findings import (
    Finding,
    UncheckedRequest,
    Verification,
    finding_at,
)
from messagedb_agent.engine.history import Segment, read_events
from messagedb_agent.engine.links import Links
from messagedb_agent.engine.revisions import Elsewhere, NotAsSaved
from messagedb_agent.events.anchor import Head
from messagedb_agent.events.codec import Decoded, decode
from messagedb_agent.events.outcomes import answered
from messagedb_agent.events.recorded import UnknownEvent
from messagedb_agent.events.schema import (
    RULES,
    SCHEMA_VERSION,
    AgentRedefined,
    LlmCallStarted,
    SessionStarted,
)
from messagedb_agent.events.values import Definition, Recalled
from messagedb_agent.projections.conversation import Conversation, conversation
from messagedb_agent.projections.grown import Grown
from messagedb_agent.projections.requests import REQUESTS
from messagedb_agent.store.message import Message
from messagedb_agent.store.store import Reader


class Walk:
    """A walk over the rows of a history, in order.

    Args:
        reader: where the thread is kept.
        elsewhere: looks up what it took from other streams.

    Attributes:
        characters: how much it has read, in characters of data and metadata.
    """

    def __init__(self, reader: Reader, elsewhere: Elsewhere) -> None:
        self.characters = 0
        self._reader = reader
        self._elsewhere = elsewhere
        self._links = Links()
        self._shown = conversation.initial
        self._requests = 0
        self._unchecked: Grown[UncheckedRequest] = Grown()
        self._definitions = 0
        self._absent: Grown[str] = Grown()  # definitions that the store does not have
        self._memories = 0
        self._absent_memories: Grown[str] = Grown()  # of users, that the store does not have
        self._closed_by_others: set[str] = set()  # what foreign rows are outcomes of

    def parted(self) -> "Walk":
        """Return a walk that goes on from here by itself."""
        other = copy(self)
        other._links = self._links.parted()
        other._closed_by_others = set(self._closed_by_others)
        return other

    def result(self, stream: str, finding: Finding | None) -> Verification:
        """Return what was found in the thread of a stream."""
        return Verification(
            self._links.rows,
            self._requests,
            tuple(self._links.foreign),
            finding,
            tuple(self._unchecked),
            self._links.head(stream),
            definitions=self._definitions,
            absent_definitions=tuple(self._absent),
            memories=self._memories,
            absent_memories=tuple(self._absent_memories),
        )

    async def through(self, part: Segment, anchored: Head | None = None) -> Finding | None:
        """Check the rows of one stream, on from what was checked before; stop at what is wrong.

        Args:
            part: the stream, and where to end; where the walk is in it already, it goes on there.
            anchored: a head that the stream had earlier.
        """
        self._links.enter(part.stream, anchored)
        expected = self.next_in(part.stream)
        async for row in self._reader.read(part.stream, position=expected, until=part.until):
            if finding := await self._row(row):
                return finding
        return self._links.unfinished(part.until)

    def next_in(self, stream: str) -> int:
        """Return the position of the next row of a stream."""
        return self._links.next_in(stream)

    async def _row(self, row: Message) -> Finding | None:
        decoded = decode(row)
        if finding := self._links.broken(row, decoded.metadata):
            return finding
        if decoded.metadata.hash is None:
            if (key := answered(decoded.recorded.event)) is not None:
                self._closed_by_others.add(key)
        elif finding := (
            self._written(row, decoded)
            or await self._request(row, decoded)
            or await self._taken(row, decoded)
        ):
            return finding
        if finding := self._links.take(row, decoded.metadata):
            return finding
        self._shown = conversation.evolve(self._shown, decoded.recorded)
        self.characters += len(row.data or "") + len(row.metadata or "")
        return None

    def _written(self, row: Message, decoded: Decoded) -> Finding | None:
        """Check what a row of ours says by itself."""
        event, cause = decoded.recorded.event, decoded.metadata.cause
        if isinstance(event, UnknownEvent):
            return finding_at(row, f"the event cannot be read: {event.reason}")
        if cause and cause.stream == row.stream_name and not 0 <= cause.position < row.position:
            return finding_at(row, "its cause is not before it", str(cause.position))
        key = answered(event)
        if (
            key is not None
            and key not in self._closed_by_others  # which its performer could not know of
            and not counts(self._shown.state, decoded.recorded)
        ):
            return finding_at(row, "the outcome of a call that was not open", key)
        told = decoded.metadata
        is_by_others = told.schema_version > SCHEMA_VERSION or told.rules != RULES
        step = None if is_by_others else step_instead(self._shown.state, decoded.recorded)
        if step is not None:
            return finding_at(
                row, "another step than the one that follows here", row.type, str(step)
            )
        if isinstance(event, SessionStarted) and event.forked_from and row.position == 0:
            recorded, last = event.forked_from.event_id, self._links.last
            if last is None or recorded != last.id:
                what = "the event it was forked from is another"
                return finding_at(row, what, recorded, last.id if last else None)
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
            unchecked = UncheckedRequest(row.stream_name, row.position, name, version)
            self._unchecked = self._unchecked.plus(unchecked)
            return None
        if event.context_position >= row.position:
            what = "its request was folded from what comes later"
            return finding_at(row, what, str(event.context_position))
        shown = await self._shown_at(row, event.context_position)
        if shown.definition is None:
            return finding_at(row, "its request was folded before the thread began")
        computed = fold_request(shown, event).digest
        if computed != event.request_digest:
            what = "the request is another than the one recorded"
            return finding_at(row, what, event.request_digest, computed)
        self._requests += 1
        return None

    async def _taken(self, row: Message, decoded: Decoded) -> Finding | None:
        """Compare what a definition took from other streams with what stands there."""
        event = decoded.recorded.event
        if not isinstance(event, SessionStarted | AgentRedefined):
            return None
        return await self._revision(row, event.definition) or await self._recalled(
            row, event.definition.recalled, decoded.metadata.rules
        )

    async def _revision(self, row: Message, definition: Definition) -> Finding | None:
        """Compare a definition with the one that was saved under its name."""
        if (revision := definition.revision) is None:
            return None
        try:
            prompt = await self._elsewhere.prompt(revision)
        except NotAsSaved as why:
            named = f"{revision.stream_name}/{revision.position}"
            return finding_at(row, f"its definition {named} is not what it says: {why}")
        if prompt is None:
            absent = f"{revision.stream_name}/{revision.position}"
            self._absent = self._absent.plus(absent)
        elif prompt != definition.system_prompt:
            return finding_at(row, "another prompt than its definition was saved with")
        else:
            self._definitions += 1
        return None

    async def _recalled(
        self, row: Message, recalled: Recalled | None, rules: int
    ) -> Finding | None:
        """Compare what a model was shown of a user with what was known of it."""
        if recalled is None:
            return None
        named = f"{recalled.stream_name}/{recalled.position}"
        try:
            text = await self._elsewhere.text(recalled)
        except NotAsSaved as why:
            return finding_at(row, f"what it recalls, {named}, is not what was noted: {why}")
        if text is None or (text != recalled.text and rules != RULES):  # the words may be others
            self._absent_memories = self._absent_memories.plus(named)
        elif text != recalled.text:
            return finding_at(row, f"it recalls another text than was known at {named}")
        else:
            self._memories += 1
        return None

    async def _shown_at(self, row: Message, position: int) -> Conversation:
        """Return the conversation after a position, which is nearly always the one before."""
        if position == row.position - 1:
            return self._shown
        shown = conversation.initial
        async for recorded in read_events(self._reader, row.stream_name, until=position):
            shown = conversation.evolve(shown, recorded)
        return shown
