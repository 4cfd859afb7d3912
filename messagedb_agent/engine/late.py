"""Facts that come late: somebody has closed their claim, taken it over, or only taken their id."""

from messagedb_agent.agent.counting import counts
from messagedb_agent.engine.batch import Batch, Draft
from messagedb_agent.events.outcomes import answered, is_known
from messagedb_agent.events.recorded import Recorded
from messagedb_agent.events.schema import (
    Event,
    ToolExecutionCompleted,
    ToolExecutionFailed,
    ToolOutcomeResolved,
)


def add_fact(batch: Batch, fact: Draft) -> None:
    """Add a fact to a batch, as what it still is where the batch stands.

    Where its id is free, it is added as it is. Where the id is taken and the claim is still open,
    what stands there answers nothing: the fact goes under the next id. Where the claim is closed
    as *outcome unknown*, the fact says what really happened. Else it is dropped: who closed the
    claim was faster. So is a failure of an attempt that was taken over: it tells nothing of a later
    one, which may be under way, or have taken effect.
    """
    key = answered(fact.event)
    if _is_taken_over(batch, fact):
        return
    if key is None or not batch.is_taken(fact.id):
        batch.add(fact)
    elif counts(batch.shown.state, _as_if_recorded(batch, fact)):
        batch.close(fact.event, key, fact.cause)
    elif key in batch.shown.state.unresolved and (resolved := _resolved(fact.event)):
        batch.add(Draft(batch.only_id(key, "resolution"), resolved, fact.cause))


def _is_taken_over(batch: Batch, fact: Draft) -> bool:
    if not isinstance(fact.event, ToolExecutionFailed):
        return False
    state, id = batch.shown.state, fact.event.call_id
    started = state.calls[id].attempt if id in state.calls else state.unresolved.get(id, 0)
    return started > fact.event.attempt


def _as_if_recorded(batch: Batch, fact: Draft) -> Recorded:
    head = batch.head
    return Recorded(fact.id, head.stream, head.version + 1, fact.event, 0)


def _resolved(event: Event) -> ToolOutcomeResolved | None:
    """Return what a late outcome says of a call whose outcome was unknown until now."""
    match event:
        case ToolExecutionCompleted(call_id=call, result=result):
            return ToolOutcomeResolved(call_id=call, status="completed", text=result)
        case ToolExecutionFailed(call_id=call, kind=kind, message=message) if (
            kind != "timed_out" and is_known(event)
        ):
            return ToolOutcomeResolved(call_id=call, status="failed", text=message)
        case _:
            return None
