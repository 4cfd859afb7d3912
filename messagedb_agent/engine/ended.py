"""How an effect may end: with a fact, without any effect, or with a fact that stands already."""

from collections.abc import Iterable

from messagedb_agent.engine.batch import Draft
from messagedb_agent.records import record


@record
class Undone:
    """An attempt of a call that certainly took no effect.

    Attributes:
        call_id: our id of the call.
        attempt: which attempt it was.
    """

    call_id: str
    attempt: int


@record
class Stands:
    """A call whose outcome was recorded together with its effect."""

    call_id: str


Ended = Draft | Undone | Stands


def facts_of(ended: Iterable[Ended]) -> tuple[Draft, ...]:
    """Return what is still to be recorded."""
    return tuple(one for one in ended if isinstance(one, Draft))
