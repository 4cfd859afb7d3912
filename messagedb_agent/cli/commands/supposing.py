"""`what-if`: a turn of the past, run on with another model, prompt or result."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from messagedb_agent.cli.adapting import told_by_settings
from messagedb_agent.cli.approving import Approving
from messagedb_agent.cli.common import Common
from messagedb_agent.cli.equipping import equipped
from messagedb_agent.cli.exits import ExitCode
from messagedb_agent.cli.naming import state_at
from messagedb_agent.cli.next_steps import command, hints
from messagedb_agent.cli.opening import Setup, opened, set_up
from messagedb_agent.cli.prompting import ask, can_ask
from messagedb_agent.cli.rendering.json import text_of, turn_values
from messagedb_agent.cli.rendering.live import Live
from messagedb_agent.cli.rendering.steps import Step, step_json, step_line, steps_of
from messagedb_agent.cli.supposed_calls import given_results
from messagedb_agent.cli.terminal import note, out
from messagedb_agent.cli.turning import outcome, run_turns
from messagedb_agent.errors import ValidationError
from messagedb_agent.events.words import Answering

if TYPE_CHECKING:
    from messagedb_agent import Agent, Engine

_HOTTEST = 2  # that any provider takes; some take no more than 1, and say so
_MODES: Mapping[str, Answering] = {mode: mode for mode in get_args(Answering)}


@dataclass(frozen=True, slots=True)
class Supposed:
    """What is to be other than it was, as it was typed.

    Attributes:
        models: the models; none goes on with the recorded one.
        system_prompt: file with what the model is told before the conversation.
        temperature: the parameter of the model, a decimal number.
        results: `CALL=JSON` each.
    """

    models: Sequence[str]
    system_prompt: Path | None
    temperature: str | None
    results: Sequence[str]


@dataclass(frozen=True, slots=True)
class _Branch:
    """What came of one model."""

    code: ExitCode
    agent: "Agent"
    steps: Sequence[Step]


def what_if(common: Common, thread: str, at: int, supposed: Supposed, form: str) -> int:
    """Fork a thread in the past, once for each model, and run the turn on."""
    mode, common = _mode(common)
    if mode == "ask" and (form == "json" or not can_ask()):
        raise ValidationError("--tools ask needs a person at a terminal, and text", field="tools")
    changes = _changes(supposed)
    setup = set_up(common)
    models = supposed.models or ((common.model,) if common.model else ())
    for model in models:
        setup.model_settings.check(model)  # before anything is written, or even started
    live = Live(is_quiet=form == "json")

    async def work() -> int:
        async with opened(setup) as engine:
            engine, head = equipped(engine, await engine.latest(thread))
            agent = await state_at(engine, head, at, field="at")
            asked = models or [agent.model]
            for model in asked:
                engine.models(model)
            fork = partial(
                engine.what_if,
                agent,
                results=await given_results(engine, agent, at, supposed.results),
                tools=mode,
                ask=_ask if mode == "ask" else None,
                limits=told_by_settings(setup, agent).get("limits"),
                **_of_agent(agent, changes),
            )
            branches = []
            for model, label in zip(asked, _labels(asked), strict=True):
                live.has_moved = False
                branches.append(await _branch(engine, live, partial(fork, model=model), form))
                if form == "text":
                    await _tell(setup, engine, head, branches[-1], label)
            if form == "json":
                parent = {"threadId": head.thread_id, "position": at}
                shown = [await _values(engine, branch) for branch in branches]
                out(text_of({"parent": parent, "branches": shown}))
        return next((branch.code for branch in branches if branch.code), ExitCode.OK)

    return run_turns(setup, live, work())


def _mode(common: Common) -> tuple[Answering, Common]:
    """Return what is to answer the calls, and the options with the modules of tools alone."""
    modes = [_MODES[word] for word in common.tools if word in _MODES]
    modules = tuple(word for word in common.tools if word not in _MODES)
    return modes[-1] if modes else "recorded", replace(common, tools=modules)


def _of_agent(agent: "Agent", changes: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the changes as fields of an agent, whose other parameters stay as they are."""
    if "temperature" not in changes or agent.definition is None:
        return changes
    others = {name: value for name, value in changes.items() if name != "temperature"}
    parameters = dict(agent.definition.parameters)  # not yet a value: it is to be checked
    return {**others, "parameters": {**parameters, "temperature": changes["temperature"]}}


def _changes(supposed: Supposed) -> dict[str, Any]:
    """Return what of the agent is to be other, but for its model."""
    changes: dict[str, Any] = {}
    if supposed.system_prompt is not None:
        try:
            changes["system_prompt"] = supposed.system_prompt.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
            raise ValidationError(
                f"{supposed.system_prompt} cannot be read: {why}", field="system-prompt"
            ) from error
    if supposed.temperature is not None:
        try:
            changes["temperature"] = Decimal(supposed.temperature)
        except InvalidOperation as error:
            raise ValidationError(
                f"the temperature is no decimal number: {supposed.temperature}", field="temperature"
            ) from error
        if not changes["temperature"].is_finite():
            raise ValidationError("the temperature is no finite number", field="temperature")
        if not 0 <= changes["temperature"] <= _HOTTEST:
            raise ValidationError(
                f"the temperature is 0 to {_HOTTEST}, not {supposed.temperature}",
                field="temperature",
            )
    return changes


def _labels(models: Sequence[str]) -> Sequence[str]:
    """Return what the branches are called: one alone by nothing, equal models by their numbers."""
    if len(models) == 1:
        return ("",)
    return [
        f"{model} ({models[: i + 1].count(model)})" if models.count(model) > 1 else model
        for i, model in enumerate(models)
    ]


async def _branch(engine: "Engine", live: Live, fork: Callable[..., Any], form: str) -> _Branch:
    async def turn(engine: "Engine", live: Live) -> "Agent":
        agent: Agent = await fork(progress=live.progress)
        return agent

    asks = form == "text" and can_ask()
    code, agent = await outcome(turn, engine, live, Approving(asks=asks))
    return _Branch(code, agent, await steps_of(engine, agent))


async def _values(engine: "Engine", branch: _Branch) -> Mapping[str, Any]:
    model, steps = branch.agent.model, [step_json(step) for step in branch.steps]
    return {"model": model, **await turn_values(engine, branch.agent), "steps": steps}


async def _tell(setup: Setup, engine: "Engine", head: "Agent", branch: _Branch, label: str) -> None:
    """Say what came of a branch: the answer, where each step came from, and what to type next."""
    agent = branch.agent
    live = Live()
    if label:
        out(f"{label}:")
    live.finish(agent.answer)
    parent = await engine.shortest_prefix(head.thread_id)
    for step in branch.steps:
        note(step_line(step, parent))
    prefix = await engine.shortest_prefix(agent.thread_id)
    for line in hints(setup.common, agent, prefix):
        note(line)
    note(f"compare: {command(setup.common, 'diff', parent, prefix)}")


async def _ask(tool: str, arguments: str) -> str | None:
    """Ask for the result of a call; an empty line and the end of input give none."""
    from messagedb_agent.cli.rendering.exact import exactly
    from messagedb_agent.cli.supposed_calls import result_text

    note(f"not in the record: {tool} {exactly(arguments)}")
    while line := (ask("its result, as JSON (nothing stops here):") or "").strip():
        try:
            return result_text(line)
        except ValidationError as error:
            note(str(error))
    return None
