"""A thread in a line, told from some of its rows, is what all of it says."""

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from messagedb_agent.agent.decider import decide
from messagedb_agent.agent.evolution import evolve
from messagedb_agent.agent.state import State
from messagedb_agent.agent.steps import CallModel
from messagedb_agent.agents.glance import glance
from messagedb_agent.engine.history import read_rows
from messagedb_agent.errors import IntegrityError
from messagedb_agent.events.chain import GENESIS
from messagedb_agent.events.codec import Decoded, Envelope, decode, seal
from messagedb_agent.events.metadata import Travelling
from messagedb_agent.events.recorded import Recorded, UnknownEvent
from messagedb_agent.events.schema import (
    LlmCallFailed,
    LlmCallStarted,
    LlmResponseReceived,
    SessionTitled,
    ToolExecutionFailed,
    ToolOutcomeResolved,
    UserMessageAdded,
)
from messagedb_agent.projections.projection import fold
from messagedb_agent.projections.summary import summary
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.store.message import NewMessage
from tests.properties.effort import examples
from tests.properties.sessions import MOVES, Moves, Session
from tests.properties.streams import _START, SESSIONS, STREAMS, stream_of


async def history(store: MemoryStore, stream: str) -> tuple[list[Decoded], bool]:
    """Return a thread's rows, and whether its past is there."""
    try:
        return [row async for _, row in read_rows(store, stream)], True
    except IntegrityError:
        return [decode(row) async for row in store.read(stream)], False


async def written(records: Sequence[Recorded]) -> MemoryStore:
    """Write a stream: claims that an engine would make as an engine's, all else as others'."""
    store, state = MemoryStore(), State()
    for n, recorded in enumerate(records):
        is_ours = (
            isinstance(decide(state), CallModel)
            and isinstance(recorded.event, LlmCallStarted)
            and recorded.event.purpose == "answer"
            and recorded.event.attempt == state.interruptions + 1
        )
        await store.append(recorded.stream, message(titled(recorded, n), n, is_ours=is_ours))
        state = evolve(state, recorded)
    return store


def titled(recorded: Recorded, n: int) -> Recorded:
    """Give each title of a stream another text, or none."""
    if not isinstance(recorded.event, SessionTitled):
        return recorded
    return replace(recorded, event=SessionTitled(title=f"title {n}" if n % 3 else " "))


def message(recorded: Recorded, n: int, *, is_ours: bool) -> NewMessage:
    if isinstance(recorded.event, UnknownEvent):
        critical = '{"localProperties": {"critical": true}}' if recorded.event.critical else None
        return NewMessage(recorded.id, recorded.event.type, "{}", critical)
    envelope = Envelope(None, Travelling(), n * 1000, "w")
    sealed = seal(
        recorded.id, recorded.stream, recorded.position, recorded.event, envelope, GENESIS
    )
    metadata = (
        sealed.metadata if is_ours else f'{{"localProperties": {{"occurredAt": {n * 1000}}}}}'
    )
    return NewMessage(sealed.id, sealed.type, sealed.data, metadata)


def by_type(rows: Sequence[Decoded]) -> int:
    """Count user messages and answers with text, whether they count or not."""
    events = [row.recorded.event for row in rows]
    answers = [e for e in events if isinstance(e, LlmResponseReceived) and e.text.strip()]
    return len(answers) + sum(isinstance(e, UserMessageAdded) for e in events)


def is_told(newest: Sequence[Decoded]) -> bool:
    """Say whether a claim is in reach that tells the status, whatever came before it."""
    ours = [row for row in newest if row.metadata.hash is not None]
    events = [row.recorded.event for row in newest]
    overflows = [e for e in events if isinstance(e, LlmCallFailed) and e.kind == "context_overflow"]
    return bool(ours) and not overflows


async def check(records: Sequence[Recorded], sizes: Sequence[int]) -> None:
    store = await written(records)
    for stream in dict.fromkeys(r.stream for r in records):
        rows, is_whole = await history(store, stream)
        expected = fold(summary, [row.recorded for row in rows])
        found = await glance(store, stream, await store.stream_version(stream), sizes=sizes)
        assert found.status in {expected.status, "unknown"}
        if len(rows) <= sizes[-1] or (is_whole and is_told(rows[-sizes[-1] :])):
            assert found.status != "unknown"
        assert found.thread_id == expected.thread_id
        assert found.title == expected.title
        assert found.started_at_ms == expected.started_at_ms
        assert found.user == expected.user
        assert found.state.tags == expected.state.tags
        assert found.state.archived == expected.state.archived
        if found.status != "unknown":
            assert found.updated_at_ms == expected.updated_at_ms
        if expected.messages == by_type(rows):
            assert found.messages == expected.messages


@examples(200)
@given(SESSIONS, st.sampled_from([(3, 9), (6, 24), (12, 12)]))
async def test_no_sessions_newest_rows_tell_another_status_than_the_whole(
    records: tuple[Recorded, ...], sizes: Sequence[int]
) -> None:
    await check(records, sizes)


async def test_what_others_resolved_counts_where_a_timeout_had_left_it_unknown() -> None:
    silent = [(0, 0, 0, 0)] * 6
    begun = [(_START, 0, 0, 0), (0, 2, 0, 0), (0, 0, 0, 0), (72, 0, 0, 0), (0, 0, 0, 0)]
    records = stream_of([*begun, (0, 1, 2, 0), (0, 0, 1, 0), *silent, (62, 0, 0, 0)])
    assert isinstance(records[-1].event, ToolOutcomeResolved)
    failures = [r.event.kind for r in records if isinstance(r.event, ToolExecutionFailed)]
    assert failures == ["timed_out"]
    await check(records, (3, 9))


@examples(200)
@given(STREAMS, st.sampled_from([(3, 9), (6, 24), (12, 12)]))
async def test_no_streams_newest_rows_tell_another_status_than_the_whole(
    records: tuple[Recorded, ...], sizes: Sequence[int]
) -> None:
    await check(records, sizes)


@examples(100)
@given(MOVES, st.sampled_from([(3, 9), (6, 24), (12, 12)]))
async def test_no_forks_newest_rows_tell_another_line_than_the_whole(
    moves: Moves, sizes: Sequence[int]
) -> None:
    await check(forked_before_any_message(moves), sizes)


def forked_before_any_message(moves: Moves) -> Sequence[Recorded]:
    """Return a session whose beginning is a fork's, with nothing before it but a start."""
    session = Session()
    session.begin(0)
    session.fork(0)
    session.person(0)
    for kind, number in moves:
        session.move(kind, number)
    return session.log.records
