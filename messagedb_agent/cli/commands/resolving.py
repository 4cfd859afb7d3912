"""`resolve`: a person says what became of a call of unknown outcome."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from messagedb_agent.cli.common import Common
from messagedb_agent.cli.exits import ExitCode
from messagedb_agent.cli.naming import is_named
from messagedb_agent.cli.next_steps import command
from messagedb_agent.cli.opening import opened, set_up
from messagedb_agent.cli.running import run
from messagedb_agent.cli.terminal import note
from messagedb_agent.errors import (
    AgentError,
    AmbiguousName,
    NotFound,
    Refused,
    ValidationError,
)

if TYPE_CHECKING:
    from messagedb_agent import Agent, Engine


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
            before = await engine.latest(thread)
            try:
                agent = await before.resolve(call, status, text, by=said.by)
            except AmbiguousName:
                raise
            except NotFound as error:
                raise await _none(setup.common, engine, before, call) from error
            prefix = await engine.shortest_prefix(agent.thread_id)
        note(f"call {call} is recorded as {status}; the model is told when it is asked next")
        note(f'next: {command(setup.common, "message", prefix)} "..."')
        return ExitCode.OK

    return run(work())


async def _none(common: Common, engine: "Engine", agent: "Agent", call: str) -> AgentError:
    """Return why no outcome that is unknown fits: it was said before, or there never was one."""
    from messagedb_agent.projections.effects import effects

    for effect in await engine.fold(agent.thread_id, effects, at=agent.position):
        said = effect.resolution
        if said and is_named(effect.call_id, call):
            by = f" by {said.by}" if said.by else ""
            return Refused(f"call {call} was resolved before{by}: {said.status}, {said.text}")
    shown = command(common, "show", agent.thread_id, "--as", "effects")
    none = NotFound("call of unknown outcome", call)
    none.args = (f"{none}; what calls there are: {shown}",)
    return none
