"""A snapshot is written as the policy says, beside a turn: it neither fails it nor holds it up."""

import asyncio

import orjson
import pytest

from messagedb_agent import MemoryStore, connect
from messagedb_agent.agents.snapshot_policy import SnapshotPolicy, snapshot_policy
from messagedb_agent.engine.snapshot import snapshot_in
from messagedb_agent.errors import (
    RefusedPayload,
    StoreUnavailable,
    ValidationError,
)
from messagedb_agent.store.message import Appended, NewMessage
from tests.unit.agents.snapshots import (
    as_a_full_fold,
    begun,
    beside,
    engine_on,
    snapshots_of,
    turns,
)


async def test_what_is_written_behind_a_snapshot_is_what_would_be_written_without() -> None:
    """Causes, what travels with them, and hashes: a thread goes on the same from either."""
    rows = []
    for policy in ("every 10", "never"):
        store = MemoryStore()
        agent = await begun(store, policy)
        agent = await (await engine_on(store, policy)).latest(agent.thread_id)
        agent = await agent.advance("What is 6 * 7?")
        stream = f"agent:v0-{agent.thread_id}"
        found = [orjson.loads(m.metadata or "") async for m in store.read(stream)]
        rows.append([(m.get("causationMessagePosition"), len(m)) for m in found])
    assert rows[0] == rows[1]


async def test_a_snapshot_is_one_that_other_clients_know_the_shape_of() -> None:
    store = MemoryStore()
    agent = await begun(store)
    messages = await snapshots_of(store, agent)
    assert messages
    for message in messages:
        assert message.type == "Recorded"
        assert orjson.loads(message.data or "").keys() == {"entityData", "entityVersion", "time"}


@pytest.mark.parametrize(
    ("policy", "written"), [("never", 0), ("every 1", 5), ("every 14", 2), ("every 1000", 0)]
)
async def test_a_snapshot_is_written_as_often_as_the_policy_says(policy: str, written: int) -> None:
    store = MemoryStore()
    agent = await begun(store, policy, count=4)
    assert len(await snapshots_of(store, agent)) == written


async def test_once_is_once_in_a_long_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("messagedb_agent.agents.snapshot_policy.LONG", 10)
    store = MemoryStore()
    agent = await begun(store, "once")
    again = await engine_on(store, "once")
    agent = await turns(again, await again.latest(agent.thread_id), 3)
    assert len(await snapshots_of(store, agent)) == 1
    await as_a_full_fold(again, agent)


@pytest.mark.parametrize("text", ["", "always", "every", "every 0", "every -1", "1000"])
def test_another_policy_is_refused_at_once(text: str) -> None:
    with pytest.raises(ValidationError) as refused:
        connect(MemoryStore(), snapshots=text)
    assert refused.value.field == "snapshots"


def test_a_policy_is_read_in_any_spelling() -> None:
    assert snapshot_policy(" Every  250 ") == SnapshotPolicy(250)
    assert snapshot_policy("ONCE") == SnapshotPolicy(None)
    assert not snapshot_policy("never").is_on


class TroubledStore(MemoryStore):
    """Fails where snapshots are written.

    Attributes:
        left: how many appends of snapshots and pages still go through.
        fails_with: what the next one raises.
    """

    def __init__(self, left: int = 0, fails_with: Exception | None = None) -> None:
        super().__init__()
        self.left = left
        self.fails_with = fails_with

    async def append(
        self, stream: str, *messages: NewMessage, expected_version: int | None = None
    ) -> Appended:
        if "+snapshot" in stream:
            if not self.left and self.fails_with:
                raise self.fails_with
            self.left -= 1
        return await super().append(stream, *messages, expected_version=expected_version)


@pytest.mark.parametrize(
    "error", [StoreUnavailable("gone"), RefusedPayload("large", field="data"), ValueError("a bug")]
)
async def test_a_snapshot_that_cannot_be_written_fails_no_turn(error: Exception) -> None:
    store = TroubledStore(fails_with=error)
    agent = await begun(store)
    assert agent.answer == "2 + 1 = 3."
    assert await snapshots_of(store, agent) == []
    store.fails_with = None
    engine = await engine_on(store)
    agent = await turns(engine, await engine.latest(agent.thread_id), 1)
    assert len(await snapshots_of(store, agent)) == 1


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every item a page of its own, and every page several messages."""
    monkeypatch.setattr("messagedb_agent.agents.picture.PAGE_BYTES", 1)
    monkeypatch.setattr("messagedb_agent.engine.snapshot.PIECE_CHARS", 100)


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("left", range(0, 40, 4))
async def test_pages_without_a_snapshot_behind_them_are_never_used(left: int) -> None:
    """Its writer was killed between two of them; the next one writes its own."""
    store = TroubledStore(left, StoreUnavailable("killed"))
    engine = await engine_on(store, "every 1")
    agent = await turns(engine, await engine.start("What is 1 + 1?"), 3)
    store.fails_with = None
    again = await engine_on(store, "every 1")
    later = await again.latest(agent.thread_id)
    await as_a_full_fold(again, later)
    later = await turns(again, later, 2)
    third = await engine_on(store, "every 1")
    await as_a_full_fold(third, await third.latest(agent.thread_id))


class YieldingStore(MemoryStore):
    """Lets others go on before each append."""

    async def append(
        self, stream: str, *messages: NewMessage, expected_version: int | None = None
    ) -> Appended:
        await asyncio.sleep(0)
        return await super().append(stream, *messages, expected_version=expected_version)


@pytest.mark.usefixtures("small_pages")
async def test_of_two_that_write_at_once_one_gives_up() -> None:
    store = YieldingStore()
    agent = await begun(store, "never", count=5)
    runs = []
    for _ in range(2):
        engine = await engine_on(store, "every 1")
        run = engine._runs.new(agent.thread_id)
        await run.journal.catch_up()
        runs.append((engine._runs.snapshots, run.taken()))
    written = await asyncio.gather(*(keeper.write(taken) for keeper, taken in runs))
    assert [kept is None for kept in written].count(True) == 1
    assert len(await snapshots_of(store, agent)) == 1
    engine = await engine_on(store, "every 1")
    later = await engine.latest(agent.thread_id)
    await as_a_full_fold(engine, later)


@pytest.mark.usefixtures("small_pages")
async def test_a_full_page_is_written_once() -> None:
    store = MemoryStore()
    engine = await engine_on(store, "every 1")
    agent = await turns(engine, await engine.start("What is 1 + 1?"), 6)
    pages = [m async for m in store.read(f"{beside(agent)}+pages")]
    (*_, last) = await snapshots_of(store, agent)
    named = [page.place for some in snapshot_in(last).pages.values() for page in some]
    assert len(named) > 20
    assert len(pages) == sum(place[1] for place in named if place)


class StuckStore(MemoryStore):
    """Never ends writing a snapshot."""

    async def append(
        self, stream: str, *messages: NewMessage, expected_version: int | None = None
    ) -> Appended:
        if "+snapshot" in stream:
            await asyncio.Event().wait()
        return await super().append(stream, *messages, expected_version=expected_version)


async def test_closing_leaves_no_snapshot_being_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("messagedb_agent.agents.snapshotting.CLOSE_S", 0.01)
    before = asyncio.all_tasks()
    async with connect(StuckStore(), snapshots="every 1") as engine:
        agent = await engine.start("What is 1 + 1?")
        agent = await agent.advance("What is 2 + 1?")  # a turn does not wait for it either
        assert agent.answer == "2 + 1 = 3."
    assert asyncio.all_tasks() == before


async def test_who_only_reads_or_says_writes_no_snapshot() -> None:
    store = MemoryStore()
    agent = await begun(store, "never")
    engine = await engine_on(store, "every 1")
    later = await engine.latest(agent.thread_id)
    await later.advance("Hello!", detached=True)
    await engine._runs.close()
    assert await snapshots_of(store, agent) == []
