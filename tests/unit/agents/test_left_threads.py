"""In a list, a thread that somebody works on is told from one that was left in the middle."""

import asyncio
from collections.abc import Collection

from messagedb_agent.agents.finding import Listed
from tests.unit.engine.world import Gate, WatchedStore, engine_on, scripted, under_way


class CountingStore(WatchedStore):
    """A store that counts how often it is asked who owns streams.

    Attributes:
        asked: of how many streams at a time.
        meanwhile: opened as soon as it is asked, and waited for until the thread is at rest.
    """

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[int] = []
        self.meanwhile: tuple[Gate, asyncio.Task[object]] | None = None

    async def owned(self, streams: Collection[str]) -> frozenset[str]:
        self.asked.append(len(streams))
        if self.meanwhile:
            gate, turn = self.meanwhile
            gate.opened.set()
            await turn
        return await super().owned(streams)


async def of_its_end(store: CountingStore, listed: Listed) -> bool:
    """Say whether a thread is left at its end; nothing is left where more has come since."""
    end = await store.stream_version(listed.summary.stream)
    thread_id = listed.summary.stream.partition("-")[2]
    assert not await engine_on(store).is_left(thread_id, end - 1)
    return await engine_on(store).is_left(thread_id, end)


async def test_what_runs_is_told_from_what_was_left_by_one_question_for_all() -> None:
    store, gate = CountingStore(), Gate()
    engine = engine_on(store, scripted(*[gate.answer("never")] * 3, "one"))
    for number in range(2):
        async with under_way(engine.start(f"left {number}")) as turn:
            await gate.entered.wait()
            gate.entered.clear()
            turn.cancel()
    async with under_way(engine.start("runs")):
        await gate.entered.wait()
        await engine_on(store, scripted("rests")).start("rests")
        listed = await engine_on(store).threads()
        asked, there = list(store.asked), [await of_its_end(store, one) for one in listed[1:]]
        assert there == [False, True, True]
    assert [(one.summary.title, one.status) for one in listed] == [
        ("rests", "waiting"),
        ("runs", "running"),
        ("left 1", "interrupted"),
        ("left 0", "interrupted"),
    ]
    assert [one.summary.status for one in listed[1:]] == ["running"] * 3
    assert asked == [3]


async def test_where_nothing_runs_nobody_is_asked() -> None:
    store = CountingStore()
    engine = engine_on(store, scripted("one"))
    await engine.start("rests")
    assert [one.status for one in await engine.threads()] == ["waiting"]
    assert store.asked == []


async def test_what_comes_to_rest_while_it_is_listed_was_not_left() -> None:
    store, gate = CountingStore(), Gate()
    engine = engine_on(store, scripted(gate.answer("one")))
    async with under_way(engine.start("ends")) as turn:
        await gate.entered.wait()
        store.meanwhile = gate, turn
        (listed,) = await engine_on(store).threads()
    assert listed.status == "running"
    assert (await engine_on(store).latest("last")).status == "waiting"


async def test_what_was_left_and_is_taken_up_is_interrupted_no_more() -> None:
    store, gate = CountingStore(), Gate()
    engine = engine_on(store, scripted(gate.answer("never"), "after all"))
    async with under_way(engine.start("left")) as turn:
        await gate.entered.wait()
        turn.cancel()
    agent = await engine.latest("last")
    await agent.resume()
    assert [one.status for one in await engine.threads()] == ["waiting"]
