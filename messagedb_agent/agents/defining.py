"""Definitions of agents, made of what callers give by name."""

from collections.abc import Iterable, Mapping, Sequence
from reprlib import repr as short
from typing import Any

import pydantic

from messagedb_agent.definitions.authoring import AgentDefinition
from messagedb_agent.definitions.saved import SavedDefinition
from messagedb_agent.errors import ConfigurationError, ValidationError
from messagedb_agent.events.refusal import refusal
from messagedb_agent.events.strategy import parsed
from messagedb_agent.events.values import Definition, Limits, ToolSpec
from messagedb_agent.store.store import Store
from messagedb_agent.store.transactional import is_transactional
from messagedb_agent.tools.tool import Tools, unknown_tool

DEFAULT_PROMPT = "You are a helpful assistant. Use the tools you are given where they help."

MOST_ROUNDS = 10
"""Most rounds of tool calls in a turn, where limits bound neither these nor its model calls."""

DEFAULTS: Mapping[str, Any] = {
    "name": "assistant",
    "system_prompt": DEFAULT_PROMPT,
    "model": "offline",
    "limits": Limits(rounds_per_turn=MOST_ROUNDS),
}
"""What an agent is where nothing else is said."""


def check_strategy(strategy: object) -> None:
    """Refuse a context strategy that this version does not know, where a caller asks for it.

    A log may name another, of a newer or a foreign writer: the model is shown all there, and the
    name stays in the definition for those who know it.

    Raises:
        ValidationError: it is not known; None is not asked for.
    """
    if strategy is not None:
        parsed(str(strategy))


def defined(fields: Mapping[str, Any]) -> Definition:
    """Return a definition of these fields.

    Args:
        fields: fields of `Definition`. A `context`, a strategy or its text, stands in the
            place of `context_strategy`.

    Raises:
        ValidationError: one of them is unknown or wrong.
    """
    given = dict(fields)
    if (context := given.pop("context", None)) is not None:
        given["context_strategy"] = str(parsed(str(context)))
    try:
        return Definition(**given)
    except pydantic.ValidationError as error:
        raise refusal(error) from error


def stated(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a recorded definition that some changes say.

    Args:
        changes: fields by name, where None leaves a field as it is; and under `definition` what an
            author wrote, which says more of them: what is given beside it stands before it.

    Raises:
        ValidationError: what is under `definition` is none, or there is a prompt beside it.
    """
    definition = changes.get("definition")
    fields = {n: v for n, v in changes.items() if v is not None and n != "definition"}
    if (names := fields.get("tool_names")) is not None:
        check_several(names, "tool_names")
    if (limits := fields.get("limits")) is not None:
        fields["limits"] = _bounded(defined({**DEFAULTS, "limits": limits}).limits)
    if definition is None:
        if "system_prompt" in fields:  # it is not what was saved any more
            fields["revision"] = None
        return fields
    if not isinstance(definition, AgentDefinition | SavedDefinition):
        raise ValidationError(
            f"definition: a {type(definition).__name__} is none", field="definition"
        )
    if "system_prompt" in fields:
        raise ValidationError(
            "system_prompt: a definition has its own; give one of them", field="system_prompt"
        )
    return {**_authored(definition), **fields}


def _authored(written: AgentDefinition | SavedDefinition) -> dict[str, Any]:
    """Return the fields that an author's definition says; what it leaves open is not among them."""
    saved = written if isinstance(written, SavedDefinition) else None
    definition = written.definition if isinstance(written, SavedDefinition) else written
    name = definition.name or (saved and saved.name)
    said = {
        "name": name,
        "model": definition.model,
        "limits": definition.limits and _bounded(definition.limits),
        "context_strategy": definition.context,
        "memory": definition.memory,
    }
    return {
        "system_prompt": written.system_prompt,
        "parameters": definition.parameters,
        "tool_names": definition.tools,
        "revision": saved and saved.place,
        **{name: value for name, value in said.items() if value is not None},
    }


def _bounded(limits: Limits) -> Limits:
    """Return limits with a bound on the length of a turn, where they have none."""
    if limits.rounds_per_turn is not None or limits.calls_per_turn is not None:
        return limits
    return limits.model_copy(update={"rounds_per_turn": MOST_ROUNDS})


def chosen(tools: tuple[ToolSpec, ...], names: Sequence[str] | None) -> tuple[ToolSpec, ...]:
    """Return those tools that have one of some names, in their own order; all for None."""
    return tools if names is None else tuple(tool for tool in tools if tool.name in names)


def check_there(tools: tuple[ToolSpec, ...], names: Sequence[str] | None) -> None:
    """Refuse names of tools that are not there.

    Raises:
        ValidationError: there is one.
    """
    if names is None:
        return
    there = [tool.name for tool in tools]
    for name in names:
        if name not in there:
            raise ValidationError(f"tools: {unknown_tool(name, there).message}", field="tools")


def check_several(names: object, field: str) -> None:
    """Refuse what is no sequence of tools or of their names, as a text alone.

    Raises:
        ValidationError: it is none.
    """
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise ValidationError(f"{field}: {short(names)} is no sequence of tools", field=field)


def is_same(one: Definition, other: Definition) -> bool:
    """Say whether two definitions are one agent, wherever their tools were found."""
    return one == other or _unsourced(one) == _unsourced(other)


def _unsourced(definition: Definition) -> Definition:
    tools = tuple(tool.model_copy(update={"source": None}) for tool in definition.tools)
    return definition.model_copy(update={"tools": tools})


def check_transactional(tools: Tools, store: Store) -> None:
    """Refuse tools that write in a store's transactions where it has none.

    Raises:
        ConfigurationError: there is such a tool.
    """
    names = [spec.name for spec in tools.specs() if tools.is_transactional(spec.name)]
    if names and not is_transactional(store):
        raise ConfigurationError(
            f"tool {names[0]!r} is transactional, and {type(store).__name__} has no transactions:"
            " its result can be appended together with what it writes in a MessageDbStore alone",
            field="tools",
        )
