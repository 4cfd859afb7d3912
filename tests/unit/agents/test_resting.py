"""Threads whose newest rows say that they rest need not be read."""

from messagedb_agent.agents.resting import rests_behind
from messagedb_agent.llm.scripted import call
from messagedb_agent.store.message import Message
from tests.contract.messages import new
from tests.unit.engine.world import (
    Gate,
    WatchedStore,
    engine_on,
    look,
    scripted,
    stream_of,
    under_way,
)


async def rows() -> list[Message]:
    """Return a thread with one tool call, and its answer, and a second answer."""
    engine = engine_on(WatchedStore(), scripted(call("look"), "one", "two"), look)
    agent = await (await engine.start("look")).advance("again")
    return [row async for row in engine.messages(agent.thread_id)]


async def test_an_answer_right_behind_its_claim_is_a_rest() -> None:
    found = await rows()
    answers = [n for n, row in enumerate(found) if row.type == "LlmResponseReceived"]
    assert len(answers) == 3
    asks, first, second = answers
    for end, rests in ((asks, False), (first, True), (second, True)):
        assert rests_behind(found[: end + 1]) is rests
        assert rests_behind(found[end - 1 : end + 1]) is rests
    assert not any(
        rests_behind(found[: n + 1]) for n in range(len(found)) if n not in (first, second)
    )


async def test_without_the_claim_or_with_rows_missing_nothing_is_certain() -> None:
    gate = Gate()
    engine = engine_on(WatchedStore(), scripted(gate.answer("one"), "two"))
    async with under_way(engine.start("go")) as turn:
        await gate.entered.wait()
        await (await engine.latest("last")).advance("more", at_head=True, detached=True)
        gate.opened.set()
        agent = await turn
    found = [row async for row in engine.messages(agent.thread_id)]
    claim, said, answer = found[2:5]
    assert [row.type for row in (claim, said, answer)] == [
        "LlmCallStarted",
        "UserMessageAdded",
        "LlmResponseReceived",
    ]
    assert not rests_behind([claim, said, answer])
    assert not rests_behind([claim, answer])
    assert not rests_behind([answer])
    assert not rests_behind([])
    assert rests_behind(found)


async def test_what_is_said_after_the_claim_is_owed_an_answer() -> None:
    engine = engine_on(WatchedStore(), scripted("one"))
    agent = await engine.start("go")
    stream = stream_of(engine, agent.thread_id)
    await engine.store.append(stream, new("UserMessageAdded", '{"text": "more"}'))
    found = [row async for row in engine.messages(agent.thread_id)]
    assert rests_behind(found[:-1])
    assert not rests_behind(found)
    await engine.store.append(stream, new("SessionTitled", '{"title": "a title"}'))
    found = [row async for row in engine.messages(agent.thread_id)]
    assert not rests_behind(found)
