"""What is known of a worker that died, by whoever takes its slot."""

import pytest

from messagedb_agent.clock import SystemClock
from messagedb_agent.consumers.names import Group
from messagedb_agent.consumers.slot_log import Deaths, Found, SlotLog
from messagedb_agent.ids import TimeOrderedIds
from messagedb_agent.store.hold import Hold
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.store.message import Appended, NewMessage
from tests.contract.messages import new

IDS = TimeOrderedIds(SystemClock())
GROUP = Group("agent:v0", "workers")
STREAM = "agent:v0+slot-workers-0-of-1"
CLEAN = Found()


def log_of(store: MemoryStore, worker: str) -> SlotLog:
    return SlotLog(store, GROUP, STREAM, Hold(), worker, IDS)


class Paused(Hold):
    """A slot that was lost during a pause: who asks hears of it."""

    def __init__(self) -> None:
        super().__init__(confirm=self._hear)

    async def _hear(self) -> None:
        self.lost.set()


async def killed(store: MemoryStore, worker: str, *begun: str) -> None:
    """Let a worker die that had begun threads."""
    log = log_of(store, worker)
    found = await log.take()
    ends = {stream: await store.stream_version(stream) for stream in begun}
    await log.begin(ends, found.deaths)


async def test_a_slot_that_nobody_had_or_that_was_released_is_clean() -> None:
    store = MemoryStore()
    assert await log_of(store, "a").take() == Found(is_new=True)
    await log_of(store, "a").release(careful=False, deaths={})
    assert await log_of(store, "b").take() == CLEAN


async def test_a_slot_that_was_not_released_is_not_clean_but_for_who_had_it() -> None:
    store = MemoryStore()
    await log_of(store, "a").take()
    assert await log_of(store, "a").take() == CLEAN  # it has lost its lock, and lives
    assert await log_of(store, "b").take() == Found(is_clean=False)


async def test_who_loses_a_careful_slot_and_takes_it_again_is_careful_still() -> None:
    store = MemoryStore()
    await log_of(store, "a").take()
    assert await log_of(store, "b").take() == Found(is_clean=False)
    assert await log_of(store, "b").take() == Found(is_clean=False)  # nothing was begun yet
    await log_of(store, "b").begin({"agent:v0-1": -1}, {})
    assert await log_of(store, "b").take() == Found(is_clean=False)  # nobody has died of it
    await log_of(store, "b").clear()
    assert await log_of(store, "b").take() == CLEAN


async def test_who_gives_a_careful_slot_up_leaves_its_suspects_to_the_next() -> None:
    store = MemoryStore()
    await store.append("agent:v0-1", new())
    await store.append("agent:v0-2", new())
    await killed(store, "a", "agent:v0-1", "agent:v0-2")
    found = await log_of(store, "b").take()
    await log_of(store, "b").release(careful=True, deaths=found.deaths)
    await store.append("agent:v0-2", new())
    found = await log_of(store, "c").take()
    assert found == Found(is_clean=False, deaths={"agent:v0-1": Deaths(0, 1)})


async def test_deaths_are_counted_of_what_was_begun_last_and_has_not_moved() -> None:
    store = MemoryStore()
    for stream in ("agent:v0-1", "agent:v0-2"):
        await store.append(stream, new())
    await killed(store, "a", "agent:v0-1", "agent:v0-2")
    await store.append("agent:v0-2", new())  # it had claimed something
    for count in (1, 2, 3):
        found = await log_of(store, f"b{count}").take()
        assert found == Found(is_clean=False, deaths={"agent:v0-1": Deaths(0, count)})
        await log_of(store, f"b{count}").begin({"agent:v0-1": 0}, found.deaths)


async def test_a_thread_that_moves_is_cleared_of_all_deaths() -> None:
    store = MemoryStore()
    await store.append("agent:v0-1", new())
    for worker in ("a", "b"):
        await killed(store, worker, "agent:v0-1")
    await store.append("agent:v0-1", new())  # the second one had claimed something
    assert (await log_of(store, "c").take()).deaths == {}
    await killed(store, "d", "agent:v0-1")
    await store.append("agent:v0-1", new())
    await killed(store, "e", "agent:v0-1")
    assert (await log_of(store, "f").take()).deaths == {"agent:v0-1": Deaths(2, 1)}


async def test_deaths_are_kept_until_nothing_is_under_suspicion() -> None:
    store = MemoryStore()
    await killed(store, "a", "agent:v0-1")
    assert (await log_of(store, "b").take()).deaths == {"agent:v0-1": Deaths(-1, 1)}
    # It dies before it has begun anything: nobody else is to blame.
    assert (await log_of(store, "c").take()).deaths == {"agent:v0-1": Deaths(-1, 1)}
    await log_of(store, "c").clear()
    assert await log_of(store, "d").take() == Found(is_clean=False)


@pytest.mark.parametrize(
    "data",
    [
        None,
        "{}",
        '{"worker": 7, "begun": 7, "deaths": 7}',
        '{"begun": [7, {"streamName": 7}], "deaths": [{"deaths": 2}]}',
        '{"begun": [{"streamName": ""}, {"streamName": "agent:v0"}, {"streamName": "agent:v0-"}]}',
        '{"deaths": [{"streamName": "other:v0-1", "position": -1, "deaths": 9}]}',
    ],
)
async def test_what_others_wrote_into_the_slot_tells_nothing(data: str | None) -> None:
    store = MemoryStore()
    await store.append(STREAM, new("SuspectsBegun", data))
    assert await log_of(store, "a").take() == Found(is_clean=False)


async def test_who_has_lost_the_slot_without_hearing_of_it_notes_nothing_over_the_next_one() -> (
    None
):
    store = MemoryStore()
    paused = SlotLog(store, GROUP, STREAM, Paused(), "paused", IDS)
    await paused.take()
    await killed(store, "b", "agent:v0-1")
    assert not await paused.clear()
    assert not await paused.begin({"agent:v0-2": 7}, {})
    assert not await paused.release(careful=False, deaths={})
    assert (await log_of(store, "c").take()).deaths == {"agent:v0-1": Deaths(-1, 1)}


async def test_strangers_who_write_into_the_stream_of_a_slot_keep_its_owner_from_nothing() -> None:
    store = MemoryStore()
    log = log_of(store, "a")
    await log.take()
    await store.append(STREAM, new("SuspectsBegun", "{}"))
    assert await log.clear()
    assert await log.release(careful=False, deaths={})
    assert await log_of(store, "b").take() == CLEAN


async def test_what_a_paused_worker_notes_while_the_slot_is_taken_is_known_to_who_takes_it() -> (
    None
):
    class Raced(MemoryStore):
        async def append(
            self, stream: str, *messages: NewMessage, expected_version: int | None = None
        ) -> Appended:
            if messages[0].type == "SlotTaken" and raced:
                await raced.pop().begin({"agent:v0-1": -1}, {})
            return await super().append(stream, *messages, expected_version=expected_version)

    raced: list[SlotLog] = []
    store = Raced()
    paused = log_of(store, "paused")
    await paused.take()
    raced.append(paused)
    assert (await log_of(store, "b").take()).deaths == {"agent:v0-1": Deaths(-1, 1)}
