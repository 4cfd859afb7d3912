"""Replies of other writers that hold more than a row of ours may: the thread still goes on."""

import json

import pytest

from messagedb_agent.agents.engine import Engine
from messagedb_agent.events.schema import ToolExecutionFailed
from messagedb_agent.ids import call_id, derived_id
from messagedb_agent.llm.scripted import call
from messagedb_agent.store.encoding import MAX_MESSAGE_BYTES
from messagedb_agent.store.message import NewMessage
from messagedb_agent.tools.function_tool import tool
from messagedb_agent.tools.object_tool import AnyTool
from tests.unit.engine.world import (
    Gate,
    WatchedStore,
    assert_sound,
    engine_on,
    events,
    look,
    scripted,
    stream_of,
    under_way,
)

ROOM = MAX_MESSAGE_BYTES - 600


@tool(name="look", effect="retry", needs_approval=True)
def guarded(where: str) -> str:
    """Look somewhere."""
    return where


def forged(claim: str, **changes: object) -> str:
    """Return the data of a reply to a claim, with one call."""
    asked = {"callId": call_id(claim, 0), "name": "look", "arguments": "{}", **changes}
    reply = {"llmCallId": claim, "model": "m", "text": "", "finishReason": "tool_calls"}
    return json.dumps({**reply, "toolCalls": [asked]})


async def with_forged_reply(asks: AnyTool, **changes: object) -> tuple[Engine, str]:
    """Return a thread whose model call somebody else has answered."""
    store, gate = WatchedStore(), Gate()
    engine = engine_on(store, scripted(gate.answer("mine"), "so be it"), asks)
    async with under_way(engine.start("go")) as turn:
        await gate.entered.wait()
        agent = await engine.latest("last")
        claim = agent.view.conversation.state.model_call
        assert claim
        stream = stream_of(engine, agent.thread_id)
        id = derived_id(stream, claim.id, "outcome")
        data = forged(claim.id, **changes)
        await store.append(stream, NewMessage(id, "LlmResponseReceived", data))
        gate.opened.set()
        answered = await turn
    assert answered.answer == "so be it"
    await assert_sound(engine, agent.thread_id)
    return engine, agent.thread_id


@pytest.mark.parametrize("asks", [look, guarded])
@pytest.mark.parametrize(
    "changes",
    [
        {"arguments": json.dumps({"where": "x" * ROOM})},
        {"arguments": json.dumps({"where": "\x01" * (ROOM // 7)})},
        {"name": "n" * ROOM},
        {"problem": "bad_arguments", "problemMessage": "m" * ROOM},
    ],
    ids=["arguments", "escapes", "name", "problem"],
)
async def test_a_call_that_is_too_large_is_refused_in_few_words(
    asks: AnyTool, changes: dict[str, object]
) -> None:
    engine, thread_id = await with_forged_reply(asks, **changes)
    (failed,) = [
        r.event for r in await events(engine, thread_id) if isinstance(r.event, ToolExecutionFailed)
    ]
    assert failed.kind == "bad_arguments"
    assert failed.attempt == 0
    assert 0 < len(failed.message) <= 4_000


async def test_an_approval_with_arguments_that_are_too_large_does_not_count() -> None:
    store = WatchedStore()
    engine = engine_on(store, scripted(call("look", where="here")), guarded)
    waiting = await engine.start("go")
    (asked,) = waiting.approvals
    data = json.dumps({"callId": asked.call_id, "arguments": json.dumps({"where": "x" * ROOM})})
    stream = stream_of(engine, waiting.thread_id)
    id = "0190a000-0000-7000-8000-000000000000"
    await store.append(stream, NewMessage(id, "ToolExecutionApproved", data))
    newest = await engine.latest(waiting.thread_id)
    assert newest.approvals == waiting.approvals
