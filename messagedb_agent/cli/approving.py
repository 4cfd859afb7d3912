"""Approvals in line: who sits at the terminal is asked, and the turn goes on."""

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from messagedb_agent.cli.prompting import ask, forget_typed
from messagedb_agent.cli.rendering.exact import exactly
from messagedb_agent.cli.rendering.live import Live
from messagedb_agent.cli.terminal import note
from messagedb_agent.errors import Refused

if TYPE_CHECKING:
    from messagedb_agent import Agent, Engine
    from messagedb_agent.agent.commands import ApproveTool, DenyTool
    from messagedb_agent.events.schema import ToolApprovalRequested

Step = Callable[[Coroutine[Any, Any, "Agent"]], Awaitable["Agent"]]
"""Sees a part of a turn through, as whoever shows it wants it done."""


async def straight(part: Coroutine[Any, Any, "Agent"]) -> "Agent":
    """See a part of a turn through, and nothing else."""
    return await part


@dataclass(frozen=True, slots=True)
class Approving:
    """How calls are approved that wait.

    Attributes:
        yes: all are approved.
        asks: a person is asked about each.
        step: sees through what follows.
    """

    yes: bool = False
    asks: bool = False
    step: Step = straight

    @property
    def decides(self) -> bool:
        """Whether anything is done about calls that wait."""
        return self.yes or self.asks

    async def go_on(self, engine: "Engine", agent: "Agent", live: Live) -> "Agent":
        """Decide on what waits until nothing does, or what does was put off.

        Raises:
            Refused: what waits cannot be approved.
            KeyboardInterrupt: Ctrl-C at a question.
        """
        put_off: set[str] = set()
        while waiting := [a for a in agent.approvals if a.call_id not in put_off]:
            live.break_line()
            commands = self._decided(engine, waiting, put_off)
            if not commands:
                break
            try:
                agent = await self.step(engine.ask(agent, *commands, progress=live.progress))
            except Refused as error:  # somebody else was first, perhaps
                head = await engine.latest(agent.thread_id)
                if head.approvals == agent.approvals:
                    raise
                note(f"not decided here: {error}")
                agent = head
        return agent

    def _decided(
        self, engine: "Engine", waiting: Sequence["ToolApprovalRequested"], put_off: set[str]
    ) -> Sequence["ApproveTool | DenyTool"]:
        from messagedb_agent.agent.commands import ApproveTool

        if self.yes:
            for call in waiting:
                note(f"approved: {call.tool_name} {exactly(call.arguments)}")
            return [ApproveTool(call.call_id) for call in waiting]
        commands = [_asked(engine, call) for call in waiting] if self.asks else []
        decided = [command for command in commands if command is not None]
        put_off |= {call.call_id for call in waiting} - {command.call_id for command in decided}
        return decided


def _asked(engine: "Engine", call: "ToolApprovalRequested") -> "ApproveTool | DenyTool | None":
    """Ask a person about one call; None puts it off."""
    from messagedb_agent.agent.commands import ApproveTool, DenyTool
    from messagedb_agent.cli.drafting import Draft

    draft = Draft(call.arguments)
    forget_typed()
    while True:
        marked = "" if draft.changed is None else " (changed)"
        shown = exactly(call.arguments if draft.changed is None else draft.changed)
        note(f"waits for approval: {call.tool_name} {shown}{marked}")
        match (ask("run it? yes, no, edit, later:") or "later").strip().lower():
            case "y" | "yes":
                return ApproveTool(call.call_id, arguments=draft.changed)
            case "n" | "no":
                return DenyTool(call.call_id, reason=ask("why not? (for the model)") or None)
            case "e" | "edit":
                draft.edit(lambda text: engine.tools.problem(call.tool_name, text))
            case "l" | "later":
                return None
            case _:
                note("y runs it, n does not, e changes its arguments, l leaves it waiting")
