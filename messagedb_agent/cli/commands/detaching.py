"""`start --detach` and `message --detach`: say it, and leave the answer to workers."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from messagedb_agent.cli.adapting import context_of, told_by_settings
from messagedb_agent.cli.commands.talking import NOBODY, Speaker
from messagedb_agent.cli.common import Common
from messagedb_agent.cli.describing import (
    NOT_DESCRIBED,
    Described,
    beginning,
    first_model,
    redefining,
)
from messagedb_agent.cli.equipping import with_tools_of
from messagedb_agent.cli.exits import ExitCode
from messagedb_agent.cli.next_steps import command, telling_how_to_wait
from messagedb_agent.cli.opening import Setup, opened, set_up
from messagedb_agent.cli.rendering.json import turn_json
from messagedb_agent.cli.running import run
from messagedb_agent.cli.terminal import note, out
from messagedb_agent.cli.wording import message_text, typed_again
from messagedb_agent.errors import ValidationError

if TYPE_CHECKING:
    from messagedb_agent import Agent, Engine
    from messagedb_agent.agent.commands import During


def start(
    common: Common,
    message: str,
    form: str,
    context: str | None = None,
    described: Described = NOT_DESCRIBED,
    speaker: Speaker = NOBODY,
) -> int:
    """Begin a thread with a message, and say which it is."""
    text, fields = message_text(message), {**context_of(context), **speaker.fields}
    setup = set_up(common)
    model = first_model(setup, described)

    async def work() -> int:
        async with opened(setup) as engine:
            # A mistake is told now, and not by a worker later.
            definition = await beginning(setup, engine, model, described, **fields)
            agent = await engine.start(
                text, definition=definition, user=speaker.user, detached=True
            )
            await tell(setup, engine, agent, form)
        return ExitCode.OK

    return run(work())


def message(
    common: Common,
    thread: str,
    message: str,
    form: str,
    during: "During",
    context: str | None = None,
    described: Described = NOT_DESCRIBED,
) -> int:
    """Say something in a thread, and say how to see the answer."""
    from messagedb_agent.agent.commands import Say

    text, fields = message_text(message), context_of(context)
    setup = set_up(common)

    async def work() -> int:
        async with opened(setup) as engine:
            agent = await engine.latest(thread)
            changes = await redefining(setup, engine, _changes(setup, engine, agent), described)
            with telling_how_to_wait(setup.common, thread, typed_again(message), "--detach"):
                agent = await engine.ask(
                    agent, Say(text, during=during), changes={**changes, **fields}, detached=True
                )
            await tell(setup, engine, agent, form)
        return ExitCode.OK

    return run(work())


def _changes(setup: Setup, engine: "Engine", agent: "Agent") -> dict[str, Any]:
    """Return what of the recorded agent was asked to be otherwise.

    It is workers that run the tools: they stay as they are, unless others are named here.

    Raises:
        ConfigurationError: the model that is named cannot be asked; nothing is written then.
    """
    told = told_by_settings(setup, agent)
    if "model" in told:
        engine.models(told["model"])
    if agent.definition is not None and not setup.common.tools:
        told["tools"] = agent.definition.tools
    return told


def refuse(*, yes: bool, output: Path | None) -> None:
    """Refuse what is for who waits for the answer.

    Raises:
        ValidationError: calls are to be approved, or the answer's value is to be printed.
    """
    if output is not None:
        raise ValidationError(
            "--output does not go with --detach: nobody is here then to be given the value",
            field="--output",
        )
    if yes:
        raise ValidationError(
            "--yes does not go with --detach: nobody is here then to approve; approve does it",
            field="--yes",
        )


async def tell(setup: Setup, engine: "Engine", agent: "Agent", form: str) -> None:
    """Say which thread it is, and how to see what workers make of it."""
    if form == "json":
        out(await turn_json(engine, agent))
    else:
        out(agent.thread_id)
    prefix = await engine.shortest_prefix(agent.thread_id)
    # A worker works by the thread's model; it is named where the settings would name none.
    is_set = setup.loaded.settings.model_name is not None and setup.common.model is None
    common = with_tools_of(setup.common, engine, agent)
    worker = command(common, "worker", *(() if is_set else ("--model", agent.model)))
    note(f"thread {agent.thread_id}; a worker answers it: {worker}")
    await _tell_if_parked(setup, engine, agent, prefix)
    note(f"see the answer: {command(setup.common, 'show', prefix)}")


async def _tell_if_parked(setup: Setup, engine: "Engine", agent: "Agent", prefix: str) -> None:
    """Say which workers do not take a thread up, as they put it aside, and how to change that."""
    from messagedb_agent.consumers import DEFAULT_GROUP, all_parkings

    for parking in await all_parkings(engine):
        is_default = parking.group == DEFAULT_GROUP
        who = "workers have" if is_default else f"workers of the group {parking.group} have"
        group = () if is_default else ("--group", parking.group)
        for parked in parking.parked:
            if parked.thread_id == agent.thread_id:
                replay = command(setup.common, "consume", "--parked", "replay", prefix, *group)
                note(f"{who} put it aside ({parked.reason}); they try again by: {replay}")
