"""Threads that have news are seen to until they rest, or are put aside."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from messagedb_agent.agents.attending import Attended
from messagedb_agent.consumers.attendance import Attendance, See
from messagedb_agent.consumers.patience import Patience
from messagedb_agent.errors import ConfigurationError, StoreUnavailable
from tests.waiting import until

_RESTS = Attended(7, rests=True)
_HURRIED = Patience(tries=3, soonest_s=0.001, latest_s=0.01)


class NotingShare:
    """Notes what it is told.

    Attributes:
        rested: streams that were handled.
        parked: stream, reason and tries of what was put aside.
    """

    def __init__(self) -> None:
        self.rested: list[str] = []
        self.parked: list[tuple[str, str, int]] = []

    def handled(self, stream: str, version: int) -> bool:
        self.rested.append(stream)
        return True

    async def park(self, stream: str, reason: str, tries: int) -> None:
        self.parked.append((stream, reason, tries))


@asynccontextmanager
async def attendance(see: See, patience: Patience = _HURRIED) -> AsyncIterator[Attendance]:
    attending = Attendance(see, concurrency=2, patience=patience)
    try:
        yield attending
    finally:
        await attending.close(0)


async def nothing_in_hand(attending: Attendance) -> None:
    await until(lambda: not (attending.waiting or attending.under_way or attending.watched))


async def test_a_thread_that_keeps_failing_is_put_aside_with_its_reason_and_the_others_go_on() -> (
    None
):
    seen: list[str] = []

    async def see(stream: str) -> Attended:
        seen.append(stream)
        if stream == "a-poison":
            raise ValueError("it cannot be handled")
        return _RESTS

    share = NotingShare()
    async with attendance(see) as attending:
        for stream in ("a-poison", "a-1", "a-2", "a-3"):
            attending.offer(stream, share)
        await nothing_in_hand(attending)
    [(stream, reason, tries)] = share.parked
    assert (stream, tries) == ("a-poison", 3)
    assert "it cannot be handled" in reason
    assert seen.count("a-poison") == 3
    assert sorted(share.rested) == ["a-1", "a-2", "a-3"]


async def test_news_that_come_in_the_moment_in_which_a_look_ends_are_seen_to() -> None:
    looks, share = 0, NotingShare()

    async with attendance(lambda _: see()) as attending:

        async def see() -> Attended:
            nonlocal looks
            looks += 1
            if looks == 1:  # it is called when this look has ended, and before that is noted
                asyncio.get_running_loop().call_soon(attending.offer, "a-1", share)
            return _RESTS

        attending.offer("a-1", share)
        await until(lambda: looks == 2)
        await nothing_in_hand(attending)
    assert looks == 2


def resting_after(*failures: Exception) -> See:
    """Return what sees to a thread that rests, once each look has failed that is to fail."""
    left = iter(failures)

    async def see(_: str) -> Attended:
        for failure in left:
            raise failure
        return _RESTS

    return see


async def test_a_thread_that_failed_once_is_tried_again_and_then_rests() -> None:
    share = NotingShare()
    async with attendance(resting_after(ValueError("for once"))) as attending:
        attending.offer("a-1", share)
        await nothing_in_hand(attending)
    assert (share.rested, share.parked) == (["a-1"], [])


async def test_an_absent_store_puts_no_thread_aside() -> None:
    share = NotingShare()
    async with attendance(resting_after(*[StoreUnavailable("away")] * 10)) as attending:
        attending.offer("a-1", share)
        await nothing_in_hand(attending)
    assert (share.rested, share.parked) == (["a-1"], [])


class BrokenShare(NotingShare):
    """A share that has a mistake in it until it is mended."""

    attempts = 0
    is_mended = False

    async def park(self, stream: str, reason: str, tries: int) -> None:
        self.attempts += 1
        if not self.is_mended:
            raise TypeError("no such thing")
        await super().park(stream, reason, tries)


async def fails(_: str) -> Attended:
    raise ValueError("it cannot be handled")


async def test_a_mistake_in_putting_a_thread_aside_is_told_once_and_tried_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    share = BrokenShare()
    async with attendance(fails) as attending:
        attending.offer("a-1", share)
        await until(lambda: share.attempts > 2)
        share.is_mended = True
        await nothing_in_hand(attending)
    assert [stream for stream, _, _ in share.parked] == ["a-1"]
    told = [r for r in caplog.records if "no such thing" in r.getMessage()]
    assert [r.levelno for r in told] == [logging.WARNING]


async def test_after_a_mistake_in_putting_a_thread_aside_there_is_a_pause() -> None:
    share = BrokenShare()
    async with attendance(fails, Patience(tries=1, latest_s=3600)) as attending:
        attending.offer("a-1", share)
        await until(lambda: attending.watched)
    assert share.attempts == 1


async def test_so_many_threads_are_seen_to_at_once_and_each_by_one() -> None:
    under_way: list[str] = []
    most = 0
    gate = asyncio.Event()

    async def see(stream: str) -> Attended:
        nonlocal most
        assert stream not in under_way
        under_way.append(stream)
        most = max(most, len(under_way))
        await gate.wait()
        under_way.remove(stream)
        return _RESTS

    share = NotingShare()
    async with attendance(see) as attending:
        for number in range(6):
            attending.offer(f"a-{number % 3}", share)
        await until(lambda: len(under_way) == 2)
        gate.set()
        await until(lambda: len(share.rested) == 3)
    assert most == 2


async def test_threads_that_are_cancelled_before_their_first_step_are_seen_to_all_the_same() -> (
    None
):
    """Else they would be in hand for ever, and take the places of others."""

    async def see(_: str) -> Attended:
        return _RESTS

    lost, share = NotingShare(), NotingShare()
    async with attendance(see) as attending:
        for stream in ("a-1", "a-2"):
            attending.offer(stream, lost)
        attending.cancel(lost)
        attending.withdraw(lost)
        for stream in ("a-1", "a-2", "a-3"):
            attending.offer(stream, share)
        await nothing_in_hand(attending)
    assert (lost.rested, sorted(share.rested)) == ([], ["a-1", "a-2", "a-3"])


async def test_news_wait_for_few_of_the_threads_whose_tools_are_not_here_however_many() -> None:
    seen: list[str] = []

    async def see(stream: str) -> Attended:
        seen.append(stream)
        await asyncio.sleep(0)
        if stream.startswith("a-lacking"):
            raise ConfigurationError("the tools are not here", field="tools")
        return _RESTS

    share = NotingShare()
    async with attendance(see, Patience(lacking_s=1e-6)) as attending:
        for number in range(100):
            attending.offer(f"a-lacking{number}", share)
        await until(lambda: len(seen) > 200)
        before = len(seen)
        attending.offer("a-1", share)
        await until(lambda: share.rested)
        assert seen.index("a-1") < before + 10


async def test_a_thread_whose_tools_are_not_here_is_looked_at_less_and_less_but_for_its_news() -> (
    None
):
    patience = Patience(lacking_s=3600)
    assert [patience.without_tools_s(n) / 3600 for n in (1, 2, 3, 6, 7, 5000)] == [
        1,
        2,
        4,
        32,
        32,
        32,
    ]
    refusals = iter([ConfigurationError("the tools are not here", field="tools")])

    async def see(_: str) -> Attended:
        for refusal in refusals:
            raise refusal
        return _RESTS

    share = NotingShare()
    async with attendance(see, patience) as attending:
        attending.offer("a-1", share)
        await until(lambda: attending.watched)
        attending.offer("a-1", share)  # other tools have been recorded, perhaps
        await until(lambda: share.rested)
