"""Events whose hash is right, and which cannot be true."""

import pytest

from messagedb_agent.engine.history import read_events
from messagedb_agent.engine.verify import verify
from messagedb_agent.events import codec
from messagedb_agent.events.codec import decode
from messagedb_agent.events.metadata import Cause
from messagedb_agent.events.schema import (
    RULES,
    Event,
    LimitReached,
    LlmCallStarted,
    LlmResponseReceived,
    SessionStarted,
    SessionTitled,
    ToolApprovalRequested,
    ToolExecutionStarted,
    UserMessageAdded,
)
from messagedb_agent.events.values import ReachedLimit, ToolCall
from messagedb_agent.ids import call_id
from messagedb_agent.projections.conversation import conversation
from messagedb_agent.projections.projection import fold
from messagedb_agent.projections.requests import answer_request
from messagedb_agent.store.memory import MemoryStore
from tests.given import definition, tool
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


async def test_a_tool_that_began_before_its_approval_is_found(category: str) -> None:
    store = MemoryStore()
    stream = f"{category}-asking"
    asking = tool("rm", approval=True)
    await write(store, stream, SessionStarted(thread_id="asking", definition=definition(asking)))
    await write(store, stream, UserMessageAdded(text="Clear it."))
    claim = await claimed(store, stream)
    call = ToolCall(call_id=call_id(claim, 0), name="rm", arguments="{}")
    reply = LlmResponseReceived(
        llm_call_id=claim, model="scripted", text="", finish_reason="tool_calls", tool_calls=(call,)
    )
    await write(store, stream, reply)
    assert (await verify(store, stream)).finding is None
    started = ToolExecutionStarted(
        call_id=call.call_id, tool_name="rm", arguments="{}", attempt=1, idempotency_key="key"
    )
    await write(store, stream, started)
    finding = await found(store, stream)
    assert (finding.position, finding.type) == (4, "ToolExecutionStarted")
    assert finding.what == "another step than the one that follows here"
    assert finding.recorded == "ToolExecutionStarted"
    assert finding.computed == f"RequestApproval(call_ids=('{call.call_id}',))"


@pytest.mark.parametrize(
    "event",
    [
        LimitReached(limits=(ReachedLimit(name="callsPerTurn", limit="1", reached="1"),)),
        LlmCallStarted(model="m", context_position=7, purpose="answer", request_digest=""),
        ToolApprovalRequested(call_id="nobody's", tool_name="rm", arguments="{}"),
    ],
    ids=lambda event: type(event).__name__,
)
async def test_a_step_of_a_thread_at_rest_is_found(category: str, event: Event) -> None:
    store = MemoryStore()
    stream = await talk(store, category)
    await write(store, stream, event)
    finding = await found(store, stream)
    assert (finding.position, finding.what) == (8, "another step than the one that follows here")
    assert finding.computed == "Wait(reason='user')"


@pytest.mark.parametrize("number", [2, 1])
async def test_a_step_is_held_against_the_rules_that_it_was_decided_by_alone(
    category: str, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    store = MemoryStore()
    stream = await talk(store, category)
    monkeypatch.setattr(codec, "RULES", number)
    await write(store, stream, LimitReached(limits=()))
    assert ((await verify(store, stream)).finding is None) == (number != RULES)
    last = (await rows_of(store, stream))[-1]
    assert decode(last).metadata.rules == number
    assert ('"rules"' in (last.metadata or "")) == (number > 1)


async def claimed(store: MemoryStore, stream: str) -> str:
    """Claim an answer, and return the claim's id."""
    history = [recorded async for recorded in read_events(store, stream)]
    folded = answer_request(fold(conversation, history))
    claim = LlmCallStarted(
        model=folded.request.model,
        parameters=folded.request.parameters,
        context_position=len(history) - 1,
        purpose="answer",
        projection_name=folded.projection,
        projection_version=folded.version,
        request_digest=folded.digest,
    )
    await write(store, stream, claim)
    return (await rows_of(store, stream))[-1].id
