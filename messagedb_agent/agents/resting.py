"""Whether a thread rests, from its newest rows alone, for who has them at hand.

It is the way of a `glance`: an engine's claim for an answer was decided on the whole history, so
what follows from there is known. Where it is not certain, the thread is to be read.
"""

from collections.abc import Sequence

from messagedb_agent.agents.glance import is_our_claim
from messagedb_agent.changing import changed
from messagedb_agent.events.codec import Decoded, decode
from messagedb_agent.events.schema import AgentRedefined, LlmResponseReceived, SessionStarted
from messagedb_agent.events.values import Definition
from messagedb_agent.projections.projection import fold
from messagedb_agent.projections.summary import ready_for, summary
from messagedb_agent.store.message import Message

_AT_REST = ("waiting", "failed", "ended", "deleted")
# Of an agent it is only asked how its tools are treated, and no call is looked at here.
_ANY = Definition(name="any", system_prompt="", model="any")


def rests_behind(rows: Sequence[Message]) -> bool:
    """Say whether a thread certainly rests behind rows of its stream; if in doubt, it does not.

    Args:
        rows: some of its rows in order, up to the newest that is known.
    """
    later = _from_claim(rows)
    if not later or any(_needs_the_agent(row) for row in later):
        return False
    begun = ready_for(later[0].recorded, _ANY)
    again = changed(begun, state=changed(begun.state, overflowed=True))
    statuses = {
        fold(summary, (r.recorded for r in later), start).status for start in (begun, again)
    }
    return len(statuses) == 1 and statuses.pop() in _AT_REST


def _from_claim(rows: Sequence[Message]) -> list[Decoded]:
    """Return the newest claim for an answer, and what stands right behind it; else nothing."""
    later: list[Decoded] = []
    for row in reversed(rows):
        if later and row.position != later[0].recorded.position - 1:
            return []  # some are missing
        later.insert(0, decode(row))
        if is_our_claim(later[0]):
            return later
    return []


def _needs_the_agent(row: Decoded) -> bool:
    """Say whether what a row means depends on the agent in force, or changes it."""
    event = row.recorded.event
    is_defining = isinstance(event, SessionStarted | AgentRedefined)
    return is_defining or (isinstance(event, LlmResponseReceived) and bool(event.tool_calls))
