"""`start`, `message`, `continue` and `end`: what moves a thread on."""

import re
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from messagedb_agent.cli.common import Common
from messagedb_agent.cli.exits import ExitCode, exit_code_of
from messagedb_agent.cli.guard import Cancelled, exit_code_of_interrupt
from messagedb_agent.cli.live import Live
from messagedb_agent.cli.next_steps import at_rest, command, hints, of_limits, resolving
from messagedb_agent.cli.opening import Setup, opened, set_up
from messagedb_agent.cli.render_json import turn_json
from messagedb_agent.cli.running import run
from messagedb_agent.cli.terminal import note, out
from messagedb_agent.errors import LimitReached, ModelError, ValidationError
from messagedb_agent.store.encoding import MAX_MESSAGE_BYTES

if TYPE_CHECKING:
    from messagedb_agent import Agent, Engine
    from messagedb_agent.projections.effects import ToolEffect

Turn = Callable[["Engine", Live], Awaitable["Agent"]]

_AT_REST = ("waiting", "approval", "ended")

# What PostgreSQL cannot hold; the engine replaces it, and marks the event.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def start(common: Common, message: str, form: str) -> int:
    """Begin a thread with a message."""
    text = message_text(message)
    setup = set_up(common)
    model = _model(setup)

    async def turn(engine: "Engine", live: Live) -> "Agent":
        from messagedb_agent import Limits

        limits = Limits(calls_per_turn=setup.loaded.settings.max_iterations)
        definition = engine.define(model=model, limits=limits)
        return await engine.start(text, definition=definition, progress=live.progress)

    return _see_through(setup, model, turn, form)


def message(common: Common, thread: str, message: str, form: str) -> int:
    """Say something in a thread."""
    text = message_text(message)
    setup = set_up(common)

    async def turn(engine: "Engine", live: Live) -> "Agent":
        agent = await engine.latest(thread)
        changes = _changes(setup, engine, agent)
        return await agent.advance(text, at_head=True, progress=live.progress, **changes)

    return _see_through(setup, setup.loaded.settings.model_name, turn, form)


def continue_(common: Common, thread: str, form: str) -> int:
    """Let a thread go on where it stopped."""
    setup = set_up(common)

    async def turn(engine: "Engine", live: Live) -> "Agent":
        agent = await engine.latest(thread)
        changes = _changes(setup, engine, agent, goes_on=agent.status not in _AT_REST)
        return await agent.resume(progress=live.progress, **changes)

    return _see_through(setup, setup.loaded.settings.model_name, turn, form)


def end(common: Common, thread: str, reason: str | None) -> int:
    """End a thread."""
    setup = set_up(common)

    async def work() -> int:
        async with opened(setup) as engine:
            agent = await (await engine.latest(thread)).end(reason=reason)
            note(f"thread {agent.thread_id} is {agent.status}")
        return ExitCode.OK

    return run(work())


def message_text(given: str) -> str:
    """Return what the user says; `-` reads it from standard input.

    Raises:
        ValidationError: it is empty, or too large, or standard input cannot be read.
    """
    if given == "-":
        # A lone surrogate stands for each byte that is no UTF-8, as in an argument.
        given = _read_input().decode("utf-8", "surrogateescape").removesuffix("\n")
    if not given.strip():
        raise ValidationError("the message is empty", field="MESSAGE")
    if len(given.encode(errors="surrogatepass")) > MAX_MESSAGE_BYTES:
        raise ValidationError(
            f"the message is larger than 1 MiB ({MAX_MESSAGE_BYTES} bytes), the most that "
            "one message can hold",
            field="MESSAGE",
        )
    if _UNSTORABLE.search(given):
        note("the message holds bytes that are no text (NUL, or no UTF-8); each becomes U+FFFD")
    return given


def _read_input() -> bytes:
    """Return what standard input holds; of what is too large, enough to tell that it is."""
    if sys.stdin is None:
        raise ValidationError("standard input is closed", field="MESSAGE")
    try:
        return sys.stdin.buffer.read(MAX_MESSAGE_BYTES + 2)
    except OSError as error:
        raise ValidationError(
            f"standard input cannot be read: {error.strerror}", field="MESSAGE"
        ) from error


def _model(setup: Setup) -> str:
    """Return the model of a new thread, and say so where it is none that anybody chose."""
    chosen = setup.loaded.settings.model_name
    if chosen is not None:
        return chosen
    suggested = setup.model_settings.suggestion
    hint = f"set MODEL_NAME={suggested}" if suggested else "set MODEL_NAME or give --model"
    note(f"no model is set: using the offline rules, which are no LLM ({hint})")
    return "offline"


def _changes(
    setup: Setup, engine: "Engine", agent: "Agent", *, goes_on: bool = True
) -> dict[str, Any]:
    """Return what of the recorded agent the settings say otherwise.

    Args:
        setup: what the command was given.
        engine: what holds the tools and models.
        agent: the thread's newest state.
        goes_on: whether the thread has something to do.

    Raises:
        ConfigurationError: the model that will be asked cannot be; nothing is written then.
    """
    from messagedb_agent import Limits

    settings, recorded = setup.loaded.settings, agent.definition
    _check_tools(engine, agent, goes_on=goes_on)
    limits = recorded.limits if recorded else Limits()
    changes: dict[str, Any] = {}
    if recorded is None:  # somebody else began the thread; it gets an agent now
        changes["model"] = _model(setup)
    elif settings.model_name is not None:
        changes["model"] = settings.model_name
    if recorded is None or "MAX_ITERATIONS" in setup.loaded.sources:
        changes["limits"] = limits.model_copy(update={"calls_per_turn": settings.max_iterations})
    engine.models(changes.get("model", agent.model))
    return changes


def _check_tools(engine: "Engine", agent: "Agent", *, goes_on: bool) -> None:
    """Say which of the thread's tools are not here, if it goes on without them.

    Raises:
        ConfigurationError: a call of one of them is open, and would be given up.
    """
    from messagedb_agent.errors import ConfigurationError

    here = {tool.name for tool in engine.tools.specs()}
    recorded = agent.definition.tools if agent.definition else ()
    lacking = [tool.name for tool in recorded if tool.name not in here]
    if not lacking:
        return
    calls = agent.view.conversation.state.calls.values()
    called = {call.tool for call in calls if call.stage.value != "done"}
    if called.intersection(lacking):
        names = ", ".join(name for name in lacking if name in called)
        raise ConfigurationError(
            f"a call of {names} is open in this thread; name its module with --tools",
            field="tools",
        )
    if goes_on:
        names = ", ".join(lacking)
        note(f"the thread goes on without its tools {names}; --tools names their module")


def _see_through(setup: Setup, model: str | None, turn: Turn, form: str) -> int:
    """Run a turn, and show how it ended."""
    live = Live(is_quiet=form == "json")
    if model is not None:
        setup.model_settings.check(model)  # before anything is written, or even started
    try:
        return run(_run(setup, live, turn, form))
    except KeyboardInterrupt as interrupt:
        note(f"interrupted; {_go_on(setup.common, live.thread_id)}")
        return exit_code_of_interrupt(interrupt)
    except Cancelled as error:
        note(f"error: {error}; {_go_on(setup.common, live.thread_id)}")
    return ExitCode.INTERRUPTED


async def _run(setup: Setup, live: Live, turn: Turn, form: str) -> int:
    async with opened(setup) as engine:
        code, agent = await _outcome(turn, engine, live)
        prefix = await engine.shortest_prefix(agent.thread_id)
        has_moved = live.has_moved or code != ExitCode.OK
        try:
            if form == "json":
                out(await turn_json(engine, agent))
            elif has_moved:
                live.finish(agent.answer)
        finally:  # who cannot be given the answer finds it in the thread
            if not has_moved:
                note(f"nothing to continue: {at_rest(agent)}")
            for line in hints(setup.common, agent, prefix):
                note(line)
            for line in resolving(setup.common, await _unresolved(engine, agent), prefix):
                note(line)
        return code


async def _unresolved(engine: "Engine", agent: "Agent") -> "Sequence[ToolEffect]":
    """Return the calls of unknown outcome; nearly always there is none, and nothing is read."""
    if not agent.view.conversation.state.unknown:
        return ()
    from messagedb_agent.projections.effects import effects

    return (await engine.fold(agent.thread_id, effects, at=agent.position)).unresolved


async def _outcome(turn: Turn, engine: "Engine", live: Live) -> tuple[ExitCode, "Agent"]:
    try:
        agent = await turn(engine, live)
    except (ModelError, LimitReached) as error:
        live.break_line()
        note(f"error: {error}{of_limits(error.agent) if isinstance(error, LimitReached) else ''}")
        return exit_code_of(error), error.agent
    if agent.status == "approval":
        return ExitCode.APPROVAL, agent
    return (ExitCode.REFUSED if agent.status == "upgrade" else ExitCode.OK), agent


def _go_on(common: Common, thread_id: str | None) -> str:
    if thread_id is None:
        return "nothing was recorded"
    return f"take the thread up with: {command(common, 'continue', thread_id)}"
