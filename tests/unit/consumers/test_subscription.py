"""Handlers that throw, hang, die or stand in the way; nothing of it stops the others."""

import asyncio
import sys
import time
from contextlib import suppress

import pytest

from messagedb_agent import MemoryStore, Subscription
from messagedb_agent.consumers import Patience
from messagedb_agent.errors import (
    ConfigurationError,
    HandlerFailed,
    NotFound,
    RefusedName,
    StoreUnavailable,
    ValidationError,
)
from messagedb_agent.store.message import Message
from messagedb_agent.store.store import Reader
from tests.contract.messages import many, new
from tests.unit.consumers.subscribing import (
    Seen,
    consumed,
    consuming,
    noted,
    parking,
    subscribed,
    written,
)
from tests.waiting import PATIENCE_S, until

CATEGORY = "orders"


class ReadOnly:
    """What a reader alone offers."""

    def __init__(self, store: MemoryStore) -> None:
        self.read = store.read
        self.read_category = store.read_category
        self.by_id = store.by_id
        self.last = store.last
        self.stream_version = store.stream_version


async def nothing(_: Message) -> None:
    pass


async def with_connection(_: Message, __: object) -> None:
    pass


@pytest.mark.parametrize("how", ["hangs", "swallows", "blocks", "exits", "cancels", "not found"])
async def test_whatever_a_handler_does_its_message_is_parked_and_the_others_go_on(
    how: str,
) -> None:
    store, seen = MemoryStore(), Seen()
    await written(store, CATEGORY, "bad", "good", "bad", "good")

    async def handle(message: Message) -> None:
        if message.stream_name != f"{CATEGORY}-bad":
            return await seen(message)
        match how:
            case "hangs":
                await asyncio.sleep(PATIENCE_S)
            case "swallows":
                with suppress(asyncio.CancelledError):
                    await asyncio.sleep(PATIENCE_S)
                raise ValueError("cancelled")
            case "blocks":
                time.sleep(0.1)  # noqa: ASYNC251 - which is the point
                await asyncio.sleep(PATIENCE_S)
            case "exits":
                sys.exit(3)
            case "cancels":
                raise asyncio.CancelledError
            case "not found":
                raise NotFound("thread", "7")

    await consumed(store, CATEGORY, handle, timeout_s=0.05)
    assert seen.of("good") == [0, 1]
    (parked,) = (await parking(store, CATEGORY)).parked
    assert (parked.position, parked.tries) == (0, 3)
    reasons = {
        "hangs": "TimeoutError: it took longer than 0.05 s",
        "blocks": "TimeoutError: it took longer than 0.05 s",
        "swallows": "TimeoutError: it took longer than 0.05 s",
        "exits": "SystemExit: 3",
        "cancels": "CancelledError: it cancelled itself",
        "not found": "NotFound: no thread '7'",
    }
    assert parked.reason == reasons[how]


async def test_a_handler_that_will_not_end_is_left_behind_and_counts_no_more() -> None:
    store, seen = MemoryStore(), Seen()
    await written(store, CATEGORY, "bad", "good")
    release = asyncio.Event()

    async def handle(message: Message) -> None:
        while message.stream_name == f"{CATEGORY}-bad" and not release.is_set():
            with suppress(asyncio.CancelledError):
                await release.wait()
        await seen(message)

    await consumed(store, CATEGORY, handle, timeout_s=0.01, patience=Patience(tries=1))
    assert seen.places == [("good", 0)]
    assert [parked.position for parked in (await parking(store, CATEGORY)).parked] == [0]
    release.set()
    await until(lambda: seen.of("bad") == [0])  # though nobody waits for it


async def test_each_message_has_its_own_time() -> None:
    store, seen = MemoryStore(), Seen()
    await store.append(f"{CATEGORY}-1", *many(10))

    async def handle(message: Message) -> None:
        await asyncio.sleep(0.1)
        await seen(message)

    await consumed(store, CATEGORY, handle, timeout_s=0.6)
    assert seen.of("1") == list(range(10))


async def test_each_message_has_its_own_tries() -> None:
    store = MemoryStore()
    await store.append(f"{CATEGORY}-1", *many(10))
    tried: list[int] = []

    async def handle(message: Message) -> None:
        tried.append(message.position)
        if tried.count(message.position) < 3:
            raise ValueError

    await consumed(store, CATEGORY, handle)
    assert not (await parking(store, CATEGORY)).parked
    assert tried == [n for n in range(10) for _ in range(3)]


async def test_a_thread_longer_than_what_is_kept_in_hand_is_handled_in_order() -> None:
    store, seen = MemoryStore(), Seen()
    for _ in range(13):
        await store.append(f"{CATEGORY}-long", *many(100))
        await written(store, CATEGORY, "short")
    seen.wrong.add(("long", 700))
    await consumed(store, CATEGORY, seen)
    assert seen.of("long") == list(range(700))
    assert seen.of("short") == list(range(13))
    seen.wrong.clear()
    aside = await parking(store, CATEGORY)
    await aside.replay(aside.parked[0])
    await consumed(store, CATEGORY, seen)
    assert seen.of("long") == list(range(1300))


async def test_a_thread_that_goes_on_is_taken_up_again_by_the_next_run() -> None:
    store, seen = MemoryStore(), Seen(wrong={("bad", 0)})
    await written(store, CATEGORY, "bad", "bad", "good")
    await consumed(store, CATEGORY, seen)
    aside = await parking(store, CATEGORY)
    await aside.replay(aside.parked[0])
    crashed = subscribed(store, CATEGORY, lambda _: time.sleep(0.2))
    task = asyncio.create_task(crashed.run())
    await until(lambda: crashed.position)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    seen.wrong.clear()
    await consumed(store, CATEGORY, seen)
    assert seen.of("bad") == [0, 1]
    await consumed(store, CATEGORY, seen)
    assert seen.of("bad") == [0, 1], "it rests"


async def test_the_position_stays_before_what_is_not_handled() -> None:
    store, seen = MemoryStore(), Seen()
    places = await written(store, CATEGORY, "slow", "quick", "quick")
    release = asyncio.Event()

    async def handle(message: Message) -> None:
        if message.stream_name == f"{CATEGORY}-slow":
            await release.wait()
        await seen(message)

    async with consuming(store, CATEGORY, handle) as subscription:
        await until(lambda: seen.of("quick") == [0, 1])
        assert subscription.position < places[0]
        assert subscription.lag == places[-1]
        release.set()
        await until(lambda: subscription.position == places[-1])
        assert subscription.lag == 0
    assert await noted(store, CATEGORY) == places[-1]


async def test_what_is_under_way_when_it_is_stopped_ends_and_what_waits_does_not_begin() -> None:
    store, seen, begun = MemoryStore(), Seen(), asyncio.Event()
    await written(store, CATEGORY, "1", "2")

    async def handle(message: Message) -> None:
        begun.set()
        await asyncio.sleep(0.2)
        await seen(message)

    async with consuming(store, CATEGORY, handle, concurrency=1):
        await begun.wait()
    assert seen.places == [("1", 0)]
    await consumed(store, CATEGORY, seen)
    assert seen.places[-1] == ("2", 0)


@pytest.mark.parametrize("end", ["stopped", "cancelled", "failing"])
async def test_of_what_was_handled_of_a_stream_no_more_than_the_last_comes_again(end: str) -> None:
    store, seen, is_first = MemoryStore(), Seen(), True
    places = await written(store, CATEGORY, *["1"] * 5)

    async def handle(message: Message) -> None:
        if is_first and message.position == 3:
            if end == "failing":
                raise StoreUnavailable("the handler's own")
            if end == "cancelled":
                await asyncio.sleep(PATIENCE_S)
        await seen(message)
        if is_first and message.position == 2 and end == "stopped":
            subscription.stop()

    async with consuming(store, CATEGORY, handle, grace_s=0.05) as subscription:
        await until(lambda: seen.of("1") == [0, 1, 2])
        await until(lambda: subscription.position == places[2])
    assert await noted(store, CATEGORY) == places[2]
    assert subscription.lag == places[4] - places[2]
    is_first = False
    assert (await consumed(store, CATEGORY, handle)).lag == 0
    assert seen.of("1") == [0, 1, 2, 2, 3, 4]  # the noted position is read again


async def test_what_lasts_longer_than_the_grace_is_cancelled_and_comes_again() -> None:
    store, seen = MemoryStore(), Seen()
    await written(store, CATEGORY, "1", "2", "2")

    async def handle(message: Message) -> None:
        if message.stream_name == f"{CATEGORY}-1":
            await asyncio.sleep(PATIENCE_S)
        await seen(message)

    async with consuming(store, CATEGORY, handle, grace_s=0.05):
        await until(lambda: seen.of("2") == [0, 1])
    assert await noted(store, CATEGORY) is None  # though what stands behind it is handled
    await consumed(store, CATEGORY, seen)
    assert seen.of("1") == [0]


async def test_a_store_that_is_away_is_waited_for_and_no_message_is_to_blame() -> None:
    class Away(MemoryStore):
        failures = 5

        async def last(self, stream: str, *, type: str | None = None) -> Message | None:
            if self.failures > 0:
                self.failures -= 1
                raise StoreUnavailable("away")
            return await super().last(stream, type=type)

    store, seen, asked = Away(), Seen(), 0

    async def handle(message: Message) -> None:
        nonlocal asked
        asked += 1
        if asked <= 5:  # more often than a message may fail
            raise StoreUnavailable("the handler's own")
        await seen(message)

    await written(store, CATEGORY, "1")
    await consumed(store, CATEGORY, handle)
    assert seen.places == [("1", 0)]
    assert not (await parking(store, CATEGORY)).parked


async def test_without_a_place_to_park_it_ends_with_the_message_that_failed() -> None:
    store, seen = MemoryStore(), Seen(wrong={("bad", 1)})
    await written(store, CATEGORY, "bad", "bad")
    reader: Reader = ReadOnly(store)
    with pytest.raises(HandlerFailed, match=f"{CATEGORY}-bad/1 is not handled: ValueError: not 1"):
        await consumed(reader, CATEGORY, seen)
    assert seen.places == [("bad", 0)]
    assert await store.streams_with_prefix(f"{CATEGORY}:", limit=9) == []


@pytest.mark.parametrize("size", [None, 1])
async def test_a_handler_without_its_module_ends_it_and_no_message_is_parked_or_lost(
    size: int | None,
) -> None:
    store, seen = MemoryStore(), Seen()

    async def handle(message: Message) -> None:
        if message.position:
            import nowhere_to_be_found  # type: ignore[import-not-found]  # noqa: F401 - on purpose
        await seen(message)

    await written(store, CATEGORY, "1", "2", "1", "2")
    with pytest.raises(ConfigurationError, match="No module named 'nowhere_to_be_found'") as ended:
        await consumed(store, CATEGORY, handle, size=size)
    assert ended.value.field == "handler"
    assert sorted(seen.places) == [("1", 0), ("2", 0)]
    assert not (await parking(store, CATEGORY)).parked
    await consumed(store, CATEGORY, seen, size=size)
    assert set(seen.places) == {("1", 0), ("2", 0), ("1", 1), ("2", 1)}


async def test_a_position_that_another_store_keeps_is_gone_on_at() -> None:
    store, keeper, seen = MemoryStore(), MemoryStore(), Seen()
    await written(store, CATEGORY, *"123")
    for _ in range(2):
        await consumed(ReadOnly(store), CATEGORY, seen, keeper=keeper, size=1)
    assert seen.places == [("1", 0), ("2", 0), ("3", 0), ("3", 0)]


@pytest.mark.parametrize(
    "forged", ['{"streamName": []}', "{}", '{"streamName": "other-1"}', '{"streamName": 7}']
)
async def test_what_others_write_into_its_streams_does_not_stop_it(forged: str) -> None:
    store, seen = MemoryStore(), Seen()
    await written(store, CATEGORY, "1", "two words", "a+b")
    for type in ("ThreadParked", "ThreadReplayed", "ThreadAdvanced", "ThreadRested"):
        await store.append(f"{CATEGORY}:parked-consumer", new(type, forged))
    await store.append(f"{CATEGORY}:position-consumer", new("Recorded", forged))
    await consumed(store, CATEGORY, seen)
    assert sorted(seen.places) == [("1", 0), ("a+b", 0), ("two words", 0)]


async def test_the_name_of_a_group_of_workers_is_refused() -> None:
    store = MemoryStore()
    await store.append("agent:v0+slot-workers-0-of-4", new("SlotTaken"))
    with pytest.raises(ConfigurationError, match="is a group of workers"):
        await consumed(store, "agent:v0", nothing, name="workers")
    await consumed(store, "agent:v0", nothing, name="work")


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"name": "a-b"}, RefusedName),
        ({"category": "orders-1"}, RefusedName),
        ({"correlation": "orders-1"}, RefusedName),
        ({"size": 0}, ValidationError),
        ({"size": 2, "member": 2}, ValidationError),
        ({"start": 0}, ValidationError),
        ({"start": "later"}, ValidationError),
        ({"concurrency": 0}, ValidationError),
        ({"handler": with_connection}, ConfigurationError),
        ({"handler": lambda a, b: None}, ConfigurationError),
        ({"handler": lambda: None}, ConfigurationError),
        ({"handler": lambda a, b, c: None}, ConfigurationError),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_read(
    options: dict[str, object], error: type[Exception]
) -> None:
    given = {"reader": MemoryStore(), "category": CATEGORY, "handler": nothing, **options}
    with pytest.raises(error):
        Subscription(**given)  # type: ignore[arg-type]  # as a caller may
