"""Who an agent is, as it was typed: a saved definition, a file, or a template filled in."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from messagedb_agent.cli.adapting import new_model
from messagedb_agent.cli.opening import Setup
from messagedb_agent.errors import ValidationError

if TYPE_CHECKING:
    from messagedb_agent import AgentDefinition, Engine, Limits
    from messagedb_agent.definitions import SavedDefinition
    from messagedb_agent.events.values import Definition

_REVISION = re.compile(r"(?P<name>[^@]*)@(?P<revision>[0-9]{1,18})")


@dataclass(frozen=True, slots=True)
class Described:
    """What was said of who an agent is.

    Attributes:
        definition: name of a saved definition, with `@N` for a revision of it, or a TOML file.
        template: name of a template.
        domain: what its variable `domain` stands for.
        values: `NAME=VALUE` for each of its variables.

    Raises:
        ValidationError: both are named, a value is not `NAME=VALUE` or comes twice, or there is
            nothing that values could be filled in to.
    """

    definition: str | None = None
    template: str | None = None
    domain: str | None = None
    values: Sequence[str] = ()

    def __post_init__(self) -> None:
        if self.definition is not None and self.template is not None:
            raise ValidationError(
                "--definition and --template do not go together", field="--template"
            )
        if self._variables and self.template is None and not self._is_file:
            raise ValidationError("--domain and --set go with --template, or a file", field="--set")

    @property
    def is_given(self) -> bool:
        """Whether anything was said."""
        return self.definition is not None or self.template is not None

    @property
    def typed(self) -> Sequence[str]:
        """The options that say this."""
        options = (
            ("--definition", self.definition),
            ("--template", self.template),
            ("--domain", self.domain),
            *(("--set", value) for value in self.values),
        )
        return [word for name, value in options if value is not None for word in (name, value)]

    @property
    def _is_file(self) -> bool:
        named = self.definition or ""
        return named.endswith(".toml") or os.sep in named

    @property
    def _variables(self) -> Mapping[str, str]:
        found = {} if self.domain is None else {"domain": self.domain}
        for value in self.values:
            name, equals, text = value.partition("=")
            if not equals or not name:
                raise ValidationError(f"{value!r} is not NAME=VALUE", field="--set")
            if name in found:
                raise ValidationError(f"{name!r} is given twice", field="--set")
            found[name] = text
        return found

    async def written(self, engine: "Engine") -> "AgentDefinition | SavedDefinition | None":
        """Return the definition that is meant; None where nothing was said.

        Raises:
            NotFound: there is none of this name, or no such revision.
            ValidationError: the file is none, or a variable is missing or unknown.
        """
        if self.template is not None:
            return engine.definitions.template(self.template, **self._variables)
        if self.definition is None:
            return None
        if self._is_file:
            from messagedb_agent.definitions import read_template

            return read_template(Path(self.definition)).fill(self._variables)
        if found := _REVISION.fullmatch(self.definition):
            return await engine.definitions.get(found["name"], int(found["revision"]))
        return await engine.definitions.get(self.definition)


NOT_DESCRIBED = Described()


def first_model(setup: Setup, described: Described) -> str | None:
    """Return the model of a new thread; None leaves it to the definition, if that names one."""
    return setup.loaded.settings.model_name if described.is_given else new_model(setup)


async def beginning(
    setup: Setup, engine: "Engine", model: str | None, described: Described, **fields: Any
) -> "Definition":
    """Return the definition that a thread begins with.

    Args:
        setup: what the command was given.
        engine: what holds the tools and models.
        model: the model, which stands before the definition's; None where none was chosen.
        described: who the agent is.
        fields: further fields of it.

    Raises:
        ConfigurationError: the model cannot be asked.
        NotFound: the definition or template is not there.
        ValidationError: it is none, or names a tool that is not here.
    """
    written = await described.written(engine)
    said = _author_of(written)
    model = model or (said.model if said else None) or new_model(setup)
    engine.models(model)
    limits = _limits(setup, said)
    return engine.define(definition=written, model=model, limits=limits, **fields)


async def redefining(
    setup: Setup, engine: "Engine", told: Mapping[str, Any], described: Described
) -> Mapping[str, Any]:
    """Return what of a recorded agent is to be otherwise, by settings and by what was described.

    Raises:
        ConfigurationError: the model of the definition cannot be asked.
        NotFound: the definition or template is not there.
        ValidationError: it is none.
    """
    written = await described.written(engine)
    if (said := _author_of(written)) is None:
        return told
    if said.model is not None and "model" not in told:
        engine.models(said.model)
    limits = {"limits": _limits(setup, said)} if said.limits is not None else {}
    return {**told, **limits, "definition": written}


def _author_of(written: "AgentDefinition | SavedDefinition | None") -> "AgentDefinition | None":
    from messagedb_agent import AgentDefinition

    return (
        written if written is None or isinstance(written, AgentDefinition) else written.definition
    )


def _limits(setup: Setup, said: "AgentDefinition | None") -> "Limits":
    """Return limits with a bound on calls: the setting where it is set, else the definition's."""
    from messagedb_agent import Limits

    limits = said.limits if said and said.limits else Limits()
    if limits.calls_per_turn is not None and "MAX_ITERATIONS" not in setup.loaded.sources:
        return limits
    return limits.model_copy(update={"calls_per_turn": setup.loaded.settings.max_iterations})
