"""Events whose hash is right, and which cannot be true."""

import pytest

from messagedb_agent.events.codec import decode
from messagedb_agent.events.metadata import Cause
from messagedb_agent.events.schema import LlmResponseReceived, SessionTitled
from messagedb_agent.store.memory import MemoryStore
from tests.integration.verify.threads import found, rows_of, talk, write


async def test_an_event_of_ours_that_cannot_be_read_is_found(category: str) -> None:
    store = MemoryStore()
    stream = await talk(store, category)
    await write(store, stream, SessionTitled(title="Rivers"), type="SessionTagline")
    finding = await found(store, stream)
    assert (finding.position, finding.type) == (8, "SessionTagline")
    assert finding.what == "the event cannot be read: unknown type"


@pytest.mark.parametrize("position", [8, 9, -1])
async def test_a_cause_that_is_not_before_its_effect_is_found(category: str, position: int) -> None:
    store = MemoryStore()
    stream = await talk(store, category)
    title = SessionTitled(title="Rivers")
    await write(store, stream, title, cause=Cause(stream, position))
    finding = await found(store, stream)
    assert (finding.position, finding.what) == (8, "its cause is not before it")
    assert finding.recorded == str(position)


async def test_a_second_outcome_of_a_call_is_found(category: str) -> None:
    store = MemoryStore()
    stream = await talk(store, category)
    rows = await rows_of(store, stream)
    reply = decode(rows[7]).recorded.event
    assert isinstance(reply, LlmResponseReceived)
    await write(store, stream, reply.model_copy(update={"text": "it is 43"}))
    finding = await found(store, stream)
    assert (finding.position, finding.what) == (8, "the outcome of a call that was not open")
