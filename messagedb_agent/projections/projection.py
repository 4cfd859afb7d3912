"""Projections: a first value and a rule how each event changes it; and folding with them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from messagedb_agent.events.schema import Recorded

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Projection(Generic[S]):
    """A meaning of a thread.

    Attributes:
        initial: what it is before any event; must be immutable.
        evolve: returns what it is after one more event; must be pure and never raise.
    """

    initial: S
    evolve: Callable[[S, Recorded], S]


def fold(projection: Projection[S], events: Iterable[Recorded], start: S | None = None) -> S:
    """Fold events, in order, on from `start` (an earlier fold's result) or from the beginning."""
    state = projection.initial if start is None else start
    for recorded in events:
        state = projection.evolve(state, recorded)
    return state
