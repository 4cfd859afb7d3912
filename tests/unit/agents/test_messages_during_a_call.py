"""What is said while a model is asked is answered too, whoever says it."""

import asyncio
from uuid import uuid4

from messagedb_agent.agent.commands import Cancel, Say
from messagedb_agent.agents.progress import Progress
from messagedb_agent.events.schema import LlmResponseReceived, UserMessageAdded
from messagedb_agent.llm.scripted import call
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
from tests.waiting import until


async def test_a_message_from_another_process_during_a_call_is_answered_after_it() -> None:
    store, gate = WatchedStore(), Gate()
    model = scripted(gate.answer("first answer"), "second answer")
    here, there = engine_on(store, model), engine_on(store, scripted())
    async with under_way(here.start("first question")) as turn:
        await gate.entered.wait()
        agent = await there.latest("last")
        async with under_way(agent.advance("second question")) as other:
            await until(lambda: store.commits[-1].types == ("UserMessageAdded",))
            assert not other.done()
            gate.opened.set()
            first, answered = await turn, await other
    assert (first.answer, answered.answer) == ("first answer", "second answer")
    assert await here.load_agent(first.id) == first
    assert [m.text for m in model.requests[1].messages] == [
        "first question",
        "first answer",
        "second question",
    ]
    assert await types(here, agent.thread_id) == (
        "SessionStarted",
        "UserMessageAdded",
        "LlmCallStarted",
        "UserMessageAdded",
        "LlmResponseReceived",
        "LlmCallStarted",
        "LlmResponseReceived",
    )
    await assert_sound(here, agent.thread_id)


async def test_a_message_during_a_round_stands_after_its_results() -> None:
    store, gate = WatchedStore(), Gate()

    @tool
    async def work() -> str:
        """Work."""
        await gate.pass_through()
        return "worked"

    model = scripted(call("work"), "both")
    here, there = engine_on(store, model, work), engine_on(store, scripted(), work)
    async with under_way(here.start("first")) as turn:
        await gate.entered.wait()
        async with under_way((await there.latest("last")).advance("second")) as other:
            await until(lambda: store.commits[-1].types == ("UserMessageAdded",))
            gate.opened.set()
            assert await other == await turn
    assert [m.text for m in model.requests[1].messages] == ["first", "", "worked", "second"]
    assert len(model.requests) == 2


async def test_a_message_that_comes_as_the_owner_lets_go_is_answered_by_its_sender() -> None:
    """The owner has decided to rest, and has not yet let go of the thread."""
    store = WatchedStore()
    here = engine_on(store, scripted("one"))
    agent = await here.create_agent()
    own = store.own(stream_of(here, agent.thread_id))
    assert await own.__aenter__()
    async with under_way(agent.advance("hello")) as turn:
        await until(lambda: store.commits[-1].types == ("UserMessageAdded",))
        await store.tried_again()
        assert not turn.done()
        await own.__aexit__(None, None, None)
        assert (await turn).answer == "one"
    assert not store.in_hand


async def test_many_messages_at_once_are_all_heard_and_answered() -> None:
    store, gate = WatchedStore(), Gate()
    model = scripted(gate.answer("first"), "all of them")
    here = engine_on(store, model)
    async with under_way(here.start("zero")) as turn:
        await gate.entered.wait()
        agent = await here.latest("last")
        others = [
            asyncio.create_task(agent.advance(f"message {n}", at_head=True)) for n in range(8)
        ]
        await until(lambda: sum(c.types == ("UserMessageAdded",) for c in store.commits) == 8)
        gate.opened.set()
        assert (await turn).answer == "first"
        ended = {await other for other in others}
    assert len(ended) == 1
    rows = [r.event for r in await events(here, agent.thread_id)]
    said = [e.text for e in rows if isinstance(e, UserMessageAdded)]
    assert sorted(said) == ["message 0", *[f"message {n}" for n in range(1, 8)], "zero"]
    assert [e.text for e in rows if isinstance(e, LlmResponseReceived)] == ["first", "all of them"]
    assert [m.text for m in model.requests[1].messages][2:] == said[1:]
    await assert_sound(here, agent.thread_id)


async def test_progress_tells_of_every_new_event_and_of_the_words_as_they_come() -> None:
    engine = engine_on(WatchedStore(), scripted("one", "two and more"))
    agent = await engine.start("hello")
    seen: list[str] = []
    words: list[str] = []
    progress = Progress(lambda d: words.append(d.text), lambda r: seen.append(r.id))
    answered = await agent.advance("again", progress=progress)
    rows = await events(engine, agent.thread_id)
    assert seen == [r.id for r in rows if r.position > agent.position]
    assert "".join(words) == answered.answer
    assert len(words) == 3


async def test_who_is_interrupted_does_not_get_the_answer_to_who_interrupted() -> None:
    store, gate, id = WatchedStore(), Gate(), str(uuid4())
    here = engine_on(store, scripted(gate.answer("never"), "to the second"))
    async with under_way(here.start("first", message_id=id)) as turn:
        await gate.entered.wait()
        there = engine_on(store)
        newest = await there.latest("last")
        async with under_way(there.ask(newest, Cancel(), Say("second"))) as other:
            first, second = await turn, await other
    assert second.answer == "to the second"
    assert (first.answer, first.thread_id) == (None, second.thread_id)
    assert first.position < second.position
    assert await engine_on(store).start("first", message_id=id) == first
    await assert_sound(here, first.thread_id)
