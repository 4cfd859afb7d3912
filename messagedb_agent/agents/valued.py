"""The value that an answer is, where an output was asked for."""

import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, cast

from messagedb_agent.agents.outputs import OutputType, Unfit, Wanted, wanted
from messagedb_agent.agents.standing import Standing
from messagedb_agent.errors import ModelError, NotFound

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    from messagedb_agent.agents.agent import Agent

    T = TypeVar("T", default=Any)
    Kind = TypeVar("Kind", default=Any)
else:
    from typing import TypeVar

    T, Kind = TypeVar("T"), TypeVar("Kind")


@dataclass(frozen=True, eq=False, repr=False)
class Valued(Standing, Generic[T]):
    """A state of a thread whose answer may be a value."""

    @cached_property
    def output(self) -> T:
        """The value of the answer, of the type that was asked for where that is known here.

        An agent that was loaded by its id has plain JSON; `output_as` gives it its type.

        Raises:
            NotFound: no output was asked for, or the turn is not answered yet.
            ModelError: the answer fits the schema, and not the type (kind `bad_output`), as where
                others have taken the thread on, who do not know its validators.
        """
        if self._wanted is None:
            return cast("T", json.loads(self._output_text))
        return cast("T", self._valued(self._wanted))

    def output_as(self, kind: OutputType[Kind]) -> Kind:
        """Return the value of the answer as one of a type, in whatever process.

        Args:
            kind: the type that was asked for; see `advance`.

        Raises:
            NotFound: no output was asked for, or the turn is not answered yet.
            ModelError: the answer is none of this type (kind `bad_output`).
            ValidationError: no JSON Schema can be made of the type.
        """
        return self._valued(wanted(kind))

    @property
    def _output_text(self) -> str:
        text = self.view.outcome.output
        if text is None:
            raise NotFound("output of agent", self.id)
        return text

    def _valued(self, asked: Wanted[Kind]) -> Kind:
        try:
            return asked.value(self._output_text)
        except Unfit as unfit:
            agent = cast("Agent", self)
            raise ModelError(str(unfit), kind="bad_output", agent=agent) from unfit
