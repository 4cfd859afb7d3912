"""Threads that may have killed a worker are taken up one after the other."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from messagedb_agent.consumers.caution import TOGETHER, Caution
from tests.waiting import PATIENCE_S, until


def soon(deaths: int) -> float:
    return deaths / 1000


class Slot:
    """A slot whose threads pass some time after they are taken up.

    Attributes:
        deaths: how many have died at a thread.
        caution: is told of those that pass.
        pass_s: after how long; None for never.
        begun: what was taken up, in order.
        beside: what was under way when a thread was taken up, by its name.
        over: what has passed.
    """

    def __init__(self, caution: Caution, pass_s: float | None = 0.02, **deaths: int) -> None:
        self.deaths = deaths
        self.caution = caution
        self.pass_s = pass_s
        self.begun: list[str] = []
        self.beside: dict[str, set[str]] = {}
        self.over: list[str] = []

    def deaths_at(self, stream: str) -> int:
        return self.deaths.get(stream, 0)

    def offer(self, stream: str) -> None:
        self.beside[stream] = set(self.begun) - set(self.over)
        self.begun.append(stream)
        if self.pass_s is not None:
            asyncio.get_running_loop().call_later(self.pass_s, self.caution.passed, stream)

    async def note_begun(self, stream: str) -> bool:
        return stream in self.begun

    def passed(self, stream: str) -> None:
        self.over.append(stream)


@asynccontextmanager
async def running(caution: Caution) -> AsyncIterator[None]:
    task = asyncio.create_task(caution.run())
    try:
        yield
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_the_next_ones_wait_until_the_last_have_claimed_something() -> None:
    caution = Caution(soon, PATIENCE_S)
    slot = Slot(caution)
    streams = [str(n) for n in range(TOGETHER + 1)]
    for stream in streams:
        caution.add(stream, slot)
    async with running(caution):
        await until(lambda: len(slot.over) == len(streams))
    assert slot.begun == streams
    assert len(slot.beside[streams[-2]]) == TOGETHER - 1
    assert not slot.beside[streams[-1]]
    assert not caution.concerns(slot)


async def test_those_at_which_most_have_died_come_last_and_alone() -> None:
    caution = Caution(soon, 0)  # one at which nobody has died is not waited for by such others
    slot = Slot(caution, 0.05, bad=2, worse=3)
    for stream in ("worse", "bad", "fine"):
        caution.add(stream, slot)
    async with running(caution):
        await until(lambda: len(slot.over) == 3)
    assert slot.begun == ["fine", "bad", "worse"]
    assert not any(slot.beside.values())


async def test_one_at_which_somebody_has_died_waits_for_longer_than_the_others() -> None:
    caution = Caution(lambda deaths: 0.5 * deaths)
    slot = Slot(caution, bad=1)
    caution.add("bad", slot)
    asyncio.get_running_loop().call_later(0, caution.add, "fine", slot)
    async with running(caution):
        await until(lambda: len(slot.over) == 2)
    assert slot.begun == ["fine", "bad"]


async def test_what_one_has_claimed_at_which_somebody_has_died_is_waited_for_for_a_while() -> None:
    caution, ended = Caution(soon, ends_s=PATIENCE_S), list[str]()
    slot = Slot(caution, None, first=1, second=1)

    def end(stream: str) -> None:
        ended.append(stream)
        caution.passed(stream)

    for stream in ("first", "second"):
        caution.add(stream, slot)
    async with running(caution):
        await until(lambda: slot.begun == ["first"])
        caution.passed("first", ended=False)
        asyncio.get_running_loop().call_later(0.1, end, "first")
        await until(lambda: slot.begun == ["first", "second"])
        assert ended == ["first"]
    caution = Caution(soon, ends_s=0.05)
    caution.add("long", slot)
    async with running(caution):
        await until(lambda: slot.begun[-1] == "long")
        caution.passed("long", ended=False)
        caution.add("first", slot)
        await until(lambda: slot.begun[-1] == "first")


async def test_a_slow_one_at_which_nobody_has_died_keeps_the_others_for_a_while_only() -> None:
    caution = Caution(soon, 0.05)
    slot = Slot(caution, None)
    caution.add("slow", slot)
    async with running(caution):
        await until(lambda: slot.begun == ["slow"])
        caution.add("next", slot)
        await until(lambda: slot.begun == ["slow", "next"])
    assert not slot.over


async def test_threads_of_a_slot_that_is_gone_are_forgotten() -> None:
    caution = Caution(soon)
    gone, slot = Slot(caution, a=1), Slot(caution, None)
    caution.add("b", slot)
    async with running(caution):
        await until(lambda: slot.begun)
        caution.add("a", gone)  # it waits until it is alone
        assert caution.concerns(gone)
        caution.forget(gone)
        caution.passed("b")
        caution.add("c", slot)
        await until(lambda: slot.begun == ["b", "c"])
        assert not caution.concerns(gone)
        assert not gone.begun


async def test_what_is_under_suspicion_is_noted_before_it_is_begun_and_nothing_else() -> None:
    caution = Caution(soon)
    slot = Slot(caution, None)
    caution.add("suspect", slot)
    async with running(caution):
        await until(lambda: slot.begun)
    slot.begun = []  # and so it may not be begun
    assert await caution.may_begin("any other")
    assert not await caution.may_begin("suspect")
    assert "suspect" in caution


async def test_a_thread_that_is_put_aside_is_not_taken_up_and_nobody_waits_for_it() -> None:
    caution = Caution(soon)
    slot = Slot(caution, None, first=1, second=2, third=3)
    async with running(caution):
        for stream in ("first", "second", "third"):
            caution.add(stream, slot)
        await until(lambda: slot.begun)
        caution.leave("second")
        caution.leave("first")
        await until(lambda: "third" in slot.begun)
        assert slot.begun == ["first", "third"]
        assert slot.over == ["first"]
