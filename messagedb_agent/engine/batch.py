"""A batch: events about to be appended together, folded as if they stood already.

A batch is tied to one place in its stream. It seals each event (id, cause, hash) and shows the
conversation after it, so that what follows from an event can go into the same append.
"""

from collections.abc import Callable, Collection
from dataclasses import replace

from messagedb_agent.events.codec import Encoded, Envelope, Sealed, seal
from messagedb_agent.events.metadata import Cause, Travelling
from messagedb_agent.events.recorded import Recorded
from messagedb_agent.events.schema import Event
from messagedb_agent.events.strategy import estimated_tokens
from messagedb_agent.ids import Ids, derived_id
from messagedb_agent.projections.conversation import Conversation, conversation
from messagedb_agent.records import record

NOTHING = Travelling()
"""What travels with an event that nobody asked to be told of."""


TokensOf = Callable[[str, str], int]
"""Says how many tokens a text has, by a model's name; where it does not know, about."""


def estimated(_: str, text: str) -> int:
    """Return about how many tokens a text has, whatever the model."""
    return estimated_tokens(text)


@record
class Draft:
    """An event that is to be recorded, wherever its stream stands by then.

    Attributes:
        id: the message's id, kept on every retry.
        event: what happened or is about to.
        cause: position, in the same stream, of the event it follows; None for what comes from
            outside.
        travelling: what it carries from its sender; None takes over what its cause carries.
        encoded: the event encoded, where that was done before.
    """

    id: str
    event: Event
    cause: int | None = None
    travelling: Travelling | None = None
    encoded: Encoded | None = None


@record
class Head:
    """Where a stream stands.

    Attributes:
        stream: full name of the stream.
        version: position of its last event; -1 where there is none.
        hash: hash of its last row.
        shown: the fold of all events, a fork's prefix included.
    """

    stream: str
    version: int
    hash: bytes
    shown: Conversation


@record
class Following:
    """How events of a stream take over from what caused them.

    Attributes:
        base: what the thread's start carries: correlation and reply address of whoever wants it.
        lookup: returns an earlier event as a cause, and what it carries, by its position.
    """

    base: Travelling
    lookup: Callable[[int], tuple[Cause, Travelling]]


class Batch:
    """Events to be appended where `head` stands.

    Args:
        head: where the stream stands.
        following: what events take over from their causes.
        ids: makes ids of claims.
        now_ms: when the events happen, milliseconds since 1970-01-01 UTC.
        writer: random name of this process.
        taken: ids that stand in the store already.
        tokens: counts the tokens of a text, by a model's name.
    """

    def __init__(
        self,
        head: Head,
        following: Following,
        ids: Ids,
        now_ms: int,
        writer: str,
        taken: Collection[str] = (),
        tokens: TokensOf = estimated,
    ) -> None:
        self.tokens = tokens
        self.expected_version = head.version
        self.sealed: list[Sealed] = []
        self.folded: list[tuple[Recorded, Conversation]] = []  # each event, and what it led to
        self.travelling: list[Travelling] = []
        self._head = head
        self._following = following
        self._ids = ids
        self._now_ms = now_ms
        self._writer = writer
        self._taken = taken

    @property
    def shown(self) -> Conversation:
        """The conversation after what is in the batch by now."""
        return self._head.shown

    @property
    def head(self) -> Head:
        """Where the stream stands once the batch is appended."""
        return self._head

    def new_id(self) -> str:
        """Return an id for a claim or a command."""
        return self._ids.new()

    def is_taken(self, id: str) -> bool:
        """Say whether a message stands under an id already."""
        return id in self._taken

    def only_id(self, key: str, role: str) -> str:
        """Return the one id that a message of this role may have in answer to `key`.

        Where somebody has written under it what answers nothing, it is the next in line, each
        derived from the one before: nobody can keep an outcome out by taking its id.
        """
        id = derived_id(self._head.stream, key, role)
        while self.is_taken(id):
            id = derived_id(self._head.stream, id, role)
        return id

    def claim(self, event: Event, cause: int | None) -> Recorded:
        """Add an intent or a decision, under a new id."""
        return self.add(Draft(self.new_id(), event, cause))

    def close(self, event: Event, key: str, cause: int | None) -> Recorded:
        """Add the outcome of a claim or a call, under the one id that it may have."""
        return self.add(Draft(self.only_id(key, "outcome"), event, cause))

    def add(self, draft: Draft) -> Recorded:
        """Seal an event and fold it."""
        head = self._head
        position = head.version + 1
        cause, carried = self._followed(draft.cause)
        travelling = self._based(carried if draft.travelling is None else draft.travelling)
        envelope = Envelope(cause, travelling, self._now_ms, self._writer)
        sealed = seal(
            draft.id, head.stream, position, draft.event, envelope, head.hash, draft.encoded
        )
        recorded = Recorded(draft.id, head.stream, position, sealed.event, self._now_ms)
        shown = conversation.evolve(head.shown, recorded)
        self._head = Head(head.stream, position, sealed.hash, shown)
        self.sealed.append(sealed)
        self.folded.append((recorded, shown))
        self.travelling.append(travelling)
        return recorded

    def _followed(self, position: int | None) -> tuple[Cause | None, Travelling]:
        if position is None:
            return None, NOTHING
        if position > self.expected_version:
            carried = self.travelling[position - self.expected_version - 1]
            return Cause(self._head.stream, position), carried
        return self._following.lookup(position)

    def _based(self, carried: Travelling) -> Travelling:
        base = self._following.base
        if base is NOTHING:
            return carried
        return replace(
            carried,
            correlation=carried.correlation or base.correlation,
            reply_to=carried.reply_to or base.reply_to,
        )
