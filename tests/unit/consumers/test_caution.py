"""Threads that may have killed a worker are taken up one after the other."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from messagedb_agent.consumers.caution import TOGETHER, Caution
from messagedb_agent.errors import StoreUnavailable
from tests.waiting import until


def soon(deaths: int) -> float:
    return deaths / 1000


class Slot:
    """A slot that notes what it is told to begin."""

    def __init__(self, **deaths: int) -> None:
        self.deaths = deaths
        self.begun: list[str] = []
        self.over: list[str] = []
        self.failures = 0

    def deaths_at(self, stream: str) -> int:
        return self.deaths.get(stream, 0)

    async def begin_suspects(self, streams: Sequence[str]) -> None:
        if self.failures:
            self.failures -= 1
            raise StoreUnavailable("away")
        self.begun += streams

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
    caution, slot = Caution(soon), Slot()
    streams = [str(n) for n in range(TOGETHER + 1)]
    for stream in streams:
        caution.add(stream, slot)
    async with running(caution):
        await until(lambda: slot.begun)
        assert slot.begun == streams[:TOGETHER]
        for stream in streams[1:TOGETHER]:
            caution.passed(stream)
            assert stream not in caution
        await asyncio.sleep(0)
        assert len(slot.begun) == TOGETHER
        caution.passed("0")
        await until(lambda: slot.begun == streams)
        caution.passed(streams[-1])
    assert sorted(slot.over) == sorted(streams)
    assert not caution.concerns(slot)


async def test_those_at_which_most_have_died_come_last_and_alone() -> None:
    caution, slot = Caution(soon, 0.05), Slot(bad=2, worse=3)
    for stream in ("worse", "bad", "fine"):
        caution.add(stream, slot)
    async with running(caution):
        await until(lambda: slot.begun)
        assert slot.begun == ["fine"]
        await asyncio.sleep(0.2)  # one at which nobody has died is not waited for for ever
        assert slot.begun == ["fine"]  # but by one at which somebody has
        caution.passed("fine")
        await until(lambda: len(slot.begun) == 2)
        await asyncio.sleep(0.2)
        assert slot.begun == ["fine", "bad"]
        caution.passed("bad")
        await until(lambda: slot.begun == ["fine", "bad", "worse"])


async def test_one_at_which_somebody_has_died_waits_for_longer_than_the_others() -> None:
    caution, slot = Caution(lambda deaths: 0.2 * deaths), Slot(bad=1)
    caution.add("bad", slot)
    async with running(caution):
        await asyncio.sleep(0.05)
        assert not slot.begun
        caution.add("fine", slot)
        await until(lambda: slot.begun == ["fine"])
        caution.passed("fine")
        await until(lambda: slot.begun == ["fine", "bad"])


async def test_what_one_has_claimed_at_which_somebody_has_died_is_waited_for_for_a_while() -> None:
    caution, slot = Caution(soon, ends_s=60), Slot(first=1, second=1)
    for stream in ("first", "second"):
        caution.add(stream, slot)
    async with running(caution):
        await until(lambda: slot.begun == ["first"])
        caution.passed("first", ended=False)
        await until(lambda: slot.over == ["first"])
        await asyncio.sleep(0.1)
        assert slot.begun == ["first"]
        caution.passed("first")
        await until(lambda: slot.begun == ["first", "second"])
    caution = Caution(soon, ends_s=0.05)
    caution.add("long", slot)
    async with running(caution):
        await until(lambda: slot.begun[-1] == "long")
        caution.passed("long", ended=False)
        caution.add("first", slot)
        await until(lambda: slot.begun[-1] == "first")


async def test_a_slow_one_at_which_nobody_has_died_keeps_the_others_for_a_while_only() -> None:
    caution, slot = Caution(soon, 0.05), Slot()
    caution.add("slow", slot)
    async with running(caution):
        await until(lambda: slot.begun == ["slow"])
        caution.add("next", slot)
        await until(lambda: slot.begun == ["slow", "next"])
    assert not slot.over


async def test_what_cannot_be_noted_is_not_begun_and_is_tried_again() -> None:
    caution, slot = Caution(soon), Slot()
    slot.failures = 1
    caution.add("a", slot)
    async with running(caution):
        await until(lambda: slot.begun == ["a"])


async def test_threads_of_a_slot_that_is_gone_are_forgotten() -> None:
    caution, gone, slot = Caution(soon), Slot(a=1), Slot()
    caution.add("a", gone)
    caution.add("b", slot)
    async with running(caution):
        await until(lambda: slot.begun)
        assert caution.concerns(gone)
        caution.forget(gone)
        caution.passed("b")
        await asyncio.sleep(0)
        assert not caution.concerns(gone)
        assert not gone.begun
