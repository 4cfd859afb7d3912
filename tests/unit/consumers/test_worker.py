"""What a worker does with threads that have news."""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from messagedb_agent.agents.engine import Engine
from messagedb_agent.consumers import Patience, Worker, parking_of, share
from messagedb_agent.errors import IntegrityError, StoreUnavailable, ValidationError
from messagedb_agent.events.request import CallFailure
from messagedb_agent.events.values import Limits
from messagedb_agent.llm.scripted import call
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.store.message import Message
from tests.contract.messages import new
from tests.unit.consumers.working import parked, position, rests, status, working
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


async def reached(engine: Engine) -> bool:
    """Say whether a slot alone has noted all there is."""
    (newest,) = await engine.store.newest_streams("agent:v0", limit=1)
    return await position(engine, "workers-0-of-1") == newest.global_position


async def test_the_end_notes_how_far_all_is_handled() -> None:
    engine = engine_on(WatchedStore(), scripted("yes"))
    agent = await engine.start("go", detached=True)
    async with working(engine, size=1):
        await rests(engine, agent)
        await until(lambda: reached(engine))
    assert await reached(engine)


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


class PoisonedStore(WatchedStore):
    """A store in which some streams cannot be read.

    Attributes:
        poisoned: what reading a stream raises.
        read_often: how often each stream was read.
    """

    def __init__(self) -> None:
        super().__init__()
        self.poisoned: dict[str, Exception] = {}
        self.tried: list[str] = []
        self.read_often = Counter[str]()

    async def read(
        self, stream: str, *, position: int = 0, until: int | None = None
    ) -> AsyncIterator[Message]:
        self.read_often[stream] += 1
        if error := self.poisoned.get(stream):
            self.tried.append(stream)
            raise error
        async for message in super().read(stream, position=position, until=until):
            yield message


async def test_a_thread_that_keeps_failing_is_parked_and_the_others_go_on() -> None:
    store = PoisonedStore()
    engine = engine_on(store, scripted("yes", "no more"))
    bad = await engine.start("bad", detached=True)
    stream = stream_of(engine, bad.thread_id)
    store.poisoned[stream] = IntegrityError("it is cut")
    good = await engine.start("good", detached=True)
    client = engine_on(store)
    async with working(engine_on(store, engine.models("offline")), patience=Patience(3, 0.01)):
        await rests(client, good)
        parking = await parked(client, bad)
        (aside,) = parking.parked
        assert (aside.thread_id, aside.position, aside.tries) == (bad.thread_id, 1, 3)
        assert aside.global_position > 0
        assert aside.reason == "IntegrityError: it is cut"
        tried = store.tried.count(stream)
        await store.append(stream, new("UserMessageAdded", '{"text": "again"}'))
        await engine.create_agent()
        await store.tried_again(1)
        assert store.tried.count(stream) == tried == 3
        del store.poisoned[stream]
        await parking.replay(aside)
        await rests(client, bad)
        assert (await client.latest(bad.thread_id)).answer == "no more"


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


async def test_who_takes_a_slot_tries_what_was_replayed_before() -> None:
    store = PoisonedStore()
    engine = engine_on(store, scripted("after all"))
    agent = await engine.start("bad", detached=True)
    stream = stream_of(engine, agent.thread_id)
    store.poisoned[stream] = IntegrityError("it is cut")
    async with working(engine_on(store, scripted()), size=1):
        parking = await parked(engine, agent)
    del store.poisoned[stream]
    await parking.replay(parking.parked[0])
    async with working(engine_on(store, scripted("after all")), size=1):
        await rests(engine_on(store), agent)
    await parking.catch_up()
    assert parking.replayed == ()  # and so the next one need not


async def test_a_thread_that_a_worker_of_another_size_has_parked_is_let_go_of() -> None:
    store = PoisonedStore()
    client = engine_on(store)
    agent = await client.start("bad", detached=True)
    stream = stream_of(client, agent.thread_id)
    store.poisoned[stream] = IntegrityError("it is cut")
    patient = Patience(10**9, 0.01, 0.02)
    async with working(engine_on(store, scripted("after all")), size=1, patience=patient):
        await until(lambda: store.tried)
        async with working(engine_on(store, scripted()), size=2, patience=Patience(2, 0.01)):
            parking = await parked(client, agent)

        async def heard() -> None:
            before = store.read_often[parking.stream]
            await until(lambda: store.read_often[parking.stream] >= before + 3)

        await heard()
        tried = store.tried.count(stream)
        await heard()
        assert store.tried.count(stream) == tried
        del store.poisoned[stream]
        await parking.replay(parking.parked[0])
        await rests(client, agent)


async def test_what_is_dropped_is_tried_when_it_has_news_and_not_before() -> None:
    store = PoisonedStore()
    engine = engine_on(store, scripted("after all"))
    agent = await engine.start("bad", detached=True)
    stream = stream_of(engine, agent.thread_id)
    store.poisoned[stream] = IntegrityError("it is cut")
    client = engine_on(store)
    async with working(engine_on(store, scripted("after all"))):
        parking = await parked(engine, agent)
        del store.poisoned[stream]
        await parking.drop(parking.parked[0])
        await parking.catch_up()
        assert parking.parked == ()
        before = store.read_often[parking.stream]
        await until(lambda: store.read_often[parking.stream] >= before + 3)  # by the worker
        assert await status(client, agent) == "ready"
        await store.append(stream, new("UserMessageAdded", '{"text": "again"}'))
        await rests(client, agent)


async def test_a_thread_that_needs_newer_code_is_parked_at_once() -> None:
    store = WatchedStore()
    engine = engine_on(store, scripted())
    agent = await engine.create_agent()
    critical = '{"localProperties": {"critical": true}, "schemaVersion": "2"}'
    await store.append(stream_of(engine, agent.thread_id), new("Unheard", "{}", critical))
    async with working(engine_on(store, scripted())):
        parking = await parked(engine, agent)
    assert "newer code" in parking.parked[0].reason


class FailingStore(WatchedStore):
    """A store that goes away for a while.

    Attributes:
        is_away: whether it is away.
        refused: how often it was asked for something meanwhile.
    """

    is_away = False
    refused = 0

    def _check_open(self) -> None:
        super()._check_open()
        if self.is_away:
            self.refused += 1
            raise StoreUnavailable("away")


async def test_a_store_that_goes_away_parks_nothing_and_all_is_done_when_it_is_back() -> None:
    store, gate = FailingStore(), Gate()
    engine = engine_on(store, scripted(gate.answer("one"), "one", "two", "two"))
    first = await engine.start("first", detached=True)
    async with working(engine, patience=Patience(2, 0.01, 0.05)):
        await gate.entered.wait()
        second = await engine.start("second", detached=True)
        store.is_away = True
        gate.opened.set()
        await until(lambda: store.refused > 10)
        store.is_away = False
        client = engine_on(store)
        await rests(client, first, second)
        parking = parking_of(client, "workers")
        await parking.catch_up()
        assert parking.parked == ()
    for agent in (first, second):
        await assert_sound(client, agent.thread_id)


async def test_a_failed_model_and_a_reached_limit_are_rests_and_no_errors() -> None:
    store = WatchedStore()
    engine = engine_on(store, scripted(CallFailure("refused", "no"), call("look")), look)
    failed = await engine.start("fail", detached=True)
    client = engine_on(store)
    async with working(engine):
        await rests(client, failed, at="failed")
        limited = engine.define(limits=Limits(calls_per_turn=1))
        stopped = await engine.start("stop", definition=limited, detached=True)
        await rests(client, stopped, at="limit")
        parking = parking_of(client, "workers")
        await parking.catch_up()
        assert parking.parked == ()


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
    monkeypatch.setattr(share, "_MOST_FOREIGN", 2)
    store = WatchedStore()
    engine = engine_on(store, scripted("yes"))
    for number in range(12):
        await store.append(f"agent:v0-two words {number % 4}", new())
    agent = await engine.start("go", detached=True)
    async with working(engine, size=1):
        await rests(engine, agent)
    assert len([r for r in caplog.records if "two words" in r.getMessage()]) == 2


def reported(caplog: pytest.LogCaptureFixture, what: str) -> logging.LogRecord:
    """Return the last line of the log that says `what`."""
    return [record for record in caplog.records if record.getMessage() == what][-1]


async def test_a_worker_that_is_stopped_lets_what_is_under_way_come_to_rest(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    gate, store = Gate(), WatchedStore()
    engine = engine_on(store, scripted(gate.answer("yes"), "too late"))
    agent = await engine.start("go", detached=True)
    worker = Worker(engine)
    task = asyncio.create_task(worker.run())
    await gate.entered.wait()
    worker.stop()
    await until(lambda: store.in_hand == {stream_of(engine, agent.thread_id)})  # no slot
    later = await engine.start("later", detached=True)
    gate.opened.set()
    await task
    client = engine_on(store)
    assert await status(client, agent) == "waiting"
    assert await status(client, later) == "ready"
    assert not store.in_hand
    assert vars(reported(caplog, "stopped"))["lag"] == 0  # of what was read before its end


async def test_what_outlasts_the_grace_is_cancelled_and_taken_up_by_the_next_worker(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    gate, store = Gate(), WatchedStore()
    engine = engine_on(store, scripted(gate.answer("never")))
    agent = await engine.start("go", detached=True)
    worker = Worker(engine, grace_s=0)
    task = asyncio.create_task(worker.run())
    await gate.entered.wait()
    (newest,) = await store.newest_streams("agent:v0", limit=1)
    worker.stop()
    await task
    assert 0 < vars(reported(caplog, "stopped"))["lag"] <= newest.global_position
    client = engine_on(store)
    async with working(engine_on(store, scripted("yes"))):
        await rests(client, agent)
    assert (await client.latest(agent.thread_id)).answer == "yes"
    await assert_sound(client, agent.thread_id)


async def test_the_log_says_whether_anybody_had_a_slot_before(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    store = WatchedStore()
    for told in ("slot taken that nobody had before", "slot taken after a clean end"):
        caplog.clear()
        async with working(engine_on(store), size=1):
            await until(lambda: any("slot taken" in r.getMessage() for r in caplog.records))
        reported(caplog, told)


async def test_whoever_loses_a_slot_stops_its_work_and_takes_it_again() -> None:
    gate, store = Gate(), WatchedStore()
    engine = engine_on(store, scripted(gate.answer("never"), "yes"))
    agent = await engine.start("go", detached=True)
    async with working(engine, size=1):
        await gate.entered.wait()
        for stream in store.in_hand:  # the connection that all locks are on
            store.lose(stream)
        await until(lambda: gate.gone)
        await rests(engine_on(store), agent)
    assert (await engine_on(store).latest(agent.thread_id)).answer == "yes"
    await assert_sound(engine_on(store), agent.thread_id)


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
