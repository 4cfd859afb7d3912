"""A model request of the past, folded again, and where each part of it came from."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from messagedb_agent.agent.counting import counts
from messagedb_agent.changing import changed
from messagedb_agent.events.recorded import Place, Recorded
from messagedb_agent.events.request import Request, RequestMessage
from messagedb_agent.events.schema import AgentRedefined, LlmCallStarted, SessionStarted
from messagedb_agent.projections.conversation import Conversation, Entry, conversation
from messagedb_agent.projections.grown import Grown
from messagedb_agent.projections.projection import Projection
from messagedb_agent.projections.requests import REQUESTS, Messages
from messagedb_agent.projections.window import kept


@dataclass(frozen=True)
class Claim:
    """The start of a model call.

    Attributes:
        id: the event's id.
        place: where it stands.
        event: what it says.
    """

    id: str
    place: Place
    event: LlmCallStarted


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
    claims: Grown[Claim] = field(default_factory=Grown)


def _evolve(before: Asking, recorded: Recorded) -> Asking:
    if not counts(before.shown.state, recorded):
        return before
    after = changed(before, shown=conversation.evolve(before.shown, recorded))
    match recorded.event:
        case SessionStarted() | AgentRedefined():
            return changed(after, defined=recorded.place)
        case LlmCallStarted() as started:
            claim = Claim(recorded.id, recorded.place, started)
            return changed(after, claims=after.claims.plus(claim))
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
class Gap:
    """Messages that a request leaves out, side by side in the conversation.

    Attributes:
        before: index of the part of the request that they would stand in front of.
        messages: how many they are.
        first: place of the event that the first one came from.
        last: place of the event that the last one came from.
    """

    before: int
    messages: int
    first: Place
    last: Place


@dataclass(frozen=True)
class Explanation:
    """A model call of the past.

    Attributes:
        claim: its start.
        request: what the model was asked with.
        defined: place of the event that model, parameters, prompt and tools came from.
        parts: its messages, and where they came from.
        digest: the digest of the request as it is folded now.
        strategy: the context strategy in force.
        gaps: the messages of the conversation that were left out.
        recalled: place of the event up to which the end of the prompt says what is known of a
            user, in that user's stream; None where it says nothing of the kind.
    """

    claim: Claim
    request: Request
    defined: Place
    parts: Sequence[Part]
    digest: str
    strategy: str = "all"
    gaps: Sequence[Gap] = ()
    recalled: Place | None = None

    @property
    def is_recorded(self) -> bool:
        """Whether it is the request that was recorded."""
        return self.claim.event.request_digest == self.digest


def explained(claim: Claim, before: Asking) -> Explanation | None:
    """Fold a request again.

    Args:
        claim: the call's start.
        before: the thread up to the event that it says it was folded from.

    Returns:
        None where it was folded by a projection that is not known here, or before the thread began.
    """
    projection = claim.event.projection_name, claim.event.projection_version
    fold_request = REQUESTS.get(projection)
    if fold_request is None or before.defined is None:
        return None
    folded = fold_request(before.shown, claim.event)
    shown = before.shown.entries
    entries: list[Entry] = []
    gaps, place = [], 0
    for part in (*kept(Messages(shown), folded.left_out), range(len(shown), len(shown))):
        if entries_before := shown[place : part.start]:
            first, last = entries_before[0].source, entries_before[-1].source
            gaps.append(Gap(len(entries), len(entries_before), first, last))
        entries += shown[part.start : part.stop]
        place = part.stop
    messages = folded.request.messages
    # One for a summary ends with what all of them end with, and one for a title is nothing else.
    own = {"conversation": len(messages), "summary": len(messages) - 1}.get(folded.projection, 0)
    parts = [
        Part(message, entries[index].source if index < min(own, len(entries)) else None)
        for index, message in enumerate(messages)
    ]
    request, definition = folded.request, before.shown.definition
    strategy = definition.context_strategy if definition else "all"
    known = definition.recalled if definition else None
    is_told = known is not None and request.system_prompt.endswith(known.text)
    recalled = Place(known.stream_name, known.position) if known and is_told else None
    return Explanation(
        claim, request, before.defined, parts, folded.digest, strategy, gaps, recalled
    )
