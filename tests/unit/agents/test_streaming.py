"""A turn as it is streamed: typed pieces, the new agent last, and what closing it early means."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from messagedb_agent.agents.agent import Agent
from messagedb_agent.agents.streaming import (
    CLOSED,
    Reasoning,
    Restarted,
    StreamItem,
    Token,
    ToolCalled,
    ToolReturned,
)
from messagedb_agent.errors import LimitReached, ModelError, StoreUnavailable, ValidationError
from messagedb_agent.events.request import CallFailure, Delta, Reply, Request
from messagedb_agent.events.schema import TurnCancelled
from messagedb_agent.events.values import Limits
from messagedb_agent.llm.model import OnDelta
from messagedb_agent.llm.offline import OfflineModel
from messagedb_agent.llm.scripted import call
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.store.message import NewMessage
from messagedb_agent.store.stream_name import id_of
from messagedb_agent.tools.builtin import builtin_tools
from messagedb_agent.tools.function_tool import tool
from tests.unit.engine.world import (
    Gate,
    WatchedStore,
    assert_sound,
    engine_on,
    events,
    scripted,
    stubborn,
    types,
)
from tests.waiting import until


async def all_of(stream: AsyncGenerator[StreamItem, None]) -> list[StreamItem]:
    return [item async for item in stream]


@tool(effect="retry")
def look(what: str) -> str:
    """Look at something."""
    if what == "nothing":
        raise ValueError("there is nothing")
    return f"seen {what}"


async def test_a_stream_gives_tokens_calls_and_results_and_ends_in_the_new_agent() -> None:
    asked = (call("look", what="stars"), call("look", what="nothing"))
    engine = engine_on(MemoryStore(), scripted(asked, "two words"), look)
    agent = await engine.create_agent()
    *items, later = await all_of(agent.stream("look", user="ada"))
    assert isinstance(later, Agent)
    assert (later.answer, later.parent_id) == ("two words", agent.id)
    first, second = items[:2]
    assert isinstance(first, ToolCalled)
    assert isinstance(second, ToolCalled)
    assert (first.name, first.arguments) == ("look", '{"what": "stars"}')
    assert items[2] == ToolReturned(first.call_id, "look", "seen stars")
    assert isinstance(items[3], ToolReturned)
    assert (items[3].call_id, items[3].failed) == (second.call_id, True)
    assert "there is nothing" in items[3].text
    tokens = items[4:]
    assert len(tokens) == 2
    assert "".join(t.text for t in tokens if isinstance(t, Token)) == "two words"
    assert later == await engine.latest(agent.thread_id)


class Halting:
    """A model that thinks, fails once on the way, and speaks in pieces or at once."""

    def __init__(self, *, in_pieces: bool) -> None:
        self._in_pieces = in_pieces

    async def complete(self, request: Request, *, on_delta: OnDelta | None = None) -> Reply:
        assert on_delta is not None
        if self._in_pieces:
            for kind, text in (("reasoning", "hm"), ("text", "wro"), ("restart", "")):
                on_delta(Delta(kind, text))  # type: ignore[arg-type]  # of a list, not a literal
            on_delta(Delta("text", "right"))
        return Reply("m", "right", "stop")


async def test_a_stream_gives_thoughts_and_says_that_an_answer_begins_anew() -> None:
    agent = await engine_on(MemoryStore(), Halting(in_pieces=True)).create_agent()
    items = await all_of(agent.stream("hi"))
    assert items[:-1] == [Reasoning("hm"), Token("wro"), Restarted(), Token("right")]


async def test_an_answer_that_comes_at_once_is_one_token() -> None:
    agent = await engine_on(MemoryStore(), Halting(in_pieces=False)).create_agent()
    assert (await all_of(agent.stream("hi")))[:-1] == [Token("right")]


async def test_nothing_is_said_before_the_first_item_is_asked_for() -> None:
    engine = engine_on(MemoryStore(), scripted("one"))
    agent = await engine.create_agent()
    stream = agent.stream("hi")
    await stream.aclose()
    assert await types(engine, agent.thread_id) == ("SessionStarted",)


async def test_a_stream_raises_what_its_turn_ended_with() -> None:
    model = scripted(CallFailure("refused", "no"), *[call("look", what="stars")] * 2)
    engine = engine_on(MemoryStore(), model, look)
    agent = await engine.create_agent()
    with pytest.raises(ModelError) as failed:
        await all_of(agent.stream("hi"))
    strict = {"limits": Limits(rounds_per_turn=1)}
    with pytest.raises(LimitReached) as stopped:
        await all_of(failed.value.agent.stream("look", **strict))
    assert isinstance(stopped.value.agent, Agent)
    with pytest.raises(ValidationError):
        await all_of(agent.stream(""))


async def test_a_stream_ends_where_an_approval_is_waited_for() -> None:
    @tool(needs_approval=True)
    def burn() -> str:
        """Burn it."""
        return "burnt"

    engine = engine_on(MemoryStore(), scripted(call("burn"), "done"), burn)
    agent = await engine.create_agent()
    asked, waiting = await all_of(agent.stream("burn it"))
    assert isinstance(asked, ToolCalled)
    assert isinstance(waiting, Agent)
    assert waiting.status == "approval"


async def test_closing_a_stream_early_cancels_its_turn_and_the_thread_rests() -> None:
    gate = Gate()
    engine = engine_on(MemoryStore(), scripted(call("work"), "two"), stubborn(gate))
    agent = await engine.create_agent()
    stream = agent.stream("work")
    assert isinstance(await anext(stream), ToolCalled)
    await gate.entered.wait()
    await stream.aclose()
    seen = [recorded.event for recorded in await events(engine, agent.thread_id)]
    assert [e.reason for e in seen if isinstance(e, TurnCancelled)] == [CLOSED]
    head = await engine.latest(agent.thread_id)
    assert head.status == "waiting"
    assert head.view.outcome.cancelled is not None
    assert "ToolExecutionCompleted" in await types(engine, agent.thread_id), "it had taken effect"
    await assert_sound(engine, agent.thread_id)
    assert (await head.advance("again")).answer == "two"


async def test_leaving_the_loop_of_a_stream_cancels_its_turn() -> None:
    gate = Gate()
    engine = engine_on(MemoryStore(), scripted(call("look", what="stars"), gate.answer("late")))
    agent = await engine.create_agent()

    async def first() -> StreamItem:
        async for item in agent.stream("work"):
            return item
        raise AssertionError("nothing came")

    assert isinstance(await first(), ToolCalled)

    async def rests() -> bool:
        return (await engine.latest(agent.thread_id)).status == "waiting"

    await until(rests)
    assert "TurnCancelled" in await types(engine, agent.thread_id)
    await assert_sound(engine, agent.thread_id)


async def test_what_the_body_of_a_loop_raises_comes_through_once_the_turn_has_ended() -> None:
    gate = Gate()
    engine = engine_on(MemoryStore(), scripted(call("work"), "two"), stubborn(gate))
    agent = await engine.create_agent()

    async def read() -> None:
        async with aclosing(agent.stream("work")) as items:
            async for _ in items:
                await gate.entered.wait()
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await read()
    head = await engine.latest(agent.thread_id)
    assert head.status == "waiting"
    assert head.view.outcome.cancelled is not None
    await assert_sound(engine, agent.thread_id)


async def test_cancelling_the_task_that_reads_a_stream_cancels_its_turn() -> None:
    gate = Gate()
    engine = engine_on(MemoryStore(), scripted(call("look", what="stars"), gate.answer("late")))
    agent = await engine.create_agent()
    reading = asyncio.ensure_future(all_of(agent.stream("work")))
    await gate.entered.wait()
    reading.cancel()
    await asyncio.wait([reading])
    assert reading.cancelled()
    assert (await engine.latest(agent.thread_id)).status == "waiting"
    assert "TurnCancelled" in await types(engine, agent.thread_id)
    await assert_sound(engine, agent.thread_id)


async def test_two_streams_of_one_agent_are_two_threads_and_each_gives_its_own() -> None:
    engine = engine_on(MemoryStore(), OfflineModel(), *builtin_tools())
    agent = await engine.create_agent()
    asked = ("What is 6 * 7?", "What is 6 * 8?")
    streams = await asyncio.gather(*(all_of(agent.stream(text)) for text in asked))
    for (*pieces, last), answer in zip(streams, ("6 * 7 = 42.", "6 * 8 = 48."), strict=True):
        assert isinstance(last, Agent)
        assert last.answer == "".join(one.text for one in pieces if isinstance(one, Token))
        assert last.answer == answer
        assert agent in await last.lineage()
        await assert_sound(engine, last.thread_id)
    assert len(await engine.threads()) == 2


async def test_a_stream_that_forks_is_cancelled_in_its_fork_alone() -> None:
    gate = Gate()
    engine = engine_on(MemoryStore(), scripted("one", call("work")), stubborn(gate))
    new = await engine.create_agent()
    head = await new.advance("first")
    stream = new.stream("work")
    await anext(stream)
    await gate.entered.wait()
    await stream.aclose()
    assert await engine.latest(new.thread_id) == head
    ids = {str(id_of(thread.summary.stream)) for thread in await engine.threads()}
    (fork_id,) = ids - {new.thread_id}
    assert (await engine.latest(fork_id)).status == "waiting"
    await assert_sound(engine, fork_id)


async def test_a_stream_closed_while_its_message_is_written_leaves_no_turn_open() -> None:
    store, gate = WatchedStore(), Gate()
    engine = engine_on(store, scripted("one"))
    agent = await engine.create_agent()

    async def wait(stream: str, messages: tuple[NewMessage, ...]) -> None:
        store.after = None
        await gate.pass_through()

    store.after = wait
    stream = agent.stream("hi")
    reading = asyncio.ensure_future(anext(stream))
    await gate.entered.wait()
    reading.cancel()
    await asyncio.sleep(0)
    gate.opened.set()
    await asyncio.wait([reading])
    head = await engine.latest(agent.thread_id)
    assert head.status == "waiting"
    await assert_sound(engine, agent.thread_id)


async def test_a_stream_closed_while_the_store_is_away_leaves_its_turn_to_whoever_resumes() -> None:
    store, gate = WatchedStore(), Gate()
    model = scripted(gate.answer("late"), "one")
    engine = engine_on(store, model)
    agent = await engine.create_agent()

    async def away(stream: str, messages: tuple[NewMessage, ...]) -> None:
        raise StoreUnavailable("away")

    stream = agent.stream("hi")
    reading = asyncio.ensure_future(anext(stream))
    await gate.entered.wait()
    store.before = away
    reading.cancel()
    await asyncio.wait([reading])
    store.before = None
    other = engine_on(store, model)
    assert (await (await other.latest(agent.thread_id)).resume()).answer == "one"
    await assert_sound(other, agent.thread_id)
