"""`resolve`: a person says what became of a call of unknown outcome."""

from dataclasses import dataclass
from typing import Literal

from messagedb_agent.cli.common import Common
from messagedb_agent.cli.exits import ExitCode
from messagedb_agent.cli.next_steps import command
from messagedb_agent.cli.opening import opened, set_up
from messagedb_agent.cli.running import run
from messagedb_agent.cli.terminal import note
from messagedb_agent.errors import ValidationError


@dataclass(frozen=True, slots=True)
class Said:
    """What a person says; one of the first two.

    Attributes:
        completed: the result of a call that took effect.
        failed: why it did not.
        by: who says so.
    """

    completed: str | None
    failed: str | None
    by: str | None

    @property
    def outcome(self) -> tuple[Literal["completed", "failed"], str]:
        """Whether it took effect, and the text to that.

        Raises:
            ValidationError: neither is given, or both, or the reason is blank.
        """
        match self.completed, self.failed:
            case str(result), None:
                return "completed", result
            case None, str(reason) if reason.strip():
                return "failed", reason
            case None, str():
                raise ValidationError("--failed needs a reason, for the model", field="outcome")
            case _:
                raise ValidationError(
                    "say either --completed RESULT or --failed REASON", field="outcome"
                )


def resolve(common: Common, thread: str, call: str, said: Said) -> int:
    """Record what became of a call, and see to what the thread has to do besides."""
    status, text = said.outcome
    setup = set_up(common)

    async def work() -> int:
        async with opened(setup) as engine:
            agent = await (await engine.latest(thread)).resolve(call, status, text, by=said.by)
            prefix = await engine.shortest_prefix(agent.thread_id)
        note(f"call {call} is recorded as {status}; the model is told when it is asked next")
        note(f'next: {command(setup.common, "message", prefix)} "..."')
        return ExitCode.OK

    return run(work())
