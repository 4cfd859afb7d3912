"""Tool calls as a thread is folded: those of the open round may still change, the others not."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Self, TypeVar

from messagedb_agent.agent.state import State
from messagedb_agent.changing import changed
from messagedb_agent.projections.grown import Grown

T = TypeVar("T")


@dataclass(frozen=True)
class Rounds(Generic[T]):
    """What a fold knows of each tool call.

    Attributes:
        state: what decisions are made on.
        settled: calls whose round is closed, in the order in which they were asked for.
        open_calls: the calls of the open round, by call id.
    """

    state: State = field(default_factory=State, repr=False)
    settled: Grown[T] = field(default_factory=Grown)
    open_calls: Mapping[str, T] = field(default_factory=dict)

    @property
    def asked_for(self) -> tuple[T, ...]:
        """Every call, in the order in which they were asked for."""
        return (*self.settled, *self.open_calls.values())

    def with_call(self, call_id: str, **fields: Any) -> Self:
        """Return the fold with some fields of a call changed; as it is where it is not open."""
        known = self.open_calls.get(call_id)
        if known is None:
            return self
        return changed(self, open_calls={**self.open_calls, call_id: changed(known, **fields)})

    def with_closed_round(self) -> Self:
        """Return the fold with the open round settled, once nothing of it can change."""
        if self.state.calls or not self.open_calls:
            return self
        return changed(self, settled=self.settled.plus(*self.open_calls.values()), open_calls={})
