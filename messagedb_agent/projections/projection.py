"""Projections: a first value and a rule how each event changes it; and folding with them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from messagedb_agent.events.recorded import Recorded

S = TypeVar("S")


@dataclass(frozen=True)  # with slots too, `Projection[int](...)` is an error of Python's
class Projection(Generic[S]):
    """A meaning of a thread; `fold` and `Engine.fold` fold it.

    Attributes:
        initial: what it is before any event; must be immutable.
        evolve: returns what it is after one more event; must be pure and never raise.
    """

    initial: S
    evolve: Callable[[S, Recorded], S]


def fold(projection: Projection[S], events: Iterable[Recorded], start: S | None = None) -> S:
    """Fold events.

    Args:
        projection: what is folded.
        events: what happened, in order: a fork's ancestors' events before its own.
        start: an earlier fold's result to go on from; None begins with `projection.initial`.

    Returns:
        What the projection is after the last event.

    It raises nothing by itself: what the projection's `evolve` raises comes through.
    """
    state = projection.initial if start is None else start
    for recorded in events:
        state = projection.evolve(state, recorded)
    return state
