"""The tool calls that wait for a person, over all threads, without reading all threads."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from messagedb_agent.agent.state import Stage, State
from messagedb_agent.agents.finding import shortest_prefix
from messagedb_agent.agents.glance import Catalogue, Counts, glance
from messagedb_agent.engine.history import read_events
from messagedb_agent.errors import IntegrityError
from messagedb_agent.events.codec import decode
from messagedb_agent.events.recorded import utc_time
from messagedb_agent.events.schema import (
    SessionCompleted,
    ToolApprovalRequested,
    ToolExecutionApproved,
    ToolExecutionDenied,
    TurnCancelled,
)
from messagedb_agent.projections.outcome import outcome
from messagedb_agent.projections.projection import fold
from messagedb_agent.store.message import Message
from messagedb_agent.store.store import Question
from messagedb_agent.store.stream_name import is_thread

_ASKED = Question(
    type=ToolApprovalRequested.__name__,
    key="callId",
    answers=(ToolExecutionApproved.__name__, ToolExecutionDenied.__name__),
    ends=(TurnCancelled.__name__, SessionCompleted.__name__),
)
_SPARE = 50  # what was asked for and does not wait may stand between


@dataclass(frozen=True, slots=True)
class WaitingCall:
    """A tool call that waits for a person.

    Attributes:
        thread_id: the thread that it waits in.
        prefix: the shortest beginning of the thread's id that names no other thread.
        call_id: the call's id.
        tool_name: the tool's name.
        arguments: what it is to run with, JSON text as the model wrote it.
        asked_at: when a person was asked, UTC, with a zone; to the millisecond.
    """

    thread_id: str
    prefix: str
    call_id: str
    tool_name: str
    arguments: str
    asked_at: datetime


async def waiting_calls(store: Catalogue, category: str, limit: int) -> tuple[WaitingCall, ...]:
    """Return the calls that wait in a category, the one asked about last first.

    The store finds what was asked and not answered; only those threads are looked at, and of each
    no more than a bounded part, where that tells.
    """
    found, counts = list[WaitingCall](), Counts(store)
    threads: dict[str, frozenset[str]] = {}
    async for message in _asked(store, category, limit):
        stream, recorded = message.stream_name, decode(message).recorded
        if not isinstance(recorded.event, ToolApprovalRequested):  # it cannot be read
            continue
        if stream not in threads:
            threads[stream] = await _waiting(store, counts, stream)
        if recorded.event.call_id not in threads[stream]:
            continue
        threads[stream] -= {recorded.event.call_id}  # asked about twice, it waits once
        found.append(
            WaitingCall(
                thread_id=stream.removeprefix(f"{category}-"),
                prefix=await shortest_prefix(store, category, stream),
                call_id=recorded.event.call_id,
                tool_name=recorded.event.tool_name,
                arguments=recorded.event.arguments,
                asked_at=utc_time(recorded.time_ms),
            )
        )
        if len(found) == limit:
            break
    return tuple(found)


async def _asked(store: Catalogue, category: str, limit: int) -> AsyncIterator[Message]:
    before = None
    while limit > 0:
        page: Sequence[Message] = await store.unanswered(
            category, _ASKED, limit=limit + _SPARE, before=before
        )
        for message in page:
            if is_thread(category, message.stream_name):
                yield message
        if len(page) < limit + _SPARE:
            return
        before = page[-1].global_position


async def _waiting(store: Catalogue, counts: Counts, stream: str) -> frozenset[str]:
    """Return the ids of a thread's calls that wait."""
    seen = await glance(store, stream, await store.stream_version(stream), counts=counts)
    if not seen.is_partial:
        return _at_stage(seen.state)
    try:
        events = [recorded async for recorded in read_events(store, stream)]
    except IntegrityError:  # a fork whose past is gone: nobody can go on with it
        return frozenset()
    return _at_stage(fold(outcome, events).state)


def _at_stage(state: State) -> frozenset[str]:
    if state.blocked or state.deleted or state.terminating is not None:
        return frozenset()
    return frozenset(state.at(Stage.ASKED))
