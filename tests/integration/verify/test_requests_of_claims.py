"""Every model request is folded again, and must be the one that was recorded."""

import pytest

from messagedb_agent.engine.findings import UncheckedRequest
from messagedb_agent.engine.history import read_events
from messagedb_agent.engine.verify import verify
from messagedb_agent.events.codec import decode
from messagedb_agent.events.schema import LlmCallStarted, SessionStarted, UserMessageAdded
from messagedb_agent.projections.conversation import conversation
from messagedb_agent.projections.projection import fold
from messagedb_agent.projections.requests import summary_request
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.store.store import Store
from tests.contract.messages import new
from tests.integration.verify.threads import (
    DEFINITION,
    REQUESTS,
    found,
    rows_of,
    talk,
    write,
)


async def asked(store: Store, stream: str) -> LlmCallStarted:
    """Return the last request of a turn."""
    row = (await rows_of(store, stream))[6]
    event = decode(row).recorded.event
    assert isinstance(event, LlmCallStarted)
    return event


async def test_a_request_that_was_not_the_one_recorded_is_found(category: str) -> None:
    store = MemoryStore()
    stream = await talk(store, category)
    claim = await asked(store, stream)
    await write(store, stream, UserMessageAdded(text="more"))
    await write(store, stream, claim.model_copy(update={"context_position": 8}))
    finding = await found(store, stream)
    assert (finding.position, finding.type) == (9, "LlmCallStarted")
    assert finding.what == "the request is another than the one recorded"
    assert finding.recorded == claim.request_digest
    assert finding.computed != finding.recorded


async def test_a_request_may_be_folded_from_further_back(category: str) -> None:
    store = MemoryStore()
    stream = await talk(store, category)
    claim = await asked(store, stream)
    await write(store, stream, UserMessageAdded(text="more"))
    await write(store, stream, claim)  # as the second request of the turn was, again
    result = await verify(store, stream)
    assert (result.finding, result.requests) == (None, REQUESTS + 1)


async def test_a_request_that_was_folded_from_later_events_is_found(category: str) -> None:
    store = MemoryStore()
    stream = await talk(store, category)
    claim = await asked(store, stream)
    await write(store, stream, UserMessageAdded(text="more"))
    await write(store, stream, claim.model_copy(update={"context_position": 9}))
    assert (await found(store, stream)).what == "its request was folded from what comes later"


async def test_a_request_by_an_unknown_projection_is_named_and_let_be(category: str) -> None:
    store = MemoryStore()
    stream = await talk(store, category)
    claim = await asked(store, stream)
    other = {"projection_name": "window", "request_digest": "?", "context_position": 8}
    await write(store, stream, UserMessageAdded(text="more"))
    await write(store, stream, claim.model_copy(update=other))
    result = await verify(store, stream)
    assert (result.finding, result.requests) == (None, REQUESTS)
    assert result.unchecked == (UncheckedRequest(stream, 9, "window", 1),)


async def test_a_request_that_was_folded_before_the_thread_began_is_found(category: str) -> None:
    store, stream = MemoryStore(), f"{category}-raw"
    await store.append(stream, new("UserMessageAdded", '{"text": "first"}'))
    await write(store, stream, SessionStarted(thread_id="raw", definition=DEFINITION))
    claim = LlmCallStarted(
        model="scripted", context_position=0, purpose="answer", request_digest=""
    )
    await write(store, stream, claim)
    finding = await found(store, stream)
    assert (finding.position, finding.what) == (2, "its request was folded before the thread began")


@pytest.mark.parametrize("is_sound", [True, False])
async def test_a_request_for_a_summary_is_folded_again_too(category: str, is_sound: bool) -> None:
    store = MemoryStore()
    stream = await talk(store, category)
    claim = await asked(store, stream)
    await write(store, stream, UserMessageAdded(text="more"))
    history = [recorded async for recorded in read_events(store, stream)]
    digest = summary_request(fold(conversation, history)).digest
    as_written = {
        "purpose": "summary",
        "projection_name": "summary",
        "context_position": 8,
        "request_digest": digest if is_sound else claim.request_digest,
    }
    await write(store, stream, claim.model_copy(update=as_written))
    result = await verify(store, stream)
    assert result.requests == REQUESTS + is_sound
    assert (result.finding is None) == is_sound
    if result.finding:
        assert result.finding.what == "the request is another than the one recorded"
        assert result.finding.computed == digest
