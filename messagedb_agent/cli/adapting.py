"""What the settings say otherwise than a thread's recorded agent."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from messagedb_agent.cli.equipping import check_tools
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


def context_of(text: str | None) -> dict[str, Any]:
    """Return what `--context` says of an agent.

    Raises:
        ValidationError: there is no such strategy.
    """
    from messagedb_agent.events.strategy import parsed

    return {} if text is None else {"context": str(parsed(text))}


def changes(
    setup: Setup,
    engine: "Engine",
    agent: "Agent",
    *typed: str,
    goes_on: bool = True,
    to_workers: Sequence[str] = (),
) -> dict[str, Any]:
    """Return what of the recorded agent the settings say otherwise.

    Args:
        setup: what the command was given.
        engine: what holds the tools and models.
        agent: the thread's newest state.
        typed: the command and its arguments, to be typed again where a tool is missing.
        goes_on: whether the thread has something to do.
        to_workers: the command and its arguments by which workers do this; empty where none does.

    Raises:
        ConfigurationError: the model that will be asked cannot be, or an open call needs a tool
            that is not here; nothing is written then.
    """
    check_tools(setup.common, engine, agent, *typed, goes_on=goes_on, to_workers=to_workers)
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
