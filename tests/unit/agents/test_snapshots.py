"""A snapshot is read in the place of what it was folded from, and only where it may be."""

import asyncio
import hashlib
import re
import shutil
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from messagedb_agent import Agent, Engine, MemoryStore, connect, tool
from messagedb_agent.agents.snapshot_policy import SnapshotPolicy, snapshot_policy
from messagedb_agent.agents.view import view
from messagedb_agent.engine import fingerprint as fingerprints
from messagedb_agent.engine.history import Segment
from messagedb_agent.engine.snapshot import TYPE, Page, data_of, snapshot_in
from messagedb_agent.errors import (
    IntegrityError,
    RefusedPayload,
    StoreUnavailable,
    ValidationError,
)
from messagedb_agent.events.chain import hash_text
from messagedb_agent.store.message import Appended, Message, NewMessage


class ChangedStore(MemoryStore):
    """Counts the rows of threads that it gives, and gives some rows otherwise than they stand."""

    def __init__(self) -> None:
        super().__init__()
        self.given = 0
        self.change: Callable[[Message], Message | None] = lambda message: message

    async def read(
        self, stream: str, *, position: int = 0, until: int | None = None
    ) -> AsyncIterator[Message]:
        async for message in super().read(stream, position=position, until=until):
            self.given += "+snapshot" not in stream
            if (changed := self.change(message)) is not None:
                yield changed

    async def last(self, stream: str, *, type: str | None = None) -> Message | None:
        message = await super().last(stream, type=type)
        return message and self.change(message)


async def engine_on(store: MemoryStore, snapshots: str = "every 10") -> Engine:
    """Return an engine as another process would have it: with nothing but the store shared."""
    return await connect(store, snapshots=snapshots)


async def turns(engine: Engine, agent: Agent, count: int) -> Agent:
    """Take turns, and wait for what is written beside each."""
    for number in range(count):
        agent = await agent.advance(f"What is {number} + 1?")
        await engine.turns.close()
    return agent


async def begun(store: MemoryStore, snapshots: str = "every 10", count: int = 3) -> Agent:
    """Return a thread of some turns with seven events each."""
    engine = await engine_on(store, snapshots)
    return await turns(engine, await engine.start("What is 1 + 1?"), count)


def beside(agent: Agent) -> str:
    return f"agent:v0+snapshot-{agent.thread_id}"


async def snapshots_of(store: MemoryStore, agent: Agent) -> list[Message]:
    return [m async for m in store.read(beside(agent))]


async def as_a_full_fold(engine: Engine, agent: Agent) -> None:
    """Check an agent, as it was read in a new process, against the fold of all its events."""
    assert agent.view == await engine.fold(agent.thread_id, view)


async def test_the_next_turn_in_a_new_process_reads_what_came_since() -> None:
    store = ChangedStore()
    agent = await begun(store)
    (*_, last) = await snapshots_of(store, agent)
    version = orjson.loads(last.data or "")["entityVersion"]
    assert version > agent.position - 10
    engine, store.given = await engine_on(store), 0
    later = await engine.latest(agent.thread_id)
    # Row 0, which says whether it is a fork, the snapshot's own, and what came since.
    assert store.given == 2 + agent.position - version
    assert later == agent
    await as_a_full_fold(engine, later)
    answered = await later.advance("What is 5 + 1?")
    assert answered.answer == "5 + 1 = 6."
    await as_a_full_fold(engine, answered)
    assert (await engine.verify(agent.thread_id)).finding is None


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
    for message in await snapshots_of(store, agent):
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


async def test_with_never_none_is_read_either() -> None:
    store = ChangedStore()
    agent = await begun(store)
    engine, store.given = await engine_on(store, "never"), 0
    assert await engine.latest(agent.thread_id) == agent
    assert store.given > agent.position


@pytest.mark.parametrize("text", ["", "always", "every", "every 0", "every -1", "1000"])
def test_another_policy_is_refused_at_once(text: str) -> None:
    with pytest.raises(ValidationError) as refused:
        connect(MemoryStore(), snapshots=text)
    assert refused.value.field == "snapshots"


def test_a_policy_is_read_in_any_spelling() -> None:
    assert snapshot_policy(" Every  250 ") == SnapshotPolicy(250)
    assert snapshot_policy("ONCE") == SnapshotPolicy(None)
    assert not snapshot_policy("never").is_on


Change = Callable[[Message], Message | None]


def forged(**fields: Any) -> Change:
    """Return what changes every snapshot that is read, and seals it anew."""

    def changed(message: Message) -> Message | None:
        if "+snapshot" not in message.stream_name or message.type != TYPE:
            return message
        return replace(message, data=data_of(replace(snapshot_in(message), **fields)))

    return changed


def in_snapshot(**fields: Any) -> Change:
    return lambda m: replace(m, **fields) if "+snapshot" in m.stream_name else m


def digits_changed(message: Message) -> Message | None:
    if "+snapshot" not in message.stream_name:
        return message
    return replace(message, data=(message.data or "").replace('"events": ', '"events": 1'))


def with_an_endless_number(message: Message) -> Message | None:
    data = (message.data or "").replace('"events": ', f'"events": {10**30}')
    return replace(message, data=data) if "+snapshot" in message.stream_name else message


NO_PAGE = Page(0, b"x", hash_text(hashlib.sha256(b"x").digest()))

WRONG: dict[str, Change] = {
    "no JSON": in_snapshot(data='{"entityData": '),
    "NULL": in_snapshot(data=None),
    "of another shape": in_snapshot(data='{"entityData": {"balance": 11}, "entityVersion": 3}'),
    "no object": in_snapshot(data="[1]"),
    "of another type": in_snapshot(type="Noted"),
    "with an endless number": with_an_endless_number,
    "with a page of nothing": forged(pages={"entries": (NO_PAGE,), "states": ()}),
    "changed": digits_changed,
    "of other code": forged(code="older"),
    "of another thread": forged(stream="agent:v0-other"),
    "a fork's": forged(past=(Segment("agent:v0-other", 3),)),
    "behind the end": forged(position=10_000),
    "of another position": forged(position=3),
    "of another event": forged(row="A" * 43),
    "of another chain": forged(hash="A" * 43),
    "without its page": forged(rest=Page(1, None, "A" * 43, (50, 1))),
    "with too many pages": forged(pages={"entries": (Page(1, None, "", (0, 10**9)),)}),
    "with a forged page": forged(rest=Page(1, b"x", "A" * 43)),
    "with what is no page": forged(rest=Page(1, b"x", hash_text(hashlib.sha256(b"x").digest()))),
    "without pages": forged(pages={}),
}


@pytest.mark.parametrize("what", WRONG)
async def test_a_snapshot_that_is_wrong_is_not_used(
    what: str, caplog: pytest.LogCaptureFixture
) -> None:
    store = ChangedStore()
    agent = await begun(store)
    store.change = WRONG[what]
    engine, store.given = await engine_on(store), 0
    with caplog.at_level("DEBUG", logger="messagedb_agent.snapshots"):
        later = await engine.latest(agent.thread_id)
    assert store.given > agent.position
    assert later == agent
    assert later.view == agent.view
    assert "is not used" in caplog.text
    store.change = lambda message: message
    assert (await later.advance("What is 5 + 1?")).answer == "5 + 1 = 6."


async def test_two_versions_of_the_code_that_take_turns_begin_each_behind_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = ChangedStore()
    agent = await begun(store)
    (*_, own) = await snapshots_of(store, agent)
    with monkeypatch.context() as patched:
        patched.setattr("messagedb_agent.agents.snapshotting.fingerprint", lambda: "other")
        other = await engine_on(store)
        agent = await turns(other, await other.latest(agent.thread_id), 2)
    (*_, last) = await snapshots_of(store, agent)
    assert snapshot_in(last).code == "other"
    engine, store.given = await engine_on(store), 0
    later = await engine.latest(agent.thread_id)
    assert store.given == 2 + later.position - snapshot_in(own).position
    await as_a_full_fold(engine, later)


async def test_a_row_that_was_changed_where_a_snapshot_ends_is_read_as_it_stands() -> None:
    store = ChangedStore()
    agent = await begun(store)
    (*_, last) = await snapshots_of(store, agent)
    at = snapshot_in(last).position

    def changed(message: Message) -> Message | None:
        is_one = message.stream_name == stream_of(agent) and message.position == at
        data = (message.data or "").replace("= 3", "= 4")
        return replace(message, data=data) if is_one else message

    store.change = changed
    later = await (await engine_on(store)).latest(agent.thread_id)
    assert later.answer == "2 + 1 = 4."


async def test_a_cut_tail_is_folded_from_a_snapshot_before_the_cut() -> None:
    store = ChangedStore()
    agent = await begun(store)
    versions = [snapshot_in(m).position for m in await snapshots_of(store, agent)]
    cut = versions[-1] - 1
    del store._streams[stream_of(agent)][cut + 1 :]
    engine, store.given = await engine_on(store), 0
    later = await engine.latest(agent.thread_id)
    assert store.given == 2 + cut - versions[-2]
    await as_a_full_fold(engine, later)


def stream_of(agent: Agent) -> str:
    return f"agent:v0-{agent.thread_id}"


async def test_a_fork_begins_behind_a_snapshot_of_its_parent_and_goes_on_behind_its_own() -> None:
    store = ChangedStore()
    agent = await begun(store, count=9)
    states = agent.view.lineage.states
    engine = await engine_on(store)
    parent = await engine.load_agent(states[5].id)
    store.given = 0
    fork = await parent.fork()
    assert store.given < 20 < parent.position
    fork = await turns(engine, fork, 4)
    (*_, last) = await snapshots_of(store, fork)
    assert [part.stream for part in snapshot_in(last).past] == [stream_of(agent)]
    again, store.given = await engine_on(store), 0
    later = await again.latest(fork.thread_id)
    assert store.given < 20
    assert later == fork
    await as_a_full_fold(again, later)
    assert (await again.verify(fork.thread_id)).finding is None


async def test_a_fork_without_a_snapshot_begins_behind_one_of_its_parent() -> None:
    store = ChangedStore()
    agent = await begun(store, count=9)
    fork = await (await (await engine_on(store, "never")).latest(agent.thread_id)).fork()
    engine, store.given = await engine_on(store), 0
    later = await engine.latest(fork.thread_id)
    assert store.given < 20 < agent.position
    await as_a_full_fold(engine, later)


async def test_a_fork_whose_parent_is_cut_is_refused_with_a_snapshot_too() -> None:
    store = ChangedStore()
    agent = await begun(store)
    engine = await engine_on(store)
    fork = await turns(engine, await agent.fork(), 3)
    assert await snapshots_of(store, fork)
    del store._streams[stream_of(agent)][5:]
    with pytest.raises(IntegrityError):
        await (await engine_on(store)).latest(fork.thread_id)


async def test_a_message_said_before_a_snapshot_still_has_the_answer_that_it_got() -> None:
    store = MemoryStore()
    engine = await engine_on(store)
    said = "0f8fad5b-d9cb-469f-a165-70867728950e"
    first = await engine.start("What is 1 + 1?")
    asked = await first.advance("What is 6 * 7?", message_id=said)
    agent = await turns(engine, asked, 4)
    again = await (await engine_on(store)).latest(agent.thread_id)
    told = await again.advance("What is 6 * 7?", message_id=said, at_head=True)
    assert told.answer == "6 * 7 = 42."
    assert told == asked


async def test_a_call_that_waits_in_a_snapshot_goes_on_from_there() -> None:
    @tool(needs_approval=True)
    def remove(name: str) -> str:
        """Remove something."""
        return f"{name} is gone"

    found = []
    for policy in ("every 1", "never"):
        store = MemoryStore()
        one, other = [await connect(store, tools=[remove], snapshots=policy) for _ in range(2)]
        agent = await one.start('call remove {"name": "it"}')
        await one.turns.close()
        assert agent.status == "approval"
        later = await other.latest(agent.thread_id)
        done = await later.approve()
        assert done.answer == "remove: it is gone"
        rows = [m async for m in store.read(stream_of(agent))]
        metadata = [orjson.loads(m.metadata or "") for m in rows]
        causes = [(m.get("causationMessagePosition"), len(m)) for m in metadata]
        found.append(([m.type for m in rows], causes))
    assert found[0] == found[1]


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
        run = engine.turns._new_run(agent.thread_id)
        await run.journal.catch_up()
        assert engine.turns.snapshots
        runs.append((engine.turns.snapshots, run.taken()))
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
    await engine.turns.close()
    assert await snapshots_of(store, agent) == []


def test_without_sources_there_is_no_fingerprint(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(fingerprints, "_PACKAGE", tmp_path)
    assert fingerprints.fingerprint.__wrapped__() is None


def test_a_changed_fold_has_another_fingerprint(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    package = tmp_path / "messagedb_agent"
    shutil.copytree(fingerprints._PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(fingerprints, "_PACKAGE", package)
    same = fingerprints.fingerprint.__wrapped__()
    assert same == fingerprints.fingerprint()
    for name in ("agent/evolution.py", "projections/conversation.py", "agents/view.py"):
        with (package / name).open("a") as source:
            source.write("\n# changed\n")
        other = fingerprints.fingerprint.__wrapped__()
        assert other not in (None, same)
        same = other


def test_the_fingerprint_covers_all_that_a_picture_is_made_by() -> None:
    """What these modules import of the package is in it, or is in itself no part of a fold."""
    package = fingerprints._PACKAGE
    own = [name for name in fingerprints._FOLDING if name.startswith("agents/")]
    assert len(own) > 4
    names = {
        name.removeprefix("messagedb_agent.").replace(".", "/")
        for path in own
        for name in re.findall(r"^from (messagedb_agent[.\w]+)", (package / path).read_text(), re.M)
    }
    outside = {
        name
        for name in names
        if name.partition("/")[0] not in fingerprints._FOLDING
        and f"{name}.py" not in fingerprints._FOLDING
    }
    assert outside == {"errors"}
