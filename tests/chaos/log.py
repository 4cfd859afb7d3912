"""What the log says of each thread and each tool call, by its rows alone."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC

from messagedb_agent import Engine
from messagedb_agent.agent.counting import counts
from messagedb_agent.events.codec import decode
from messagedb_agent.events.outcomes import answered
from messagedb_agent.events.recorded import Recorded
from messagedb_agent.events.schema import (
    LlmCallStarted,
    LlmResponseReceived,
    ToolExecutionCompleted,
    ToolExecutionFailed,
    ToolExecutionStarted,
    ToolOutcomeResolved,
    UserMessageAdded,
)
from messagedb_agent.projections.conversation import conversation
from messagedb_agent.projections.summary import status
from messagedb_agent.store.message import Message
from messagedb_agent.store.stream_name import thread_category
from tests.properties.conversation_rules import broken_request, broken_rule
from tests.simulation.grammar import broken_grammar


@dataclass
class Call:
    """A tool call.

    Attributes:
        tool: the tool's name.
        starts: for each attempt that was claimed, its key and when, in seconds since 1970.
        outcomes: what it came to, which must be one: `completed` or the kind of its failure.
        ended_at_s: when that was recorded.
        results: what was recorded as its result, at once or later.
    """

    tool: str
    starts: dict[int, tuple[str, float]] = field(default_factory=dict)
    outcomes: list[str] = field(default_factory=list)
    ended_at_s: float = 0.0
    results: list[str] = field(default_factory=list)


@dataclass
class Log:
    """The threads of some categories.

    Attributes:
        categories: theirs, with their versions.
        places: by message id, the stream that it stands in.
        texts: by message id, what a user said.
        calls: tool calls by their ids.
        statuses: by thread id, what it waits for.
        counts: how many rows of each type there are.
        faults: what does not follow.
    """

    categories: set[str] = field(default_factory=set)
    places: dict[str, str] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    calls: dict[str, Call] = field(default_factory=dict)
    statuses: dict[str, str] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


async def read_log(*engines: Engine) -> Log:
    """Read all threads of the categories of some engines, and check each by itself."""
    log = Log()
    for engine in engines:
        log.categories.add(thread_category(engine.category, engine.version))
        rows: dict[str, list[Message]] = {}
        async for row in engine.all_messages():
            rows.setdefault(row.stream_name, []).append(row)
        for stream, own in rows.items():
            thread_id = stream.partition("-")[2]
            verified = await engine.verify(thread_id)
            log.counts["requests folded again"] += verified.requests
            if verified.finding or verified.foreign:
                log.faults.append(f"{stream}: {verified.finding or verified.foreign}")
            _fold(log, thread_id, own)
    return log


def _fold(log: Log, thread_id: str, rows: Sequence[Message]) -> None:
    shown = conversation.initial
    claims: Counter[str] = Counter()
    events = [decode(row).recorded for row in rows]
    log.faults += [f"{thread_id}: {wrong}" for wrong in broken_grammar(events)]
    for row, recorded in zip(rows, events, strict=True):
        where = f"{row.stream_name}/{row.position} {row.type}"
        if row.id in log.places:
            log.faults.append(f"{where}: its id stands twice")
        if not counts(shown.state, recorded):
            log.faults.append(f"{where}: it does not count")
        if isinstance(recorded.event, LlmCallStarted):
            claims[row.id] += 1
        if key := answered(recorded.event):
            claims[key] -= 1
        shown = conversation.evolve(shown, recorded)
        messages = [entry.message for entry in shown.entries]
        if rule := broken_rule(messages) or broken_request(shown):
            log.faults.append(f"{where}: no provider would take it: {rule}")
        log.places[row.id] = row.stream_name
        log.counts[row.type] += 1
        _note(log, recorded, row.time.replace(tzinfo=UTC).timestamp(), claims)
    log.statuses[thread_id] = status(shown.state)
    open_claims = {key: left for key, left in claims.items() if left}
    if open_claims:
        log.faults.append(f"{thread_id}: claims and their outcomes differ: {open_claims}")


def _note(log: Log, recorded: Recorded, at_s: float, claims: Counter[str]) -> None:
    match recorded.event:
        case UserMessageAdded(text=text):
            log.texts[recorded.id] = text
        case LlmResponseReceived(tool_calls=calls):
            for call in calls:
                claims[call.call_id] += 1
                log.calls[call.call_id] = Call(call.name)
        case ToolExecutionStarted(call_id=id, attempt=attempt, idempotency_key=key):
            log.calls[id].starts[attempt] = (key, at_s)
        case ToolExecutionCompleted(call_id=id, result=result):
            _end(log.calls[id], "completed", at_s)
            log.calls[id].results.append(result)
        case ToolExecutionFailed(call_id=id, kind=kind):
            _end(log.calls[id], kind, at_s)
            log.counts[f"calls that ended as {kind}"] += 1
        case ToolOutcomeResolved(call_id=id, status="completed", text=text):
            log.calls[id].results.append(text)
        case _:
            pass


def _end(call: Call, outcome: str, at_s: float) -> None:
    call.outcomes.append(outcome)
    call.ended_at_s = at_s
