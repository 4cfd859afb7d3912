"""`start`, `message`, `continue`, `end` and `cancel`: what moves a thread on."""

import asyncio
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from messagedb_agent.cli.adapting import AT_REST, changes, context_of
from messagedb_agent.cli.common import Common
from messagedb_agent.cli.describing import (
    NOT_DESCRIBED,
    Described,
    beginning,
    first_model,
    redefining,
)
from messagedb_agent.cli.exits import ExitCode
from messagedb_agent.cli.next_steps import command, telling_how_to_wait
from messagedb_agent.cli.opening import Setup, opened, set_up
from messagedb_agent.cli.rendering.live import Live
from messagedb_agent.cli.running import run
from messagedb_agent.cli.terminal import note
from messagedb_agent.cli.turning import Manner, OnThread, Turn, on_unknown, see_through
from messagedb_agent.cli.valuing import Output
from messagedb_agent.cli.wording import message_text, typed_again
from messagedb_agent.errors import ValidationError

if TYPE_CHECKING:
    from messagedb_agent import Agent, Engine
    from messagedb_agent.agent.commands import During

_LONG_S = 5.0  # an effect has a second to stop, and is told within half of one


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who begins a thread.

    Attributes:
        user: whose thread it is; None where nobody says.
        memory: whether the model is shown what is known of the user.

    Raises:
        ValidationError: a memory is asked for, and nobody named; or the name is empty.
    """

    user: str | None = None
    memory: bool = False

    def __post_init__(self) -> None:
        if self.user is not None and not self.user.strip():
            raise ValidationError("--user is empty", field="--user")
        if self.memory and self.user is None:
            raise ValidationError("--memory goes with --user: whose is it?", field="--memory")

    @property
    def fields(self) -> Mapping[str, bool]:
        """The fields of a definition that this says."""
        return {"memory": True} if self.memory else {}


NOBODY = Speaker()


def start(
    common: Common,
    message: str,
    manner: Manner,
    context: str | None = None,
    described: Described = NOT_DESCRIBED,
    speaker: Speaker = NOBODY,
) -> int:
    """Begin a thread with a message."""
    text, fields = message_text(message), {**context_of(context), **speaker.fields}
    setup = set_up(common)
    model = first_model(setup, described)
    turn = starting(setup, model, text, described, speaker.user, manner.output, **fields)
    return see_through(setup, model, turn, manner)


def starting(
    setup: Setup,
    model: str | None,
    text: str,
    described: Described = NOT_DESCRIBED,
    user: str | None = None,
    output: Output | None = None,
    **fields: Any,
) -> Turn:
    """Return the turn that begins a thread, with an agent of these further fields."""

    async def turn(engine: "Engine", live: Live) -> "Agent":
        definition = await beginning(setup, engine, model, described, **fields)
        schema = output.schema if output else None
        return await engine.start(
            text, definition=definition, user=user, progress=live.progress, output=schema
        )

    return turn


def message(
    common: Common,
    thread: str,
    message: str,
    manner: Manner,
    during: "During" = "queue",
    context: str | None = None,
    described: Described = NOT_DESCRIBED,
) -> int:
    """Say something in a thread."""
    text, again, fields = message_text(message), typed_again(message), context_of(context)
    setup = set_up(common)

    async def turn(agent: "Agent", engine: "Engine", live: Live) -> "Agent":
        form = () if manner.form == "text" else ("--format", manner.form)
        shows = (*described.typed, *(() if context is None else ("--context", context)))
        where = (*shows, *(() if during == "queue" else ("--during", during)), thread, again)
        typed = ("message", *manner.typed, *where)
        to_workers = () if manner.output else ("message", "--detach", *form, *where)
        by_settings = changes(setup, engine, agent, *typed, to_workers=to_workers)
        told = await redefining(setup, engine, by_settings, described)
        with telling_how_to_wait(setup.common, thread, again):
            return await agent.advance(
                text,
                at_head=True,
                during=during,
                progress=live.progress,
                output=manner.output.schema if manner.output else None,
                **told,
                **fields,
            )

    model = setup.loaded.settings.model_name
    return see_through(setup, model, OnThread(thread, turn), manner)


def continue_(common: Common, thread: str, manner: Manner) -> int:
    """Let a thread go on where it stopped."""
    setup = set_up(common)
    decides = manner.approving.decides

    async def turn(agent: "Agent", engine: "Engine", live: Live) -> "Agent":
        goes_on = agent.status not in AT_REST or (agent.status == "approval" and decides)
        told = changes(setup, engine, agent, "continue", *manner.typed, thread, goes_on=goes_on)
        return await agent.resume(progress=live.progress, **told)

    model = setup.loaded.settings.model_name
    return see_through(setup, model, OnThread(thread, turn), manner)


def end(common: Common, thread: str, reason: str | None) -> int:
    """End a thread."""
    setup = set_up(common)

    async def work() -> int:
        async with opened(setup) as engine:
            agent = await _patiently((await engine.latest(thread)).end(reason=reason))
            note(f"thread {agent.thread_id} is {agent.status}")
        return ExitCode.OK

    return run(work())


def cancel(common: Common, thread: str, reason: str | None, by: str | None) -> int:
    """Stop a thread's run, wherever it runs."""
    setup = set_up(common)

    async def work() -> int:
        async with opened(setup) as engine:
            before = await engine.latest(thread)
            agent = await _patiently(before.cancel(reason=reason, by=by))
            note(f"thread {agent.thread_id} {_what_cancel_did(before, agent)}")
            prefix = await engine.shortest_prefix(agent.thread_id)
            note(f'next: {command(setup.common, "message", prefix)} "..."')
            for line in await on_unknown(setup.common, engine, agent):
                note(line)
        return ExitCode.OK

    return run(work())


def _what_cancel_did(before: "Agent", after: "Agent") -> str:
    if after == before:
        return "has no turn under way; nothing is changed"
    if after.view.outcome.cancelled is None:
        return "had ended its turn before it could be cancelled"
    return "is cancelled"


async def _patiently(stopping: Coroutine[Any, Any, "Agent"]) -> "Agent":
    """Wait until a thread rests, and tell who waits for long what for."""
    what = "what runs is still to be stopped, by the process that runs it; Ctrl-C leaves it that"
    told = asyncio.get_running_loop().call_later(_LONG_S, note, what)
    try:
        return await stopping
    finally:
        told.cancel()
