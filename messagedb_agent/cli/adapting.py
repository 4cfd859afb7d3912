"""What the settings say otherwise than a thread's recorded agent, and what it needs here."""

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from messagedb_agent.cli.opening import Setup
from messagedb_agent.cli.terminal import note

if TYPE_CHECKING:
    from messagedb_agent import Agent, Engine


AT_REST = ("waiting", "approval", "ended")
"""How a thread stands that does nothing until somebody says or decides something."""


def new_model(setup: Setup) -> str:
    """Return the model of a new thread, and say so where it is none that anybody chose."""
    chosen = setup.loaded.settings.model_name
    if chosen is not None:
        return chosen
    suggested = setup.model_settings.suggestion
    hint = f"set MODEL_NAME={suggested}" if suggested else "set MODEL_NAME or give --model"
    note(f"no model is set: using the offline rules, which are no LLM ({hint})")
    return "offline"


def changes(
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
    check_tools(engine, agent, goes_on=goes_on)
    told = told_by_settings(setup, agent)
    engine.models(told.get("model", agent.model))
    return told


def told_by_settings(setup: Setup, agent: "Agent") -> dict[str, Any]:
    """Return what of the recorded agent the settings say otherwise, whoever works on it."""
    from messagedb_agent import Limits

    settings, recorded = setup.loaded.settings, agent.definition
    limits = recorded.limits if recorded else Limits()
    told: dict[str, Any] = {}
    if recorded is None:  # somebody else began the thread; it gets an agent now
        told["model"] = new_model(setup)
    elif settings.model_name is not None:
        told["model"] = settings.model_name
    if recorded is None or "MAX_ITERATIONS" in setup.loaded.sources:
        told["limits"] = limits.model_copy(update={"calls_per_turn": settings.max_iterations})
    return told


def check_tools(
    engine: "Engine",
    agent: "Agent",
    *,
    approved: Collection[str] | None = None,
    goes_on: bool = True,
) -> None:
    """Say which of the thread's tools are not here, if it goes on without them.

    Args:
        engine: what has the tools that are here.
        agent: the thread's head.
        approved: the waiting calls that are about to run; None for all, as what is said next may
            outlive them.
        goes_on: whether the thread has something to do.

    Raises:
        ConfigurationError: a call of one of them is open, and would be given up.
    """
    from messagedb_agent.errors import ConfigurationError

    here = {tool.name for tool in engine.tools.specs()}
    recorded = agent.definition.tools if agent.definition else ()
    lacking = [tool.name for tool in recorded if tool.name not in here]
    if not lacking:
        return
    calls = agent.view.conversation.state.calls.items()
    waits = () if approved is None else {a.call_id for a in agent.approvals} - set(approved)
    called = {c.tool for id, c in calls if c.stage.value != "done" and id not in waits}
    if called.intersection(lacking):
        names = ", ".join(name for name in lacking if name in called)
        raise ConfigurationError(
            f"a call of {names} is open in this thread; name its module with --tools",
            field="tools",
        )
    if goes_on:
        names = ", ".join(lacking)
        note(f"the thread goes on without its tools {names}; --tools names their module")
