"""Approvals: which call is meant, and that what runs is what a person was asked about."""

from collections.abc import Iterable

from messagedb_agent.agent.commands import ApproveTool
from messagedb_agent.agents.view import View
from messagedb_agent.errors import AmbiguousName, NotFound, Refused, ValidationError
from messagedb_agent.events.canonical import is_object
from messagedb_agent.events.schema import ToolApprovalRequested
from messagedb_agent.tools.tool import Tools


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
    fitting = tuple(waiting) if given is None else fitting_ids(given, waiting)
    if len(fitting) == 1:
        return waiting[fitting[0]]
    if fitting:
        raise AmbiguousName("waiting call", given or "", fitting)
    open_round = seen.conversation.round
    if open_round and fitting_ids(given or "", (call.call_id for call in open_round.calls)):
        raise Refused(f"call {given} does not wait for approval")
    raise NotFound("waiting call", given or "")


def fitting_ids(given: str, ids: Iterable[str]) -> tuple[str, ...]:
    """Return the ids that a part fits; the one that it is, where it is one."""
    known = tuple(ids)
    if given in known:
        return (given,)
    return tuple(id for id in known if given and (id.startswith(given) or id.endswith(given)))


def check_approval(command: ApproveTool, seen: View, tools: Tools) -> None:
    """Refuse an approval by which something else would run than a person was asked about.

    A foreign writer may have asked about one thing for a call of another.

    Args:
        command: the approval; whether its call waits at all is not asked here.
        seen: the thread's head.
        tools: what checks changed arguments.

    Raises:
        Refused: tool or arguments are not those that were asked about.
        ValidationError: the changed arguments are no JSON object, or the tool's schema refuses
            them.
    """
    asked, open_round = seen.outcome.asked.get(command.call_id), seen.conversation.round
    calls = open_round.calls if open_round else ()
    call = next((call for call in calls if call.call_id == command.call_id), None)
    if asked is None or call is None:
        return
    would_run = asked.arguments if command.arguments is not None else call.arguments
    if (asked.tool_name, asked.arguments) != (call.name, would_run):
        raise Refused(f"call {call.call_id} is not the one that was asked about; deny it")
    if command.arguments is None:
        return
    if not is_object(command.arguments):
        raise ValidationError("arguments: they must be a JSON object", field="arguments")
    problem = tools.problem(call.name, command.arguments)
    if problem is not None and problem.kind == "bad_arguments":
        raise ValidationError(f"arguments: {problem.message}", field="arguments")
