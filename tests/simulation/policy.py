"""What tools did, held against the log and the policy that each tool declares."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from messagedb_agent.events.outcomes import answered
from messagedb_agent.events.recorded import Recorded
from messagedb_agent.events.schema import (
    ToolExecutionCompleted,
    ToolExecutionStarted,
    ToolOutcomeResolved,
)
from tests.simulation.ledger import Deed
from tests.simulation.tools import BOOKING, POLICIES
from tests.simulation.writing import writer


@dataclass(frozen=True, slots=True)
class Row:
    """An event, its global position, and who wrote it; None for a stranger."""

    recorded: Recorded
    global_position: int
    writer: str | None


def broken_policies(
    deeds: Sequence[Deed], failures: Collection[tuple[str, int]], rows: Sequence[Row]
) -> Iterator[str]:
    """Yield what tools did and must not have done, and what is told of it and is not so.

    Args:
        deeds: all that tools did.
        failures: attempts that failed, by call id and attempt.
        rows: all events of all threads.
    """
    starts: dict[str, list[Row]] = defaultdict(list)
    closed: dict[str, Row] = {}
    for row in rows:
        event = row.recorded.event
        if isinstance(event, ToolExecutionStarted):
            starts[event.call_id].append(row)
        elif (key := answered(event)) is not None:
            closed.setdefault(key, row)
        if isinstance(event, ToolOutcomeResolved) and event.status == "failed":
            last = len(starts[event.call_id])
            if (event.call_id, last) not in failures:
                yield f"{event.call_id} is told to have failed, and attempt {last} has not"
    by_call: dict[str, list[Deed]] = defaultdict(list)
    for deed in deeds:
        by_call[deed.call_id].append(deed)
    for call, done in by_call.items():
        for wrong in _broken(done, starts[call], closed.get(call)):
            yield f"{done[0].tool} {call}: {wrong}"
    for call, row in closed.items():
        completed = isinstance(row.recorded.event, ToolExecutionCompleted)
        books = call in starts and _tool(starts[call]) == BOOKING
        if completed and not books and not any(deed.what == "done" for deed in by_call[call]):
            yield f"{call} is completed, and nobody did it"


def broken_bookings(booked: Sequence[tuple[str, int]], rows: Sequence[Row]) -> Iterator[str]:
    """Yield where the rows of a transactional tool do not stand exactly where its outcome does.

    Args:
        booked: what such tools have written, by call id and attempt.
        rows: all events of all threads.
    """
    events = [row.recorded.event for row in rows]
    calls = {
        event.call_id
        for event in events
        if isinstance(event, ToolExecutionStarted) and event.tool_name == BOOKING
    }
    told = [
        (event.call_id, event.attempt)
        for event in events
        if isinstance(event, ToolExecutionCompleted) and event.call_id in calls
    ]
    if sorted(told) != sorted(booked):
        yield f"done in transactions: {sorted(booked)}, and told: {sorted(told)}"


def _tool(starts: Sequence[Row]) -> str:
    event = starts[0].recorded.event if starts else None
    return event.tool_name if isinstance(event, ToolExecutionStarted) else ""


def _broken(deeds: Sequence[Deed], starts: Sequence[Row], closed: Row | None) -> Iterator[str]:
    policy = POLICIES[deeds[0].tool]
    effects = [deed for deed in deeds if deed.what == "done"]
    if policy in ("never", "check") and len(effects) > 1:
        yield f"{policy}, and took effect {len(effects)} times"
    if len({deed.key for deed in deeds}) > 1:
        yield f"different keys: {sorted({deed.key for deed in deeds})}"
    for deed in deeds:
        if not any(_announces(row, deed) for row in starts):
            yield f"attempt {deed.attempt} {deed.what} before its intent stood"
        if closed and deed.seen >= closed.global_position and _may_know(deed, closed, policy):
            yield f"attempt {deed.attempt} {deed.what} after its outcome was recorded"
    for deed in deeds:
        claims = [row.global_position for row in starts if _announces(row, deed)]
        asks = policy in ("never", "check") and deed.what == "begun"
        if asks and claims and deed.confirmed < claims[0]:
            yield f"attempt {deed.attempt} begun, and nobody asked who owns the thread"
    begun = [deed.attempt for deed in deeds if deed.what == "begun"]
    if len(begun) != len(set(begun)):
        yield f"attempts begun twice: {begun}"


def _may_know(deed: Deed, closed: Row, policy: str) -> bool:
    """Say whether who did something is to know that its outcome stands already.

    Who does not own the thread any more may have been paused. Who does may find that one who was
    paused has told late what came of an earlier attempt: a tool that may be repeated overlaps.
    """
    return deed.owned and (policy in ("never", "check") or closed.writer == writer(deed.process))


def _announces(row: Row, deed: Deed) -> bool:
    event = row.recorded.event
    return (
        isinstance(event, ToolExecutionStarted)
        and row.global_position <= deed.seen
        and row.recorded.stream == deed.stream
        and (event.attempt, event.idempotency_key) == (deed.attempt, deed.key)
    )
