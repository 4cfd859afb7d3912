"""Rows that others have written into a thread's stream."""

import pytest

from messagedb_agent.errors import Refused
from messagedb_agent.ids import derived_id
from messagedb_agent.llm.scripted import ScriptedModel
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.store.message import NewMessage
from tests.contract.messages import new
from tests.unit.engine.world import (
    Gate,
    WatchedStore,
    engine_on,
    model_answers,
    scripted,
    stream_of,
    types,
    under_way,
)


async def test_a_raw_message_on_a_thread_is_answered_when_it_is_resumed() -> None:
    store = MemoryStore()
    engine = engine_on(store, scripted("one", "two"))
    agent = await engine.start("first")
    await store.append(
        stream_of(engine, agent.thread_id), new("UserMessageAdded", '{"text": "from outside"}')
    )
    newest = await engine_on(store, engine.models("x")).latest("last")
    assert newest.status == "ready"
    answered = await newest.resume()
    assert answered.answer == "two"
    assert model_answers(answered)[2:] == ["from outside", "two"]
    verified = await engine.verify(agent.thread_id)
    assert verified.finding is None
    assert [foreign.type for foreign in verified.foreign] == ["UserMessageAdded"]


async def test_a_thread_that_was_never_started_is_started_with_the_default_definition() -> None:
    store = MemoryStore()
    engine = engine_on(store, scripted("hello to you"))
    await store.append("agent:v0-theirs", new("UserMessageAdded", '{"text": "hello", "odd": 1}'))
    agent = await engine.latest("theirs")
    assert agent.status == "foreign"
    assert agent.definition is None
    answered = await agent.resume(model=None)
    assert answered.answer == "hello to you"
    assert answered.definition == engine.define()
    assert await types(engine, "theirs") == (
        "UserMessageAdded",
        "SessionStarted",
        "LlmCallStarted",
        "LlmResponseReceived",
    )
    assert (await engine.verify("theirs")).finding is None


async def test_a_fork_does_not_begin_behind_what_others_wrote_to_its_stream() -> None:
    store, said = WatchedStore(), "01890a5d-ac96-7747-8f3d-d3f2e1c6a111"
    engine = engine_on(store, scripted("one", "two"))
    old = await engine.start("first")
    await old.advance("second")

    async def be_first(stream: str, _: object) -> None:
        store.before = None
        await store.append(stream, new("SessionTitled", '{"title": "mine"}'))

    store.before = be_first
    for _ in range(2):
        with pytest.raises(Refused, match="others have written"):
            await old.advance("another way", message_id=said)
    fork = derived_id(old.id, said, "thread")
    assert await types(engine, fork) == ("SessionTitled",)


async def test_a_raw_message_while_a_call_is_open_is_answered_by_its_owner() -> None:
    store, gate = WatchedStore(), Gate()
    engine = engine_on(store, scripted(gate.answer("one"), "two"))
    async with under_way(engine.start("first")) as turn:
        await gate.entered.wait()
        stream = store.commits[0].stream
        await store.append(stream, new("UserMessageAdded", '{"text": "from outside"}'))
        gate.opened.set()
        assert (await turn).answer == "one"
    assert (await engine.latest("last")).answer == "two"


async def test_rows_that_mean_nothing_here_change_nothing() -> None:
    store = MemoryStore()
    engine = engine_on(store, scripted("one", "two"))
    agent = await engine.start("first")
    stream = stream_of(engine, agent.thread_id)
    await store.append(
        stream,
        new("UserMessageAdded", None),
        new("UserMessageAdded", '{"txt": "no text"}'),
        new("LlmResponseReceived", '{"llmCallId": 7}'),
        new("OrderPlaced", '{"deep": [1e300, {"a": null}]}'),
        new("SessionStarted", '{"threadId": "x"}', '{"localProperties": 7}'),
        new("LlmCallFailed", '{"llmCallId": "x", "kind": "unheard_of", "message": "?"}'),
        new("UserMessageAdded", f'{{"text": {10**30}}}'),
        new("SessionContinued", f'{{"limits": {{"callsPerTurn": {10**30}}}}}'),
    )
    newest = await engine.latest(agent.thread_id)
    assert newest.status == "waiting"
    assert newest == agent
    answered = await agent.advance("second")
    assert answered.thread_id == agent.thread_id  # nothing has moved on
    assert answered.answer == "two"
    assert (await engine.verify(agent.thread_id)).finding is None


@pytest.mark.parametrize("is_open", [False, True])
async def test_an_unknown_event_that_must_not_be_ignored_stops_everything(is_open: bool) -> None:
    store, gate = WatchedStore(), Gate()
    model = ScriptedModel(gate.answer("one"), "two")
    engine = engine_on(store, model)
    async with under_way(engine.start("first")) as turn:
        await gate.entered.wait()
        if not is_open:
            gate.opened.set()
            await turn
    agent = await engine.latest("last")
    critical = new("FlowChanged", "{}", '{"localProperties": {"critical": true}}')
    await store.append(stream_of(engine, agent.thread_id), critical)
    before = await types(engine, agent.thread_id)
    newest = await engine.latest(agent.thread_id)
    assert newest.status == "upgrade"
    for work in (newest.resume(), newest.advance("hello"), newest.end()):
        with pytest.raises(Refused, match="newer code"):
            await work
    assert len(await engine.threads()) == 1
    assert await types(engine, agent.thread_id) == before
    assert len(model.requests) == 1


async def test_a_critical_event_during_a_call_lets_its_outcome_stand_and_no_more() -> None:
    store, gate = WatchedStore(), Gate()
    engine = engine_on(store, scripted(gate.answer("one"), "two"))
    async with under_way(engine.start("first")) as turn:
        await gate.entered.wait()
        critical = new("FlowChanged", "{}", '{"localProperties": {"critical": true}}')
        message = new("UserMessageAdded", '{"text": "more"}')
        await store.append(store.commits[0].stream, critical, message)
        gate.opened.set()
        stopped = await turn
    assert stopped.status == "upgrade"
    assert (await types(engine, stopped.thread_id))[-1] == "LlmResponseReceived"


async def test_a_claim_of_another_writer_is_closed_by_who_owns_the_thread() -> None:
    store = WatchedStore()
    engine = engine_on(store, scripted("one", "two", "three"))
    agent = await engine.start("first")
    stream = stream_of(engine, agent.thread_id)
    rows = [m async for m in engine.messages(agent.thread_id)]
    claim = next(m for m in rows if m.type == "LlmCallStarted")
    await store.append(stream, new("UserMessageAdded", '{"text": "second"}'))
    await store.append(stream, new("LlmCallStarted", claim.data))
    newest = await engine.latest(agent.thread_id)
    assert newest.status == "running"
    answered = await newest.resume()
    assert answered.answer == "two"
    assert (await types(engine, agent.thread_id))[-3:] == (
        "LlmCallFailed",
        "LlmCallStarted",
        "LlmResponseReceived",
    )


async def test_a_claim_of_another_writer_just_before_ours_is_closed_too() -> None:
    store = WatchedStore()
    engine = engine_on(store, scripted("one", "two"))
    agent = await engine.start("first")
    rows = [m async for m in engine.messages(agent.thread_id)]
    claim = next(m for m in rows if m.type == "LlmCallStarted")

    async def butt_in(stream: str, messages: tuple[NewMessage, ...]) -> None:
        if messages[0].type == "LlmCallStarted":
            store.before = None
            await store.append(stream, new("LlmCallStarted", claim.data))

    await store.append(
        stream_of(engine, agent.thread_id), new("UserMessageAdded", '{"text": "second"}')
    )
    store.before = butt_in
    answered = await (await engine.latest(agent.thread_id)).resume()
    assert answered.answer == "two"
    assert (await types(engine, agent.thread_id))[-4:] == (
        "LlmCallStarted",
        "LlmCallFailed",
        "LlmCallStarted",
        "LlmResponseReceived",
    )
    assert not store.in_hand
