"""Model calls that fail for good, and conversations that grow too long."""

import pytest

from messagedb_agent.agents.agent import Agent
from messagedb_agent.errors import ModelError
from messagedb_agent.events.request import CallFailure, UserText
from messagedb_agent.events.schema import ContextCompacted, LlmCallFailed, LlmCallStarted
from messagedb_agent.events.values import Attempt
from messagedb_agent.llm.scripted import Answer
from messagedb_agent.projections.conversation import SUMMARY_PREFIX
from messagedb_agent.store.memory import MemoryStore
from tests.unit.engine.world import assert_sound, engine_on, events, scripted, types

OVERFLOW = CallFailure("context_overflow", "too long")
REFUSED = CallFailure(
    "refused", "no", (Attempt(model="m", kind="refused", elapsed_ms=3),)
)  # fmt: skip


async def test_a_failed_call_is_an_error_that_holds_the_recorded_state() -> None:
    engine = engine_on(MemoryStore(), scripted("one", REFUSED, "two"))
    agent = await engine.start("hi")
    with pytest.raises(ModelError, match="no") as caught:
        await agent.advance("more")
    failed = caught.value.agent
    assert isinstance(failed, Agent)
    assert caught.value.kind == "refused"
    assert failed.status == "failed"
    assert failed.parent_id == agent.id
    last = (await events(engine, agent.thread_id))[-1]
    assert failed.id == last.id
    assert isinstance(last.event, LlmCallFailed)
    assert last.event.attempts == REFUSED.attempts

    resumed = await failed.resume()
    assert resumed.answer == "two"
    assert resumed.thread_id == agent.thread_id
    assert (await types(engine, agent.thread_id))[-4:] == (
        "LlmCallFailed",
        "SessionContinued",
        "LlmCallStarted",
        "LlmResponseReceived",
    )
    await assert_sound(engine, agent.thread_id)


async def test_a_message_retries_too() -> None:
    model = scripted(REFUSED, "both")
    engine = engine_on(MemoryStore(), model)
    with pytest.raises(ModelError) as caught:
        await engine.start("one")
    failed = caught.value.agent
    assert isinstance(failed, Agent)
    assert (await failed.advance("two")).answer == "both"
    assert [m.text for m in model.requests[1].messages] == ["one", "two"]


async def test_a_conversation_that_is_too_long_is_summarised_and_then_answered() -> None:
    model = scripted("one", OVERFLOW, "all of it", "two", "three")
    engine = engine_on(MemoryStore(), model)
    agent = await engine.start("first")
    answered = await agent.advance("second")
    assert answered.answer == "two"
    asked = [m.text for m in model.requests[3].messages]
    assert asked == [SUMMARY_PREFIX + "all of it", "second"]
    rows = [r.event for r in await events(engine, agent.thread_id)]
    purposes = [e.purpose for e in rows if isinstance(e, LlmCallStarted)]
    assert purposes == ["answer", "answer", "summary", "answer"]
    assert [e.summary for e in rows if isinstance(e, ContextCompacted)] == ["all of it"]
    assert (await answered.advance("third")).answer == "three"
    assert model.requests[4].messages[0].text == asked[0]
    await assert_sound(engine, agent.thread_id)


@pytest.mark.parametrize(
    ("answers", "kind"),
    [
        ((OVERFLOW, "a summary", OVERFLOW), "context_overflow"),  # it helped nothing
        ((OVERFLOW, OVERFLOW), "context_overflow"),  # the summary itself
        ((OVERFLOW, "  "), "empty"),
        ((OVERFLOW, "\x01" * 100_000), "too_large"),
        ((OVERFLOW, REFUSED), "refused"),
    ],
)
async def test_where_a_summary_does_not_help_the_turn_has_failed(
    answers: tuple[Answer, ...], kind: str
) -> None:
    model = scripted("one", *answers, "after all", "after all")
    engine = engine_on(MemoryStore(), model)
    agent = await engine.start("first")
    with pytest.raises(ModelError) as caught:
        await agent.advance("second")
    assert caught.value.kind == kind
    assert len(model.requests) == 1 + len(answers)
    failed = caught.value.agent
    assert isinstance(failed, Agent)
    resumed = await failed.resume()
    assert resumed.status == "waiting"
    assert resumed.answer == "after all"
    await assert_sound(engine, agent.thread_id)


async def test_a_first_message_that_is_too_long_cannot_be_summarised() -> None:
    model = scripted(OVERFLOW, "short")
    engine = engine_on(MemoryStore(), model)
    with pytest.raises(ModelError) as caught:
        await engine.start("a whole book")
    assert caught.value.kind == "context_overflow"
    assert len(model.requests) == 1  # no model was asked for a summary of nothing
    assert (await engine.latest("last")).status == "failed"


async def test_another_model_takes_over_where_the_first_failed() -> None:
    model = scripted(REFUSED, "from the other")
    engine = engine_on(MemoryStore(), model)
    with pytest.raises(ModelError) as caught:
        await engine.start("hi")
    failed = caught.value.agent
    assert isinstance(failed, Agent)
    resumed = await failed.resume(model="other")
    assert resumed.answer == "from the other"
    assert [request.model for request in model.requests] == ["offline", "other"]
    assert resumed.model == "other"
    assert isinstance(model.requests[1].messages[0], UserText)
