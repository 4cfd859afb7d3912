"""Which tool call of a thread is meant: by its id, or by a beginning or an end of it."""

from collections.abc import Iterable

from messagedb_agent.agents.view import View
from messagedb_agent.errors import AmbiguousName, NotFound, Refused
from messagedb_agent.events.schema import ToolApprovalRequested


def waiting_call(seen: View, given: str | None) -> ToolApprovalRequested:
    """Return the waiting call that is meant.

    Args:
        seen: the state that is asked.
        given: its id, or a beginning or an end of it that no other waiting call's has; None where
            only one waits.

    Raises:
        Refused: no call waits, or the one that is meant waits no more.
        AmbiguousName: more than one fits.
        NotFound: none fits.
    """
    waiting = {asked.call_id: asked for asked in seen.outcome.waiting}
    if not waiting:
        raise Refused("no tool call of this thread waits for approval")
    fitting = tuple(waiting) if given is None else _fitting(given, waiting)
    if len(fitting) == 1:
        return waiting[fitting[0]]
    if fitting:
        raise AmbiguousName("waiting call", given or "", fitting)
    open_round = seen.conversation.round
    if open_round and _fitting(given or "", (call.call_id for call in open_round.calls)):
        raise Refused(f"call {given} does not wait for approval")
    raise NotFound("waiting call", given or "")


def unresolved_call(seen: View, given: str) -> str:
    """Return the id of the call of unknown outcome that is meant.

    Args:
        seen: the state that is asked.
        given: its id, or a beginning or an end of it that no other call of unknown outcome has.

    Raises:
        AmbiguousName: more than one fits.
        NotFound: none fits.
    """
    fitting = _fitting(given, sorted(seen.conversation.state.unknown))
    if len(fitting) > 1:
        raise AmbiguousName("call of unknown outcome", given, fitting)
    if not fitting:
        raise NotFound("call of unknown outcome", given)
    return fitting[0]


def _fitting(given: str, ids: Iterable[str]) -> tuple[str, ...]:
    """Return the ids that a part fits; the one that it is, where it is one."""
    known = tuple(ids)
    if given in known:
        return (given,)
    return tuple(id for id in known if given and (id.startswith(given) or id.endswith(given)))
