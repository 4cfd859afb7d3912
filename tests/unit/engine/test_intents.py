"""An effect begins when its claim stands, and not before."""

import asyncio

import pytest

from messagedb_agent.events.request import Request
from messagedb_agent.llm.scripted import Said, call
from messagedb_agent.store.message import NewMessage
from messagedb_agent.tools.function_tool import tool
from tests.unit.engine.world import WatchedStore, assert_sound, engine_on, scripted

_LONG_ENOUGH = 100  # steps of the loop in which an effect that begins too early has begun


@pytest.mark.parametrize("claim", ["LlmCallStarted", "ToolExecutionStarted"])
async def test_an_effect_begins_when_its_claim_stands(claim: str) -> None:
    store = WatchedStore()
    begun: list[str] = []
    begun_while_claimed: list[int] = []

    async def slow(_: str, messages: tuple[NewMessage, ...]) -> None:
        if any(message.type == claim for message in messages):
            before = begun.count(claim)
            for _step in range(_LONG_ENOUGH):
                await asyncio.sleep(0)
            begun_while_claimed.append(begun.count(claim) - before)

    def asked(_: Request) -> Said:
        begun.append("LlmCallStarted")
        return call("work") if len(begun) == 1 else "done"

    @tool
    async def work() -> str:
        """Work."""
        begun.append("ToolExecutionStarted")
        return "worked"

    engine = engine_on(store, scripted(asked, asked), work)
    store.before = slow
    agent = await engine.start("work")

    assert agent.answer == "done"
    assert begun == ["LlmCallStarted", "ToolExecutionStarted", "LlmCallStarted"]
    assert begun_while_claimed == [0] * begun.count(claim)
    await assert_sound(engine, agent.thread_id)
