"""Where what was said to a thread is settled: answered, or dropped by a cancel or the end."""

from array import array
from bisect import bisect_left

from messagedb_agent.agent.counting import rejection
from messagedb_agent.agents.view import View
from messagedb_agent.events.recorded import Recorded
from messagedb_agent.events.schema import (
    LlmResponseReceived,
    SessionCompleted,
    TurnCancelled,
)

_DROPPING = (TurnCancelled, SessionCompleted)


class Settled:
    """The places of one stream where something was settled, in order.

    A reply without calls answers all that stood before its request. What is said while a model is
    asked is answered by a later one, in the same turn. A call that failed and a limit settle
    nothing: what goes on from them does. A cancel settles what stood before it, once the claims
    that it cancelled are closed: where the thread came to rest then, or, where something was said
    meanwhile, at the cancel itself, as what comes then answers that.

    Args:
        stream: full name of the stream.
        dropped: position of a cancel before the first event to come, whose claims are still open.
    """

    def __init__(self, stream: str, dropped: int | None = None) -> None:
        self._stream = stream
        self._dropped = dropped  # by a cancel whose claims are still open
        self._up_to = array("q")  # all that stands before this position ...
        self._positions = array("q")  # ... is settled by the event at that one

    @property
    def dropped(self) -> int | None:
        """Position of a cancel whose claims are still open."""
        return self._dropped

    def add(self, before: View, recorded: Recorded, after: View) -> None:
        """Note what an event settles.

        Args:
            before: the fold before the event.
            recorded: the event.
            after: the fold after it.
        """
        if recorded.stream != self._stream or after.conversation is before.conversation:
            return  # an ancestor's, or it does not count
        settled = self._settled_by(before, recorded, after)
        if settled is not None:
            up_to, position = settled
            self._up_to.append(up_to)
            self._positions.append(position)

    def after(self, position: int) -> int | None:
        """Return where what stands at a position is settled; None where it is not yet."""
        index = bisect_left(self._up_to, position)
        return self._positions[index] if index < len(self._positions) else None

    def _settled_by(self, before: View, recorded: Recorded, after: View) -> tuple[int, int] | None:
        """Return up to which position what was said is settled by now, and at which one."""
        rest, event = after.lineage.current, recorded.event
        if isinstance(event, _DROPPING):
            self._dropped = recorded.position
        if rest and rest.id == recorded.id and rest.kind in ("cancelled", "ended", "deleted"):
            self._dropped = None
            return recorded.position, recorded.position
        if self._dropped is not None and not after.conversation.state.to_cancel:
            dropped, self._dropped = self._dropped, None
            return dropped, dropped
        call = before.conversation.state.model_call
        if isinstance(event, LlmResponseReceived) and call and call.id == event.llm_call_id:
            is_final = not call.cancelled and not after.conversation.state.calls
            is_final = is_final and rejection(before.conversation.state, event) is None
            return (call.position, recorded.position) if is_final else None
        return None
