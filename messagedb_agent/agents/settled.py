"""Where what was said to a thread is settled: answered, or dropped by a cancel or the end."""

from array import array
from bisect import bisect_left

from messagedb_agent.agents.view import View
from messagedb_agent.events.recorded import Recorded
from messagedb_agent.events.schema import (
    LlmResponseReceived,
    SessionCompleted,
    TurnCancelled,
)


class Settled:
    """The places of one stream where something was settled, in order.

    A reply without calls answers all that stood before its request. What is said while a model is
    asked is answered by a later one, in the same turn. A call that failed and a limit settle
    nothing: what goes on from them does. A cancel settles what stood before it, once the claims
    that it cancelled are closed.

    Args:
        stream: full name of the stream.
    """

    def __init__(self, stream: str) -> None:
        self._stream = stream
        self._dropped: int | None = None  # by a cancel whose claims are still open
        self._up_to = array("q")  # all that stands before this position ...
        self._positions = array("q")  # ... is settled by the event at that one

    def add(self, before: View, recorded: Recorded, after: View) -> None:
        """Note what an event settles.

        Args:
            before: the fold before the event.
            recorded: the event.
            after: the fold after it.
        """
        if recorded.stream != self._stream or after.conversation is before.conversation:
            return  # an ancestor's, or it does not count
        up_to = self._settled_by(before, recorded, after)
        if up_to is not None:
            self._up_to.append(up_to)
            self._positions.append(recorded.position)

    def after(self, position: int) -> int | None:
        """Return where what stands at a position is settled; None where it is not yet."""
        index = bisect_left(self._up_to, position)
        return self._positions[index] if index < len(self._positions) else None

    def _settled_by(self, before: View, recorded: Recorded, after: View) -> int | None:
        """Return the position up to which an event settles what was said; None for nothing."""
        rest, event = after.lineage.current, recorded.event
        if isinstance(event, TurnCancelled | SessionCompleted):
            self._dropped = recorded.position
        if rest and rest.id == recorded.id and rest.kind in ("cancelled", "ended", "deleted"):
            self._dropped = None
            return recorded.position
        if self._dropped is not None and not after.conversation.state.to_cancel:
            dropped, self._dropped = self._dropped, None
            return dropped
        call = before.conversation.state.model_call
        if isinstance(event, LlmResponseReceived) and call and call.id == event.llm_call_id:
            is_final = not call.cancelled and not after.conversation.state.calls
            return call.position if is_final else None
        return None
