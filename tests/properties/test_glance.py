"""A thread in a line, told from some of its rows, is what all of it says."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from messagedb_agent.agent.decider import decide
from messagedb_agent.agent.evolution import evolve
from messagedb_agent.agent.state import State
from messagedb_agent.agent.steps import CallModel
from messagedb_agent.agents.glance import glance
from messagedb_agent.engine.history import read_events
from messagedb_agent.errors import IntegrityError
from messagedb_agent.events.chain import GENESIS
from messagedb_agent.events.codec import Envelope, decode, seal
from messagedb_agent.events.metadata import Travelling
from messagedb_agent.events.recorded import Recorded, UnknownEvent
from messagedb_agent.events.schema import LlmCallStarted
from messagedb_agent.projections.projection import fold
from messagedb_agent.projections.summary import Summary, summary
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.store.message import NewMessage
from tests.properties.effort import examples
from tests.properties.streams import SESSIONS, STREAMS


async def whole(store: MemoryStore, stream: str) -> Summary:
    try:
        return fold(summary, [r async for r in read_events(store, stream)])
    except IntegrityError:
        return fold(summary, [decode(row).recorded async for row in store.read(stream)])


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
        await store.append(recorded.stream, message(recorded, n, is_ours=is_ours))
        state = evolve(state, recorded)
    return store


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


async def check(records: Sequence[Recorded], sizes: Sequence[int]) -> None:
    store = await written(records)
    for stream in dict.fromkeys(r.stream for r in records):
        expected = await whole(store, stream)
        found = await glance(store, stream, await store.stream_version(stream), sizes=sizes)
        assert found.status in {expected.status, "unknown"}
        assert found.thread_id == expected.thread_id
        if found.status != "unknown" and found.started_at_ms is not None:
            assert found.started_at_ms == expected.started_at_ms


@examples(200)
@given(SESSIONS, st.sampled_from([(3, 9), (6, 24), (12, 12)]))
async def test_no_sessions_newest_rows_tell_another_status_than_the_whole(
    records: tuple[Recorded, ...], sizes: Sequence[int]
) -> None:
    await check(records, sizes)


@examples(200)
@given(STREAMS, st.sampled_from([(3, 9), (6, 24), (12, 12)]))
async def test_no_streams_newest_rows_tell_another_status_than_the_whole(
    records: tuple[Recorded, ...], sizes: Sequence[int]
) -> None:
    await check(records, sizes)
