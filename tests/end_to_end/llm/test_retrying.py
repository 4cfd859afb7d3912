"""Retries, on a clock that only moves when somebody sleeps or is asked."""

import asyncio
from dataclasses import dataclass, field

import pytest

from messagedb_agent.events.request import CallFailure, Delta, Reply, Request
from messagedb_agent.llm.attempt import Failed
from messagedb_agent.llm.model import OnDelta
from messagedb_agent.llm.retrying import Retrying, RetryPolicy
from tests.end_to_end.llm.asking import request

ANSWER = Reply(model="m-1", text="yes", finish_reason="stop")
PASSING = Failed("unavailable", "not now", retries=None)
FOR_GOOD = Failed("bad_request", "never", retries=0)


@dataclass
class Clock:
    """Virtual time, in seconds."""

    now: float = 0.0
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


class Scripted:
    """A model of single attempts, each of which takes a second."""

    def __init__(self, clock: Clock, *outcomes: Reply | Failed, shows: str = "") -> None:
        self.clock = clock
        self.outcomes = list(outcomes)
        self.shows = shows
        self.timeouts: list[float] = []

    async def attempt(
        self, request: Request, *, timeout_s: float, on_delta: OnDelta | None = None
    ) -> Reply | Failed:
        self.timeouts.append(timeout_s)
        self.clock.now += 1
        if on_delta and self.shows:
            on_delta(Delta("text", self.shows))
        return self.outcomes.pop(0)


def retrying(
    *outcomes: Reply | Failed, random: float = 1.0, shows: str = "", **policy: int
) -> tuple[Retrying, Scripted, Clock]:
    clock = Clock()
    model = Scripted(clock, *outcomes, shows=shows)
    built = Retrying(
        model, RetryPolicy(**policy), sleep=clock.sleep, random=lambda: random, clock=clock
    )
    return built, model, clock


async def failure(model: Retrying, asked: Request) -> CallFailure:
    outcome = await model.complete(asked)
    assert isinstance(outcome, CallFailure)
    return outcome


async def test_every_attempt_is_told_with_its_time_and_its_wait() -> None:
    model, _, clock = retrying(PASSING, PASSING, ANSWER)
    reply = await model.complete(request())
    assert isinstance(reply, Reply)
    assert [(a.model, a.kind, a.elapsed_ms, a.waited_ms) for a in reply.attempts] == [
        ("scripted", "unavailable", 1000, 0),
        ("scripted", "unavailable", 1000, 1000),
        ("m-1", "answered", 1000, 2000),
    ]
    assert clock.slept == [1.0, 2.0]


@pytest.mark.parametrize("asked", [0, 1, 5])
async def test_the_request_says_how_often_to_try_again(asked: int) -> None:
    model, _, _ = retrying(*[PASSING] * 9)
    failed = await failure(model, request(max_retries=asked))
    assert len(failed.attempts) == asked + 1
    assert (failed.kind, failed.message) == ("unavailable", "not now")


async def test_without_a_word_of_the_request_it_is_three_times() -> None:
    model, _, _ = retrying(*[PASSING] * 9)
    assert len((await failure(model, request(max_retries=None))).attempts) == 4


async def test_what_cannot_get_better_is_not_tried_again() -> None:
    model, _, clock = retrying(FOR_GOOD, ANSWER)
    assert len((await failure(model, request())).attempts) == 1
    assert clock.slept == []


async def test_a_kind_is_tried_again_as_often_as_it_is_worth_whatever_came_between() -> None:
    empty = Failed("empty", "nothing", retries=1)
    model, _, _ = retrying(empty, PASSING, empty, ANSWER)
    failed = await failure(model, request(max_retries=9))
    assert [attempt.kind for attempt in failed.attempts] == ["empty", "unavailable", "empty"]


@pytest.mark.parametrize(("random", "expected"), [(0.0, 0.5), (0.5, 0.75), (1.0, 1.0)])
async def test_a_wait_is_drawn_from_the_upper_half_of_its_range(
    random: float, expected: float
) -> None:
    model, _, clock = retrying(PASSING, ANSWER, random=random)
    await model.complete(request())
    assert clock.slept == [expected]


async def test_waits_grow_up_to_a_bound() -> None:
    model, _, clock = retrying(*[PASSING] * 9, most_wait_ms=5_000)
    await failure(model, request(max_retries=5))
    assert clock.slept == [1, 2, 4, 5, 5]


async def test_a_wait_that_the_provider_asks_for_is_kept_and_cut() -> None:
    asks = [Failed("rate_limited", "wait", None, retry_after_ms=ms) for ms in (10, 9_000, 10**9)]
    model, _, clock = retrying(*asks, ANSWER, most_retry_after_ms=60_000)
    await model.complete(request(max_retries=3))
    assert clock.slept == [1.0, 9.0, 60.0]


async def test_a_wait_past_the_deadline_is_not_begun() -> None:
    model, _, clock = retrying(*[PASSING] * 9, deadline_ms=5_500, first_wait_ms=1_000)
    failed = await failure(model, request(max_retries=9))
    # 1 s asking, 1 s waiting, 1 s asking, 2 s waiting: 4 more would end after 5.5 s.
    assert (len(failed.attempts), clock.slept) == (3, [1.0, 2.0])


async def test_the_last_attempt_has_what_is_left_of_the_deadline() -> None:
    model, scripted, _ = retrying(PASSING, ANSWER, deadline_ms=5_000)
    await model.complete(request(timeout_ms=4_000))
    assert scripted.timeouts == [4.0, 3.0]


async def test_pieces_of_a_failed_attempt_are_taken_back_once() -> None:
    model, _, _ = retrying(PASSING, PASSING, ANSWER, shows="par")
    shown: list[Delta] = []
    await model.complete(request(), on_delta=shown.append)
    assert [delta.kind for delta in shown] == ["text", "restart", "text", "restart", "text"]


async def test_nothing_is_taken_back_where_nothing_was_shown() -> None:
    model, _, _ = retrying(PASSING, ANSWER)
    shown: list[Delta] = []
    await model.complete(request(), on_delta=shown.append)
    assert shown == []


async def test_cancelling_ends_a_wait_at_once() -> None:
    waits = asyncio.Event()

    async def sleep(seconds: float) -> None:
        waits.set()
        await asyncio.Event().wait()

    scripted = Scripted(Clock(), PASSING, ANSWER)
    asking = asyncio.create_task(Retrying(scripted, sleep=sleep).complete(request()))
    await waits.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert scripted.outcomes == [ANSWER]
