"""`approvals`, `approve` and `deny`: what waits for a person, and what the person decides."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from messagedb_agent.cli.commands.detaching import tell
from messagedb_agent.cli.common import Common
from messagedb_agent.cli.equipping import check_tools
from messagedb_agent.cli.exits import ExitCode
from messagedb_agent.cli.next_steps import command
from messagedb_agent.cli.opening import opened, set_up
from messagedb_agent.cli.rendering.effects import short_call
from messagedb_agent.cli.rendering.events import cut
from messagedb_agent.cli.rendering.exact import exactly
from messagedb_agent.cli.rendering.json import text_of, waiting_json
from messagedb_agent.cli.rendering.live import Live
from messagedb_agent.cli.rendering.tables import print_table
from messagedb_agent.cli.rendering.text import local_time
from messagedb_agent.cli.running import run
from messagedb_agent.cli.terminal import note, one_line, out
from messagedb_agent.cli.turning import Manner, OnThread, see_through
from messagedb_agent.errors import AmbiguousName, Refused, ValidationError

if TYPE_CHECKING:
    from messagedb_agent import Agent, Engine
    from messagedb_agent.agent.commands import ApproveTool, DenyTool
    from messagedb_agent.agents.progress import Progress
    from messagedb_agent.events.recorded import Recorded
    from messagedb_agent.events.schema import ToolApprovalRequested

_SHOWN_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person decides.

    Attributes:
        allows: whether the calls may run.
        calls: ids of calls, or beginnings or ends of them; none for the only one that waits.
        all: all that wait are meant.
        reason: why.
        by: who decides.
        arguments: what the call is to run with instead, a JSON object; None leaves them.
    """

    allows: bool
    calls: Sequence[str]
    all: bool
    reason: str | None
    by: str | None
    arguments: str | None = None

    def check(self) -> None:
        """Refuse what does not go together.

        Raises:
            ValidationError: all are meant and some named, or several get the same arguments.
        """
        if self.all and (self.calls or self.arguments):
            raise ValidationError("--all stands alone: no CALL, no --arguments", field="--all")
        if self.arguments and len(self.calls) > 1:
            raise ValidationError("--arguments are of one CALL", field="--arguments")

    def typed(self, thread: str) -> Sequence[str]:
        """Return the command that says this."""
        given = {"--arguments": self.arguments, "--reason": self.reason, "--by": self.by}
        return (
            "approve" if self.allows else "deny",
            thread,
            *(["--all"] if self.all else self.calls),
            *(word for name, value in given.items() if value is not None for word in (name, value)),
        )

    def command(self, call_id: str) -> "ApproveTool | DenyTool":
        """Return what is asked of the engine for one call."""
        from messagedb_agent.agent.commands import ApproveTool, DenyTool

        if self.allows:
            return ApproveTool(call_id, self.by, self.reason, self.arguments)
        return DenyTool(call_id, self.by, self.reason)


def approvals(common: Common, limit: int, form: str, *, full: bool) -> int:
    """Print the calls that wait, over all threads; in full, with all that would run."""
    setup = set_up(common)

    async def work() -> None:
        async with opened(setup) as engine:
            waiting = await engine.approvals(limit)
        if form == "json":
            out(text_of([waiting_json(call) for call in waiting]))
            return
        if not waiting:
            note("no tool call waits for approval")
            return
        ids = [call.call_id for call in waiting]
        rows = [
            (
                call.prefix,
                short_call(call.call_id, ids),
                local_time(int(call.asked_at.timestamp() * 1000)),
                call.tool_name,
                exactly(call.arguments),
            )
            for call in waiting
        ]
        if full:
            for row in rows:
                out("  ".join([*map(one_line, row[:-1]), row[-1]]))
        else:
            short = ((*row[:-1], cut(row[-1], _SHOWN_CHARACTERS)) for row in rows)
            print_table(("thread", "call", "asked", "tool", "arguments"), tuple(short))
            note(f"all of the arguments: {command(setup.common, 'approvals', '--full')}")
        note(f"decide: {command(setup.common, 'approve')} THREAD CALL, or deny")

    run(work())
    return ExitCode.OK


def decide(common: Common, thread: str, decision: Decision, form: str) -> int:
    """Approve or deny calls, and see the turn through.

    Raises:
        ValidationError: what was given does not go together.
    """
    decision.check()
    setup = set_up(common)

    async def turn(agent: "Agent", engine: "Engine", live: Live) -> "Agent":
        calls = _meant(agent, decision)
        run = calls if decision.allows else ()
        typed = decision.typed(thread)
        to_workers = (typed[0], "--detach", *typed[1:])
        ids = [c.call_id for c in run]
        check_tools(setup.common, engine, agent, *typed, approved=ids, to_workers=to_workers)
        engine.models(agent.model)  # it must be there before anything is written
        commands = [decision.command(call.call_id) for call in calls]
        return await engine.ask(agent, *commands, progress=_telling(decision, calls, live.progress))

    return see_through(setup, None, OnThread(thread, turn), Manner(form, asks=False))


def decide_detached(common: Common, thread: str, decision: Decision, form: str) -> int:
    """Write down what a person decides; workers go on. Neither tools nor model are needed here.

    Raises:
        ValidationError: what was given does not go together.
    """
    decision.check()
    setup = set_up(common)

    async def work() -> int:
        async with opened(setup) as engine:
            agent = await engine.latest(thread)
            calls = _meant(agent, decision)
            commands = [decision.command(call.call_id) for call in calls]
            progress = _telling(decision, calls, Live(is_quiet=True).progress)
            agent = await engine.ask(agent, *commands, progress=progress, detached=True)
            await tell(setup, engine, agent, form)
        return ExitCode.OK

    return run(work())


def _telling(
    decision: Decision, calls: Sequence["ToolApprovalRequested"], progress: "Progress"
) -> "Progress":
    """Return a progress that also tells what was decided, once it stands in the log."""
    from messagedb_agent.agents.progress import Progress
    from messagedb_agent.events.schema import ToolExecutionApproved, ToolExecutionDenied

    named = {call.call_id: call for call in calls}

    def on_event(recorded: "Recorded") -> None:
        if progress.on_event:
            progress.on_event(recorded)
        event = recorded.event
        if isinstance(event, ToolExecutionApproved | ToolExecutionDenied):
            call = named.get(event.call_id)
            if call is not None:
                note(_told(decision, call))

    return Progress(progress.on_delta, on_event)


def _told(decision: Decision, call: "ToolApprovalRequested") -> str:
    what = "approved" if decision.allows else "denied"
    if decision.arguments is None:
        return f"{what}: {call.tool_name} {exactly(call.arguments)}"
    return f"{what}: {call.tool_name} {exactly(decision.arguments)} (changed)"


def _meant(agent: "Agent", decision: Decision) -> Sequence["ToolApprovalRequested"]:
    """Return the calls that are meant.

    Raises:
        Refused: none waits, or no more.
        AmbiguousName: several wait, and none is named.
    """
    if not agent.approvals:
        raise Refused(f"no tool call waits for approval in thread {agent.thread_id}")
    if decision.all:
        return agent.approvals
    ids = tuple(call.call_id for call in agent.approvals)
    if len(ids) > 1 and not decision.calls:
        several = AmbiguousName("waiting call", "", ids)
        shown = ", ".join(short_call(id, ids) for id in ids)
        several.args = (f"{len(ids)} calls wait for approval; name those meant, or --all: {shown}",)
        raise several
    named = (agent.approval(call) for call in decision.calls or (None,))
    return tuple({call.call_id: call for call in named}.values())
