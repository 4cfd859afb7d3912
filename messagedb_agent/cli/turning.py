"""A turn, seen through: what is shown on the way, how it ended, and what may be typed next."""

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from messagedb_agent.cli.approving import Approving
from messagedb_agent.cli.common import Common
from messagedb_agent.cli.equipping import equipped
from messagedb_agent.cli.exits import ExitCode, exit_code_of
from messagedb_agent.cli.guard import Cancelled, exit_code_of_interrupt
from messagedb_agent.cli.next_steps import at_rest, command, hints, of_limits, resolving
from messagedb_agent.cli.opening import Setup, opened
from messagedb_agent.cli.prompting import can_ask
from messagedb_agent.cli.rendering.json import turn_json
from messagedb_agent.cli.rendering.live import Live
from messagedb_agent.cli.running import run
from messagedb_agent.cli.terminal import note, out
from messagedb_agent.cli.valuing import Output, value_line
from messagedb_agent.errors import LimitReached, ModelError

if TYPE_CHECKING:
    from messagedb_agent import Agent, Engine

Turn = Callable[["Engine", Live], Awaitable["Agent"]]


@dataclass(frozen=True, slots=True)
class OnThread:
    """A turn in a thread that is there.

    Attributes:
        thread: its id, a beginning of it, or `last`.
        take: what is done with its head.
    """

    thread: str
    take: Callable[["Agent", "Engine", Live], Awaitable["Agent"]]

    async def on(self, engine: "Engine") -> tuple["Engine", Turn]:
        """Find the thread; return the turn, and an engine that has what it takes."""
        engine, agent = equipped(engine, await engine.latest(self.thread))
        return engine, partial(self.take, agent)


@dataclass(frozen=True, slots=True)
class Manner:
    """How a turn is shown, and what becomes of calls that wait for approval.

    Attributes:
        form: `text` or `json`.
        yes: calls that wait are approved.
        asks: a person is asked about them, where one is there.
        output: what the answer must be; its value is shown in its place.
    """

    form: str = "text"
    yes: bool = False
    asks: bool = True
    output: Output | None = None

    @property
    def typed(self) -> Sequence[str]:
        """The options that say this."""
        form = () if self.form == "text" else ("--format", self.form)
        output = ("--output", str(self.output.file)) if self.output else ()
        return (*form, *(["--yes"] if self.yes else []), *output)

    @property
    def approving(self) -> Approving:
        """How calls are approved."""
        return Approving(self.yes, self.asks and self.form == "text" and can_ask())


def see_through(setup: Setup, model: str | None, turn: Turn | OnThread, manner: Manner) -> int:
    """Run a turn, and show how it ended.

    Args:
        setup: what the command was given.
        model: the model that will be asked, where the settings name it.
        turn: what is done.
        manner: how it is shown.
    """
    live = Live(is_quiet=manner.form == "json", is_value=manner.output is not None)
    if model is not None:
        setup.model_settings.check(model)  # before anything is written, or even started
    return run_turns(setup, live, _run(setup, live, turn, manner))


def run_turns(setup: Setup, live: Live, work: Coroutine[Any, Any, int]) -> int:
    """Run turns, and say how the thread is taken up where they were interrupted.

    Args:
        setup: what the command was given.
        live: what the turns tell, such as the thread they are of.
        work: the turns; returns the command's exit code.
    """
    try:
        return run(work)
    except KeyboardInterrupt as interrupt:
        note(f"interrupted; {go_on(setup.common, live.thread_id)}")
        return exit_code_of_interrupt(interrupt)
    except Cancelled as error:
        note(f"error: {error}; {go_on(setup.common, live.thread_id)}")
    return ExitCode.INTERRUPTED


async def _run(setup: Setup, live: Live, turn: Turn | OnThread, manner: Manner) -> int:
    async with opened(setup) as engine:
        if isinstance(turn, OnThread):
            engine, turn = await turn.on(engine)
        code, agent = await outcome(turn, engine, live, manner.approving)
        prefix = await engine.shortest_prefix(agent.thread_id)
        has_moved = live.has_moved or code != ExitCode.OK
        try:
            if manner.form == "json":
                out(await turn_json(engine, agent, manner.output))
            elif has_moved:
                live.finish(value_line(agent, manner.output) if manner.output else agent.answer)
        finally:  # who cannot be given the answer finds it in the thread
            if not has_moved:
                note(f"nothing to continue: {at_rest(agent)}")
            for line in hints(setup.common, agent, prefix):
                note(line)
            for line in await on_unknown(setup.common, engine, agent):
                note(line)
        return code


async def on_unknown(common: Common, engine: "Engine", agent: "Agent") -> Sequence[str]:
    """Say which calls have an outcome that nobody knows, and how to say what happened."""
    if not agent.view.conversation.state.unknown:
        return ()  # nearly always; nothing is read
    from messagedb_agent.projections.effects import effects

    folded = await engine.fold(agent.thread_id, effects, at=agent.position)
    prefix = await engine.shortest_prefix(agent.thread_id)
    return tuple(resolving(common, folded.unresolved, prefix))


async def outcome(
    turn: Turn, engine: "Engine", live: Live, approving: Approving
) -> tuple[ExitCode, "Agent"]:
    """Run a turn, decide on what waits, and say what went wrong; return how it ended."""
    try:
        agent = await approving.go_on(engine, await turn(engine, live), live)
    except (ModelError, LimitReached) as error:
        live.break_line()
        note(f"error: {_stopped_by(error) if isinstance(error, LimitReached) else error}")
        return exit_code_of(error), error.agent
    if agent.status == "approval":
        return ExitCode.APPROVAL, agent
    cancelled = agent.view.outcome.cancelled
    if cancelled is not None and live.has_moved:
        live.break_line()
        why = f": {cancelled.reason}" if cancelled.reason else ""
        note(f"the turn was cancelled{f' by {cancelled.by}' if cancelled.by else ''}{why}")
        return ExitCode.CANCELLED, agent
    return (ExitCode.REFUSED if agent.status == "upgrade" else ExitCode.OK), agent


def _stopped_by(error: LimitReached) -> str:
    return f"limit reached: {', '.join(error.limits)}{of_limits(error.agent)}"


def go_on(common: Common, thread_id: str | None) -> str:
    """Say how to take up a thread that was left in the middle of a turn."""
    if thread_id is None:
        return "nothing was recorded"
    return f"take the thread up with: {command(common, 'continue', thread_id)}"
