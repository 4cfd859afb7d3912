"""`chat`: message after message, with approvals in line; Ctrl-C stops the turn and no more."""

import signal
import sys
from asyncio import CancelledError
from collections.abc import Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from messagedb_agent.cli.adapting import changes, context_of
from messagedb_agent.cli.approving import Approving
from messagedb_agent.cli.chat_commands import HELP, Leave, commanded
from messagedb_agent.cli.commands.talking import starting
from messagedb_agent.cli.common import Common
from messagedb_agent.cli.describing import NOT_DESCRIBED, Described, first_model
from messagedb_agent.cli.equipping import equipped
from messagedb_agent.cli.exits import ExitCode
from messagedb_agent.cli.guard import Terminated
from messagedb_agent.cli.interrupting import Interrupted, Interruptible
from messagedb_agent.cli.next_steps import at_rest, command, hints, with_remedy
from messagedb_agent.cli.opening import Setup, opened, set_up
from messagedb_agent.cli.prompting import ask, can_ask, interrupting, on_signal
from messagedb_agent.cli.recalling import recall, remember, remember_lines
from messagedb_agent.cli.rendering.live import Live
from messagedb_agent.cli.running import run
from messagedb_agent.cli.terminal import note
from messagedb_agent.cli.turning import Turn, on_unknown, outcome
from messagedb_agent.cli.wording import decoded, message_text, readable
from messagedb_agent.errors import AgentError, ValidationError
from messagedb_agent.store.encoding import MAX_MESSAGE_BYTES

if TYPE_CHECKING:
    from messagedb_agent import Agent, Engine


def chat(
    common: Common,
    thread: str | None,
    described: Described,
    context: str | None = None,
    *,
    yes: bool,
) -> int:
    """Talk until the end of input."""
    if thread and described.is_given:
        raise ValidationError(
            "--definition and --template begin a thread; message gives them to one that is there",
            field="THREAD",
        )
    fields = context_of(context)
    return run(_chat(set_up(common), thread, described, fields, yes=yes))


async def _chat(
    setup: Setup,
    thread: str | None,
    described: Described,
    fields: Mapping[str, Any],
    *,
    yes: bool,
) -> int:
    async with opened(setup) as engine:
        agent = None
        if thread:
            engine, agent = equipped(engine, await engine.latest(thread))
        talk = Chat(setup, engine, agent, described, fields, yes=yes)
        try:
            return await (talk.at_terminal() if can_ask() else talk.in_pipe())
        finally:
            await talk.say_goodbye()


class Chat:
    """A conversation at the command line.

    Args:
        setup: what the command was given.
        engine: what answers.
        agent: the thread's head; None begins a thread with the first message.
        described: who a new thread's agent is.
        fields: what of the agent is to be otherwise from here on.
        yes: calls that wait are approved.

    Attributes:
        agent: the state that the next message is said to.
        model: the model from here on; None leaves it to settings and thread.
    """

    def __init__(
        self,
        setup: Setup,
        engine: "Engine",
        agent: "Agent | None",
        described: Described = NOT_DESCRIBED,
        fields: Mapping[str, Any] = MappingProxyType({}),
        *,
        yes: bool,
    ) -> None:
        self._described = described
        self._fields = fields
        self.setup = setup
        self.engine = engine
        self.agent = agent
        self.model: str | None = None
        self._yes = yes

    async def at_terminal(self) -> ExitCode:
        """Talk to a person: what goes wrong is told, and the talk goes on."""
        remember_lines()
        note(HELP)
        if self.agent is not None:
            await recall(self.engine, self.agent)
        with on_signal(signal.SIGINT, lambda *_: None):  # between two things that hear it
            while (line := _next_line()) is not None:
                try:
                    if line.strip():
                        remember(line)
                        await self._obey(line)
                except Leave:
                    break
                except Interrupted:
                    note("interrupted; the next message goes on")
                except AgentError as error:
                    note(f"error: {with_remedy(self.setup.common, error)}")
        return ExitCode.OK

    async def _obey(self, line: str) -> None:
        """Do what a line says, and see the turn through that it begins.

        Raises:
            Leave: the person goes.
            Interrupted: Ctrl-C, but for one that cancels a turn.
        """
        work = Interruptible(self.engine, Live())
        turn = await work.step(commanded(self, line))
        if turn is None:
            return
        try:
            await self.take(turn, asks=True)
        except Terminated:
            raise
        except KeyboardInterrupt:  # at a question
            await work.step(self._put_down())

    async def in_pipe(self) -> ExitCode:
        """Answer line by line; end with what goes wrong first."""
        while line := _read_line():
            if not line.strip():
                continue
            code = await self.take(self.saying(decoded(line)), asks=False)
            if code != ExitCode.OK:
                return code
        return ExitCode.OK

    def saying(self, text: str) -> Turn:
        """Return the turn in which something is said."""
        text = message_text(text) if text != "-" else text
        agent = self.agent
        if agent is None:
            model = self.model or first_model(self.setup, self._described)
            if model is not None:
                self.setup.model_settings.check(model)  # before anything is written
            return starting(self.setup, model, text, self._described, **self._fields)
        told = {**self._changes(agent), **self._fields}

        async def turn(engine: "Engine", live: Live) -> "Agent":
            return await agent.advance(text, at_head=True, progress=live.progress, **told)

        return turn

    def continuing(self, agent: "Agent") -> Turn:
        """Return the turn that goes on where the thread stopped, and asks about what waits."""
        told = self._changes(agent, goes_on=agent.status not in ("waiting", "ended"))

        async def turn(engine: "Engine", live: Live) -> "Agent":
            return await agent.resume(progress=live.progress, **told)

        return turn

    def _changes(self, agent: "Agent", *, goes_on: bool = True) -> dict[str, Any]:
        typed = ("chat", agent.thread_id)
        told = changes(self.setup, self.engine, agent, *typed, goes_on=goes_on)
        return told if self.model is None else {**told, "model": self.model}

    async def take(self, turn: Turn, *, asks: bool) -> ExitCode:
        """See a turn through and show how it ended."""
        live, known = Live(), _unknown(self.agent)
        part = Interruptible(self.engine, live)
        approving = Approving(self._yes, asks, part.step) if asks else Approving(self._yes)

        async def interruptible(engine: "Engine", live: Live) -> "Agent":
            self.agent = await approving.step(_coroutine(turn, engine, live))
            return self.agent

        try:
            code, self.agent = await outcome(interruptible, self.engine, live, approving)
        except (AgentError, Interrupted, KeyboardInterrupt, CancelledError):
            live.break_line()
            if live.thread_id:
                with suppress(AgentError):
                    self.agent = await self.engine.latest(live.thread_id)
            raise
        is_news = live.has_moved and code != ExitCode.CANCELLED
        live.finish(self.agent.answer if is_news else None)
        if self.agent.status == "approval" and asks:
            note("a call waits for approval; /continue asks again")
        elif live.thread_id is None:
            note(f"nothing to continue: {at_rest(self.agent)}")
        if _unknown(self.agent) - known:
            for line in await on_unknown(self.setup.common, self.engine, self.agent):
                note(line)
        return code

    async def say_goodbye(self) -> None:
        """Say how to take the thread up."""
        if self.agent is None:
            return
        prefix = await self.engine.shortest_prefix(self.agent.thread_id)
        if self.agent.status == "approval":
            for line in hints(self.setup.common, self.agent, prefix):
                note(line)
        else:
            note(f"thread {self.agent.thread_id}")
        note(f"go on: {command(self.setup.common, 'chat', prefix)}")

    async def _put_down(self) -> None:
        """Cancel a turn that waits for an approval."""
        if self.agent is not None:
            self.agent = await self.agent.cancel(reason="interrupted")
            note("the turn was cancelled")


def _unknown(agent: "Agent | None") -> frozenset[str]:
    """Return the calls whose outcome nobody knows."""
    return agent.view.conversation.state.unknown if agent else frozenset()


async def _coroutine(turn: Turn, engine: "Engine", live: Live) -> "Agent":
    return await turn(engine, live)


def _next_line() -> str | None:
    """Return what a person types next; None at the end."""
    while True:
        try:
            return ask(">")
        except Terminated:
            raise
        except KeyboardInterrupt:
            note("(Ctrl-D ends)")


def _read_line() -> bytes:
    if sys.stdin is None:  # it was closed before we began
        return b""
    with readable(), interrupting():
        return sys.stdin.buffer.readline(MAX_MESSAGE_BYTES + 2)
