"""Threads that a worker puts aside, as they keep failing, and those that it does not."""

from collections import Counter
from collections.abc import AsyncIterator

from messagedb_agent.consumers import Patience, parking_of
from messagedb_agent.errors import IntegrityError, StoreUnavailable
from messagedb_agent.events.request import CallFailure
from messagedb_agent.events.values import Limits
from messagedb_agent.llm.scripted import call
from messagedb_agent.store.message import Message
from tests.contract.messages import new
from tests.unit.consumers.working import parked, rests, status, working
from tests.unit.engine.world import (
    Gate,
    WatchedStore,
    assert_sound,
    engine_on,
    look,
    scripted,
    stream_of,
)
from tests.waiting import until


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
