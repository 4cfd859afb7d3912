"""The engine on a real Message DB: several processes' stores, real locks, foreign SQL."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import product
from uuid import uuid4

import psycopg

from messagedb_agent.agent.commands import Say
from messagedb_agent.agents.agent import Agent
from messagedb_agent.agents.engine import Engine
from messagedb_agent.engine.saying import Saying
from messagedb_agent.llm.model import LanguageModel
from messagedb_agent.llm.offline import OfflineModel
from messagedb_agent.llm.scripted import ScriptedModel, call
from messagedb_agent.store.hold import Hold
from messagedb_agent.store.message import Appended, NewMessage
from messagedb_agent.store.message_db import MessageDbStore
from messagedb_agent.store.ownership import lock_keys
from messagedb_agent.tools.builtin import builtin_tools
from messagedb_agent.tools.function_tool import tool
from messagedb_agent.tools.object_tool import AnyTool
from messagedb_agent.tools.toolbox import Toolbox
from tests.integration.verify.threads import TURN
from tests.unit.engine.world import (
    Gate,
    assert_sound,
    events,
    journal_of,
    model_answers,
    scripted,
    stream_of,
    types,
    under_way,
)
from tests.waiting import until

COMMITS = 4  # of a turn with one tool call


class WatchedStore(MessageDbStore):
    """A store that says what is asked of it.

    Attributes:
        tries: how often somebody has tried to own a stream.
        appends: how many appends have begun.
        begun: set with the append that brings `appends` to `awaited`.
    """

    tries = 0
    appends = 0
    awaited = 0
    begun: asyncio.Event

    def own(self, stream: str) -> AbstractAsyncContextManager[Hold | None]:
        self.tries += 1
        return super().own(stream)

    async def append(
        self, stream: str, *messages: NewMessage, expected_version: int | None = None
    ) -> Appended:
        self.appends += 1
        if self.appends == self.awaited:
            self.begun.set()
        return await super().append(stream, *messages, expected_version=expected_version)

    def await_append(self, number: int) -> None:
        """Let `begun` be set with this append from now on, counted from 1."""
        self.awaited, self.begun = self.appends + number, asyncio.Event()


def watched(engine: Engine) -> WatchedStore:
    assert isinstance(engine.store, WatchedStore)
    return engine.store


@asynccontextmanager
async def processes(
    url: str, category: str, count: int, model: LanguageModel, *tools: AnyTool
) -> AsyncIterator[list[Engine]]:
    """Yield engines that share nothing but the database and the model's script."""
    stores = [await WatchedStore.connect(url) for _ in range(count)]
    try:
        yield [Engine(store, lambda _: model, Toolbox(*tools), category) for store in stores]
        for store in stores:
            assert store.connections_in_use == 0
    finally:
        for store in stores:
            await store.close()


async def test_a_turn_with_the_offline_model_and_a_real_tool(store_url: str, category: str) -> None:
    async with processes(store_url, category, 2, OfflineModel(), *builtin_tools()) as (one, two):
        agent = await one.start("What is 42 * 7?")
        assert agent.answer == "42 * 7 = 294."
        assert await types(one, agent.thread_id) == TURN
        assert await two.latest("last") == agent
        assert (await two.load_agent(agent.id)).view == agent.view
        fork = await (await two.load_agent((await _ids(two, agent))[1])).advance("Hello")
        assert len(await types(two, fork.thread_id)) == 4
        for thread in (agent, fork):
            await assert_sound(two, thread.thread_id)
        transactions = await _transactions(store_url, stream_of(one, agent.thread_id))
        assert transactions == [3, 2, 2, 1]  # rows of each commit


async def test_a_message_from_another_process_during_a_slow_call_is_answered(
    store_url: str, category: str
) -> None:
    gate = Gate()
    model = scripted(gate.answer("first"), "second")
    async with processes(store_url, category, 2, model) as (one, two):
        async with under_way(one.start("one")) as turn:
            await gate.entered.wait()
            agent = await two.latest("last")
            async with under_way(agent.advance("two")) as other:
                await said(two, agent.thread_id, "two")
                gate.opened.set()
                first, second = await turn, await other
        assert (first.thread_id, first.answer) == (second.thread_id, "first")
        assert model_answers(second) == ["one", "first", "two", "second"]
        await assert_sound(one, agent.thread_id)


async def test_two_processes_that_resume_at_once_do_every_step_once(
    store_url: str, category: str
) -> None:
    runs: list[str] = []
    stores: dict[WatchedStore, int] = {}  # and how often each had tried before

    @tool
    async def work(part: str) -> str:
        """Work until every process has tried to take the thread on."""
        runs.append(part)
        await until(lambda: all(store.tries > before for store, before in stores.items()))
        return part

    model = ScriptedModel((call("work", part="a"), call("work", part="b")), "done", repeat=True)
    async with processes(store_url, category, 3, model, work) as engines:
        for _ in range(5):
            runs.clear()
            model.requests.clear()
            agent = await engines[0].create_agent()
            journal = await journal_of(engines[0], agent.thread_id)
            await journal.claim(Saying(lambda _: (Say("go"),)))
            ready = [await engine.latest(agent.thread_id) for engine in engines]
            stores.update({watched(engine): watched(engine).tries for engine in engines})
            async with asyncio.timeout(20):
                ended = await asyncio.gather(*(one.resume() for one in ready))
            assert len(set(ended)) == 1
            assert ended[0].answer == "done"
            assert sorted(runs) == ["a", "b"]
            assert len(model.requests) == 2
            await assert_sound(engines[0], agent.thread_id)


async def test_ending_from_another_process_stops_a_slow_call(store_url: str, category: str) -> None:
    gate = Gate()
    async with processes(store_url, category, 2, scripted(gate.answer("never"))) as (one, two):
        async with under_way(one.start("hi")) as turn:
            await gate.entered.wait()
            ended = await (await two.latest("last")).end()
            assert ended.status == "ended"
            assert await turn == ended
        assert gate.left == 0


async def test_who_loses_the_lock_loses_nothing_of_the_thread(
    store_url: str, admin_url: str, category: str
) -> None:
    """The owner's lock connection breaks; another takes over; then the owner's reply comes."""
    first, second = Gate(), Gate()
    model = scripted(first.answer("from the first"), second.answer("from the second"))
    async with processes(store_url, category, 2, model) as (one, two):
        async with under_way(one.start("hi")) as turn:
            await first.entered.wait()
            agent = await two.latest("last")
            async with under_way(agent.resume()) as other:
                await _break_lock(admin_url, stream_of(one, agent.thread_id))
                await second.entered.wait()  # the other has closed the call and asks again
                first.opened.set()
                await until(lambda: first.gone)
                second.opened.set()
                assert await turn == await other
        assert (await turn).answer == "from the second"
        stands = await types(one, agent.thread_id)
        assert stands.count("LlmResponseReceived") == stands.count("LlmCallFailed") == 1
        await assert_sound(one, agent.thread_id)


async def test_a_start_sent_five_times_at_once_is_one_thread(store_url: str, category: str) -> None:
    model, id = ScriptedModel("one"), str(uuid4())
    async with processes(store_url, category, 5, model) as engines:
        async with asyncio.timeout(20):
            agents = await asyncio.gather(*(e.start("hello", message_id=id) for e in engines))
        assert len(set(agents)) == 1
        assert len(model.requests) == 1
        assert len(await types(engines[0], agents[0].thread_id)) == 4
        await assert_sound(engines[0], agents[0].thread_id)


async def test_a_message_written_with_psql_is_answered(store_url: str, category: str) -> None:
    async with processes(store_url, category, 1, scripted("one", "two", "three")) as (engine,):
        agent = await engine.start("first")
        await _write_message(
            store_url, stream_of(engine, agent.thread_id), '{"text": "from SQL", "n": 1e400}'
        )
        answered = await (await engine.latest("last")).resume()
        assert model_answers(answered) == ["first", "one", "from SQL", "two"]

        await _write_message(store_url, f"{category}:v0-raw", '{"text": "hello"}')
        raw = await engine.latest("raw")
        assert raw.status == "foreign"
        assert (await raw.resume()).answer == "three"
        for thread in (agent.thread_id, "raw"):
            assert (await engine.verify(thread)).finding is None
        assert len(await engine.threads()) == 2


async def test_turns_cancelled_at_any_moment_are_finished_and_nothing_stays_in_use(
    store_url: str, category: str
) -> None:
    @tool(effect="retry")
    async def look() -> str:
        """Look."""
        await steps(10)
        return "seen"

    async with processes(store_url, category, 1, ScriptedModel(), look) as (engine,):
        store = watched(engine)
        await engine.create_agent()  # connections are made
        before = asyncio.all_tasks()
        stopped_at: set[int] = set()
        for number, later in product(range(1, COMMITS + 1), (0, 2, 6, 15, 30, 60)):
            model = ScriptedModel(call("look"), "done", repeat=True)
            here = Engine(store, lambda _, m=model: m, Toolbox(look), category)
            agent = await here.create_agent()
            store.await_append(number)
            turn = asyncio.create_task(agent.advance("go"))
            await store.begun.wait()
            await steps(later)
            turn.cancel()
            await asyncio.gather(turn, return_exceptions=True)
            there = Engine(
                store, lambda _: ScriptedModel("done", repeat=True), Toolbox(look), category
            )
            newest = await there.latest(agent.thread_id)
            stopped_at.add(newest.position)
            async with asyncio.timeout(20):
                resumed = await newest.resume()
            assert resumed.status == "waiting"
            await assert_sound(there, agent.thread_id)
            assert store.connections_in_use == 0
            async with store.own(stream_of(here, agent.thread_id)) as mine:
                assert mine
        assert asyncio.all_tasks() == before
        assert len(stopped_at) > 2


async def steps(count: int) -> None:
    """Let everything else go on for some steps of the event loop."""
    for _ in range(count):
        await asyncio.sleep(0)


async def said(engine: Engine, thread_id: str, text: str) -> None:
    """Wait until a message stands in a thread."""
    await until(lambda: _stands(engine, thread_id, text))


async def _stands(engine: Engine, thread_id: str, text: str) -> bool:
    return text in [getattr(r.event, "text", "") for r in await events(engine, thread_id)]


async def _ids(engine: Engine, agent: Agent) -> list[str]:
    return [message.id async for message in engine.messages(agent.thread_id)]


async def _transactions(url: str, stream: str) -> list[int]:
    """Return how many rows each transaction wrote into a stream, in order."""
    async with await psycopg.AsyncConnection.connect(url) as connection:
        cursor = await connection.execute(
            "SELECT count(*) FROM messages WHERE stream_name = %s GROUP BY xmin::text"
            " ORDER BY min(position)",
            (stream,),
        )
        return [rows for (rows,) in await cursor.fetchall()]


async def _write_message(url: str, stream: str, data: str) -> None:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute(
            "SELECT write_message(%s, %s, 'UserMessageAdded', %s::jsonb)",
            (str(uuid4()), stream, data),
        )


async def _break_lock(admin_url: str, stream: str) -> None:
    """End the session that owns a stream; other tests work on the same server."""
    keys = tuple(key % 2**32 for key in lock_keys(stream))
    async with await psycopg.AsyncConnection.connect(admin_url, autocommit=True) as connection:
        cursor = await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
            " AND objsubid = 2 AND granted AND classid = %s::bigint AND objid = %s::bigint",
            keys,
        )
        assert await cursor.fetchall() == [(True,)]
