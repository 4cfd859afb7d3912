"""Nobody keeps an outcome out of a thread by taking the id that it would have."""

import json
from uuid import uuid4

import pytest

from messagedb_agent.agents.agent import Agent
from messagedb_agent.agents.engine import Engine
from messagedb_agent.events.schema import LlmCallStarted, ToolOutcomeResolved
from messagedb_agent.ids import derived_id
from messagedb_agent.llm.scripted import call
from messagedb_agent.store.message import NewMessage
from messagedb_agent.tools.function_tool import tool
from tests.unit.engine.world import (
    Gate,
    WatchedStore,
    assert_sound,
    engine_on,
    events,
    scripted,
    stream_of,
    types,
    under_way,
)


@tool(effect="never")
async def work() -> str:
    """Work."""
    return "worked"


@tool(name="work", effect="never", needs_approval=True)
async def guarded() -> str:
    """Work."""
    return "worked"


async def take(store: WatchedStore, stream: str, id: str) -> None:
    """Write a row that means nothing under an id."""
    await store.append(stream, NewMessage(id, "Noise", "{}", "{}"))


class Thief:
    """Takes the ids of a thread's outcomes just before they are written."""

    def __init__(self, store: WatchedStore, elsewhere: str | None, times: int) -> None:
        self.stolen: list[str] = []
        self._store = store
        self._elsewhere = elsewhere
        self._times = times
        store.before = self.steal

    async def steal(self, stream: str, messages: tuple[NewMessage, ...]) -> None:
        for message in messages:
            if message.type in OUTCOMES and len(self.stolen) < self._times:
                self.stolen.append(message.id)
                self._store.before = None
                await take(self._store, self._elsewhere or stream, message.id)
                self._store.before = self.steal


OUTCOMES = ("LlmResponseReceived", "LlmCallFailed", "ToolExecutionCompleted", "ToolExecutionFailed")


@pytest.mark.parametrize("elsewhere", [None, "agent:v0-elsewhere", "other-1"])
@pytest.mark.parametrize("times", [1, 2, 5])
async def test_an_outcome_whose_id_is_taken_stands_under_the_next_one(
    elsewhere: str | None, times: int
) -> None:
    store = WatchedStore()
    thief = Thief(store, elsewhere, times)
    engine = engine_on(store, scripted(call("work"), "done"), work)
    agent = await engine.start("go")
    assert agent.answer == "done"
    assert len(thief.stolen) == times
    stands = await types(engine, agent.thread_id)
    assert [stands.count(name) for name in OUTCOMES] == [2, 0, 1, 0]
    await assert_sound(engine, agent.thread_id)
    history = await events(engine, agent.thread_id)
    first = next(r for r in history if type(r.event).__name__ in OUTCOMES)
    claim = next(r.id for r in history if isinstance(r.event, LlmCallStarted))
    stream = stream_of(engine, agent.thread_id)
    assert thief.stolen[0] == derived_id(stream, claim, "outcome")
    chain = [thief.stolen[0]]
    while chain[-1] != first.id:
        chain.append(derived_id(stream, chain[-1], "outcome"))
    assert chain[:-1] == thief.stolen[: len(chain) - 1]


async def test_a_claim_left_open_is_closed_though_its_outcomes_id_is_taken() -> None:
    store, gate = WatchedStore(), Gate()
    first = engine_on(store, scripted(gate.answer("never said")))
    async with under_way(first.start("go")):
        await gate.entered.wait()
    agent = await first.latest("last")
    stream = stream_of(first, agent.thread_id)
    claim = agent.view.conversation.state.model_call
    assert claim
    await take(store, stream, derived_id(stream, claim.id, "outcome"))
    second = engine_on(store, scripted("here I am"))
    assert (await (await second.latest("last")).resume()).answer == "here I am"
    await assert_sound(second, agent.thread_id)


async def waiting(store: WatchedStore) -> tuple[Engine, Agent, str]:
    engine = engine_on(store, scripted(call("work"), "so be it"), guarded)
    agent = await engine.start("go")
    return engine, agent, agent.approvals[0].call_id


async def test_a_denial_whose_id_is_taken_stands_under_the_next_one() -> None:
    store = WatchedStore()
    engine, agent, call = await waiting(store)
    stream = stream_of(engine, agent.thread_id)
    await take(store, stream, derived_id(stream, call, "outcome"))
    answered = await (await engine.latest("last")).deny(call)
    assert answered.answer == "so be it"
    await assert_sound(engine, agent.thread_id)


async def test_the_resolution_of_a_late_result_stands_under_the_next_id_too() -> None:
    store, gate = WatchedStore(), Gate()

    @tool(name="work", effect="never")
    async def slow() -> str:
        """Work."""
        await gate.pass_through()
        return "worked after all"

    first = engine_on(store, scripted(call("work")), slow)
    async with under_way(first.start("go")) as slow_turn:
        await gate.entered.wait()
        agent = await first.latest("last")
        stream = stream_of(first, agent.thread_id)
        worked = next(iter(agent.view.conversation.state.calls))
        await take(store, stream, derived_id(stream, worked, "resolution"))
        store.disown(stream)
        second = engine_on(store, scripted("It may have worked.", "It has."), work)
        told = await (await second.latest("last")).resume()
        assert told.answer == "It may have worked."
        gate.opened.set()
        await slow_turn
    history = await events(second, agent.thread_id)
    resolved = [r for r in history if isinstance(r.event, ToolOutcomeResolved)]
    assert [r.event.text for r in resolved if isinstance(r.event, ToolOutcomeResolved)] == [
        "worked after all"
    ]
    taken = derived_id(stream, worked, "resolution")
    assert resolved[0].id == derived_id(stream, taken, "resolution")
    await assert_sound(second, agent.thread_id)


async def test_a_users_message_never_takes_another_id() -> None:
    store = WatchedStore()
    engine = engine_on(store, scripted("hello"))
    agent = await engine.create_agent()
    given = str(uuid4())
    await take(store, "other-1", given)
    with pytest.raises(Exception, match="id"):
        await agent.advance("hi", message_id=given)


async def test_an_outcome_stands_behind_what_others_wrote_under_an_id_of_their_own() -> None:
    store, gate = WatchedStore(), Gate()
    engine = engine_on(store, scripted(gate.answer("mine")))
    async with under_way(engine.start("go")) as turn:
        await gate.entered.wait()
        agent = await engine.latest("last")
        claim = agent.view.conversation.state.model_call
        assert claim
        stream = stream_of(engine, agent.thread_id)
        data = {"llmCallId": claim.id, "model": "m", "text": "theirs", "finishReason": "stop"}
        theirs = NewMessage(str(uuid4()), "LlmResponseReceived", json.dumps(data))
        await store.append(stream, theirs)
        gate.opened.set()
        answered = await turn
    assert answered.answer == "theirs"
    stands = await types(engine, agent.thread_id)
    assert stands[-2:] == ("LlmResponseReceived", "LlmResponseReceived")
    await assert_sound(engine, agent.thread_id)


@pytest.mark.parametrize("elsewhere", [False, True])
async def test_a_start_whose_id_is_taken_stands_under_the_next_one(elsewhere: bool) -> None:
    store, id = WatchedStore(), str(uuid4())
    engine = engine_on(store, scripted("hello", "hello again"))
    stream = stream_of(engine, derived_id("", id, "thread"))
    taken = derived_id(stream, id, "start")
    await take(store, "other-1" if elsewhere else stream, taken)
    agent = await engine.start("hi", message_id=id)
    assert agent.answer == "hello"
    assert await engine.start("hi", message_id=id) == agent
    assert (await types(engine, agent.thread_id)).count("SessionStarted") == 1
    await assert_sound(engine, agent.thread_id)
