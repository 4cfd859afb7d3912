"""Approvals: what runs is what a person was asked about."""

from messagedb_agent.agent.commands import ApproveTool
from messagedb_agent.agents.view import View
from messagedb_agent.errors import Refused, ValidationError
from messagedb_agent.events.canonical import is_object
from messagedb_agent.tools.tool import Tools


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
