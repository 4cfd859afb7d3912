"""Adapters that break their port: what they do becomes a failure, and nobody waits for ever."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from messagedb_agent import containing
from messagedb_agent.events.request import CallFailure, Delta, Reply, Request, UserText
from messagedb_agent.llm import contained
from messagedb_agent.llm.attempt import Failed
from messagedb_agent.llm.model import OnDelta
from messagedb_agent.llm.retrying import Retrying, RetryPolicy

REQUEST = Request("m", "", (UserText("hello"),), ())
ANSWER = Reply(model="m", text="yes", finish_reason="stop")

Behaviour = Callable[[OnDelta | None], Awaitable[Reply | Failed]]


class Adapter:
    """Makes each attempt as a test wants it, and counts them."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self.attempts = 0

    async def attempt(
        self, request: Request, *, timeout_s: float, on_delta: OnDelta | None = None
    ) -> Reply | Failed:
        self.attempts += 1
        return await self._behaviour(on_delta)


def asked(behaviour: Behaviour, timeout_ms: int = 60_000) -> Retrying:
    return Retrying(Adapter(behaviour), RetryPolicy(timeout_ms=timeout_ms))


def raising(error: BaseException) -> Behaviour:
    async def behave(on_delta: OnDelta | None) -> Reply | Failed:
        raise error

    return behave


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("bad"), "ValueError: bad"),
        (ValueError("with sk-0123456789abcdef in it"), "ValueError: with *** in it"),
        (Unprintable(), "Unprintable"),
        (SystemExit(3), "SystemExit: 3"),
        (GeneratorExit(), "GeneratorExit"),
        (asyncio.CancelledError(), "CancelledError: it cancelled itself"),
    ],
)
async def test_what_an_adapter_raises_is_a_failure(error: BaseException, message: str) -> None:
    outcome = await asked(raising(error)).complete(REQUEST)
    assert isinstance(outcome, CallFailure)
    assert (outcome.kind, outcome.message) == ("internal", message)
    assert [attempt.kind for attempt in outcome.attempts] == ["internal"]


async def test_an_adapter_that_cancels_its_task_leaves_its_caller_alone() -> None:
    async def behave(on_delta: OnDelta | None) -> Reply | Failed:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)
        return ANSWER

    outcome = await asked(behave).complete(REQUEST)
    assert isinstance(outcome, CallFailure)
    task = asyncio.current_task()
    assert task is not None
    assert not task.cancelling()


def test_an_interrupt_ends_the_program() -> None:
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(asked(raising(KeyboardInterrupt())).complete(REQUEST))


@pytest.mark.parametrize("error", [ValueError("mine"), asyncio.QueueFull(), TimeoutError("mine")])
async def test_what_the_listener_raises_is_its_own(error: Exception) -> None:
    async def behave(on_delta: OnDelta | None) -> Reply | Failed:
        assert on_delta is not None
        on_delta(Delta("text", "a"))
        return ANSWER

    def listen(delta: Delta) -> None:
        raise error

    with pytest.raises(type(error)) as raised:
        await asked(behave).complete(REQUEST, on_delta=listen)
    assert raised.value is error


class Stubborn:
    """Goes on when it is cancelled, until it is let go."""

    def __init__(self, then: BaseException | None = None) -> None:
        self.begun, self.free = asyncio.Event(), asyncio.Event()
        self.then = then
        self.task: asyncio.Task[object] | None = None

    async def __call__(self, on_delta: OnDelta | None) -> Reply | Failed:
        self.task = asyncio.current_task()
        self.begun.set()
        while not self.free.is_set():
            try:
                await self.free.wait()
            except asyncio.CancelledError:
                continue
        if self.then:
            raise self.then
        return ANSWER

    async def end(self) -> None:
        self.free.set()
        assert self.task is not None
        await asyncio.wait({self.task})


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containing, "GRACE_S", 0.01)
    monkeypatch.setattr(contained, "OVERTIME_S", 0.01)


async def test_an_adapter_that_swallows_its_cancellation_is_left_behind(hasty: None) -> None:
    stubborn = Stubborn(then=ValueError("heard by nobody"))
    task = asyncio.create_task(asked(stubborn).complete(REQUEST))
    await stubborn.begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 20)
    await stubborn.end()


async def test_an_adapter_that_forgets_its_time_is_left_behind_and_asked_no_more(
    hasty: None,
) -> None:
    stubborn = Stubborn()
    adapter = Adapter(stubborn)
    outcome = await asyncio.wait_for(
        Retrying(adapter, RetryPolicy(timeout_ms=10)).complete(REQUEST), 20
    )
    assert isinstance(outcome, CallFailure)
    assert outcome.kind == "timed_out"
    assert adapter.attempts == 1
    await stubborn.end()


async def test_our_cancellation_ends_the_attempt_before_it_is_raised() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def behave(on_delta: OnDelta | None) -> Reply | Failed:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return ANSWER

    task = asyncio.create_task(asked(behave).complete(REQUEST))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()
