"""What a worker does with threads that have news."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from messagedb_agent.consumers import Worker, share, strangers
from messagedb_agent.errors import StoreUnavailable, ValidationError
from messagedb_agent.llm.scripted import call
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.store.message import Message
from tests.contract.messages import new
from tests.unit.consumers.working import position, reached, rests, status, working
from tests.unit.engine.world import (
    Gate,
    WatchedStore,
    assert_sound,
    engine_on,
    look,
    scripted,
    stream_of,
    types,
)
from tests.waiting import until


async def test_what_was_only_written_down_is_answered() -> None:
    engine = engine_on(WatchedStore(), scripted(call("look"), "found nothing"), look)
    agent = await engine.start("look", detached=True)
    assert agent.status == "ready"
    async with working(engine):
        await rests(engine, agent)
    head = await engine.latest(agent.thread_id)
    assert head.answer == "found nothing"
    await assert_sound(engine, agent.thread_id)


async def test_news_that_come_later_are_heard_of() -> None:
    engine = engine_on(WatchedStore(), scripted("one", "two"))
    async with working(engine):
        agent = await engine.start("first", detached=True)
        await rests(engine, agent)
        agent = await (await engine.latest(agent.thread_id)).advance("second", detached=True)
        await rests(engine, agent)
    assert (await engine.latest(agent.thread_id)).answer == "two"


async def test_as_many_threads_as_allowed_are_worked_on_at_once() -> None:
    gate = Gate()
    engine = engine_on(WatchedStore(), scripted(*[gate.answer("yes")] * 5))
    agents = [await engine.start(str(n), detached=True) for n in range(5)]
    async with working(engine, concurrency=3):
        await until(lambda: gate.visits == 3)
        await asyncio.sleep(0.05)
        assert gate.visits == 3
        gate.opened.set()
        await rests(engine, *agents)
    assert gate.visits == 5


async def test_what_is_said_during_a_turn_is_answered_in_the_same_task() -> None:
    gate, store = Gate(), WatchedStore()
    engine = engine_on(store, scripted(gate.answer("one"), "two"))
    agent = await engine.start("first", detached=True)
    async with working(engine):
        await gate.entered.wait()
        await agent.advance("second", at_head=True, detached=True)
        gate.opened.set()
        await until(lambda: len(store.commits) and len(gate_answers(store)) == 2)
        await rests(engine, agent)
    await assert_sound(engine, agent.thread_id)


def gate_answers(store: WatchedStore) -> list[str]:
    return [t for commit in store.commits for t in commit.types if t == "LlmResponseReceived"]


async def test_both_together_never_do_the_same_step_twice() -> None:
    store = WatchedStore()
    model = scripted(*[one for _ in range(20) for one in (call("look"), "found nothing")])
    engine, client = engine_on(store, model, look), engine_on(store, model, look)
    async with working(engine), working(engine_on(store, model, look)):
        for n in range(20):
            agent = await client.start(str(n))
            assert agent.answer == "found nothing"
            await assert_sound(client, agent.thread_id)
    assert len(model.requests) == 40


async def test_a_thread_of_somebody_who_dies_is_finished_though_its_news_were_read_before() -> None:
    store = WatchedStore()
    engine = engine_on(store, scripted("after all"))
    async with working(engine, size=1):
        agent = await engine.create_agent()
        await until(lambda: reached(engine))
        before = await position(engine, "workers-0-of-1")
        async with store.own(stream_of(engine, agent.thread_id)):
            await agent.advance("answer me", detached=True)
            await store.tried_again(3)
            # Others have come to rest behind it, and still it holds the position back.
            await engine.create_agent()
            await store.tried_again(3)
            assert await status(engine, agent) == "ready"
            assert await position(engine, "workers-0-of-1") == before
        await rests(engine, agent)
        await until(lambda: reached(engine))
    assert await position(engine, "workers-0-of-1") != before


async def test_a_thread_whose_tools_are_not_here_is_left_as_it_stands(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = WatchedStore()
    knowing = engine_on(store, scripted(call("look"), "found nothing"), look)
    agent = await knowing.start("look", detached=True)
    plain = engine_on(store, scripted("unasked"))
    other = await plain.start("hello", detached=True)
    async with working(plain):
        await rests(plain, other)
        await store.tried_again(4)
        assert await status(knowing, agent) == "ready"
        assert await types(knowing, agent.thread_id) == ("SessionStarted", "UserMessageAdded")
        async with working(knowing, group="others"):
            await rests(knowing, agent)
    told = [r for r in caplog.records if "look" in r.getMessage()]
    assert [r.levelno for r in told] == [logging.WARNING]
    await assert_sound(knowing, agent.thread_id)


async def test_a_mistake_in_judging_the_news_of_one_thread_keeps_no_thread_waiting(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    engine = engine_on(WatchedStore(), scripted(*["yes"] * 3))
    agents = [await engine.start(str(n), detached=True) for n in range(3)]
    bad = stream_of(engine, agents[0].thread_id)

    def mistaken(rows: Sequence[Message]) -> bool:
        if rows[0].stream_name == bad:
            raise TypeError("no such field")
        return False

    monkeypatch.setattr(share, "rests_behind", mistaken)
    async with working(engine):
        await rests(engine, *agents)
    assert "no such field" in caplog.text


async def test_streams_that_are_no_threads_are_ignored_and_told_of_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = WatchedStore()
    engine = engine_on(store, scripted("yes"))
    for _ in range(3):
        await store.append("agent:v0-two words", new())
    agent = await engine.start("go", detached=True)
    async with working(engine, size=1):
        await rests(engine, agent)
        await until(lambda: reached(engine))
    assert len([r for r in caplog.records if "two words" in r.getMessage()]) == 1


async def test_however_many_streams_are_no_threads_the_log_is_told_of_some_of_them(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strangers, "_MOST_TOLD", 2)
    store = WatchedStore()
    engine = engine_on(store, scripted("yes"))
    for number in range(12):
        await store.append(f"agent:v0-two words {number % 4}", new())
    agent = await engine.start("go", detached=True)
    async with working(engine, size=1):
        await rests(engine, agent)
    assert len([r for r in caplog.records if "two words" in r.getMessage()]) == 2


@pytest.mark.parametrize("options", [{"concurrency": 0}, {"size": 0}, {"group": "a b"}])
def test_a_worker_that_cannot_work_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Worker(engine_on(MemoryStore()), **options)  # type: ignore[arg-type]  # of several types


async def test_a_listener_that_hears_nothing_is_made_up_for_by_looking() -> None:
    class Deaf(WatchedStore):
        @asynccontextmanager
        async def listen(self, category: str) -> AsyncIterator["Silence"]:  # type: ignore[override]  # it never rings
            yield Silence()

    class Silence:
        async def wait(self, seconds: float) -> None:
            await asyncio.sleep(seconds)

    engine = engine_on(Deaf(), scripted("yes"))
    async with working(engine):
        agent = await engine.start("go", detached=True)
        await rests(engine, agent)


async def test_a_long_thread_that_rests_is_not_read_whole() -> None:
    class Counting(WatchedStore):
        rows = 0

        async def read(
            self, stream: str, *, position: int = 0, until: int | None = None
        ) -> AsyncIterator[Message]:
            async for message in super().read(stream, position=position, until=until):
                self.rows += 1
                yield message

    store = Counting()
    client = engine_on(store, scripted(*["yes"] * 200))
    agent = await client.create_agent()
    for n in range(200):
        agent = await agent.advance(str(n))
    async with working(engine_on(store, scripted()), size=1):
        await until(lambda: reached(client))
    title = new("SessionTitled", '{"title": "long"}')
    await store.append(stream_of(client, agent.thread_id), title)
    store.rows = 0
    async with working(engine_on(store, scripted("more")), size=1):
        await until(lambda: reached(client))
        assert 0 < store.rows < 200
        agent = await (await client.latest(agent.thread_id)).advance("more", detached=True)
        await rests(client, agent)
    assert (await client.latest(agent.thread_id)).answer == "more"


async def test_what_was_read_before_the_store_failed_is_seen_to() -> None:
    class Breaking(WatchedStore):
        left = 2  # up to the last message of the first thread

        async def read_category(self, category: str, **options: object) -> AsyncIterator[Message]:
            async for message in super().read_category(category, **options):  # type: ignore[arg-type]  # handed through
                yield message
                self.left -= 1
                if self.left == 0:
                    raise StoreUnavailable("in the middle of a page")

    store = Breaking()
    client = engine_on(store)
    agents = [await client.start(str(n), detached=True) for n in range(3)]
    async with working(engine_on(store, scripted(*["yes"] * 3)), size=1):
        await rests(client, *agents)
        await until(lambda: reached(client))
    assert store.left < 0
