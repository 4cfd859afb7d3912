"""A model request of the past, folded again, and where each part of it came from."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

from messagedb_agent.agent.counting import counts
from messagedb_agent.changing import changed
from messagedb_agent.events.recorded import Recorded
from messagedb_agent.events.request import Request, RequestMessage
from messagedb_agent.events.schema import AgentRedefined, LlmCallStarted, SessionStarted
from messagedb_agent.projections.conversation import Conversation, Place, conversation
from messagedb_agent.projections.grown import Grown
from messagedb_agent.projections.projection import Projection
from messagedb_agent.projections.requests import REQUESTS


@dataclass(frozen=True)
class Asking:
    """The fold: what a model would be asked with.

    Attributes:
        shown: what the model is shown.
        defined: place of the event that made the agent in force; None before the start.
        claims: the model calls that count, oldest first.
    """

    shown: Conversation = conversation.initial
    defined: Place | None = None
    claims: Grown[Recorded] = field(default_factory=Grown)


def _evolve(before: Asking, recorded: Recorded) -> Asking:
    if not counts(before.shown.state, recorded):
        return before
    after = changed(before, shown=conversation.evolve(before.shown, recorded))
    match recorded.event:
        case SessionStarted() | AgentRedefined():
            return changed(after, defined=(recorded.stream, recorded.position))
        case LlmCallStarted():
            return changed(after, claims=after.claims.plus(recorded))
        case _:
            return after


asking: Projection[Asking] = Projection(Asking(), _evolve)


@dataclass(frozen=True)
class Part:
    """A message of a request.

    Attributes:
        message: what the model was shown.
        place: stream and position of the event it came from; None for what every request of its
            kind ends with.
    """

    message: RequestMessage
    place: Place | None


@dataclass(frozen=True)
class Explanation:
    """A model call of the past.

    Attributes:
        claim: its `LlmCallStarted`.
        request: what the model was asked with.
        defined: place of the event that model, parameters, prompt and tools came from.
        parts: its messages, and where they came from.
        digest: the digest of the request as it is folded now.
    """

    claim: Recorded
    request: Request
    defined: Place
    parts: Sequence[Part]
    digest: str

    @property
    def is_recorded(self) -> bool:
        """Whether it is the request that was recorded."""
        event = self.claim.event
        return isinstance(event, LlmCallStarted) and event.request_digest == self.digest


def explained(claim: Recorded, before: Asking) -> Explanation | None:
    """Fold a request again.

    Args:
        claim: the call's `LlmCallStarted`.
        before: the thread up to the event that it says it was folded from.

    Returns:
        None where it was folded by a projection that is not known here, or before the thread began.
    """
    event = claim.event
    if not isinstance(event, LlmCallStarted) or before.defined is None:
        return None
    fold_request = REQUESTS.get((event.projection_name, event.projection_version))
    if fold_request is None:
        return None
    folded = fold_request(before.shown)
    entries = before.shown.entries
    parts = [
        Part(message, entry.source if entry and message is entry.message else None)
        for message, entry in zip_longest(folded.request.messages, entries)
        if message is not None
    ]
    return Explanation(claim, folded.request, before.defined, parts, folded.digest)
